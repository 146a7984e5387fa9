//! The binary `silverback`.

use std::process::ExitCode;

fn main() -> ExitCode {
    silverback_server::main()
}
