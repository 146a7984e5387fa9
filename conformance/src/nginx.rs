//! A real nginx, as whoever runs the test, with all it writes in a directory of its own.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use crate::{Place, Process, Result, Scratch, eventually, installed};

const STARTS_WITHIN: Duration = Duration::from_secs(10);

/// A running nginx. It has one process, which is killed when this is dropped.
pub struct Nginx {
    /// Where it listens.
    pub address: SocketAddr,
    /// The process, for its output: the error log goes there.
    pub process: Process,
    _scratch: Scratch,
}

impl Nginx {
    /// Starts an nginx. `site` is told where to listen and returns what goes into `http { … }`, as a file of `conf.d` would.
    pub fn start(site: impl FnOnce(SocketAddr) -> Result<String>) -> Result<Self> {
        let scratch = Scratch::new()?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?; // free, a moment ago
        let site = site(address)?;
        let temporary: String =
            ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|kind| format!("{kind}_temp_path {kind};\n")).concat();
        let configuration = format!(
            "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log stderr info;\nevents {{}}\n\
             http {{\naccess_log off;\n{temporary}{site}\n}}\n"
        );
        let file = scratch.path().join("nginx.conf");
        std::fs::write(&file, configuration)?;
        let mut command = Place::Here.command(installed::program("nginx")?)?;
        command.args(["-e", "stderr", "-p"]).arg(scratch.path()).arg("-c").arg(&file);
        let mut process = Process::start("nginx", &mut command)?;
        eventually(STARTS_WITHIN, "nginx to listen", || {
            if process.has_ended()? {
                return Err(process.failure("it ended at once"));
            }
            Ok(TcpStream::connect(address).ok())
        })?;
        Ok(Self { address, process, _scratch: scratch })
    }
}
