//! schemathesis, which asks the API whatever its description allows, in a Python environment below `target/conformance/`.

use std::path::Path;

use crate::python::{Environment, python3};

const SCHEMATHESIS: &str = "schemathesis==4.32.5";

/// Makes the environment, unless it is there already.
pub(crate) fn install(directory: &Path) -> Result<(), String> {
    let environment = Environment::new(directory, "schemathesis", SCHEMATHESIS);
    if environment.is_ready() { Ok(()) } else { environment.make(&python3()?) }
}
