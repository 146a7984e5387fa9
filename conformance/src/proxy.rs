//! A real proxy, as whoever runs the test, with all it writes in a directory of its own.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::free_address::free_address;
use crate::{Place, Process, Result, Scratch, eventually, installed};

const STARTS_WITHIN: Duration = Duration::from_secs(10);
/// The proxies that the guides are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "their own names")]
pub enum ProxyKind {
    Nginx,
    HaProxy,
    Caddy,
    Apache,
}

/// A running proxy. It has one process, which is killed when this is dropped.
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    /// The process, for its output: the error log goes there.
    pub process: Process,
    _scratch: Scratch,
}

impl Proxy {
    /// Starts a proxy. `site` is told where to listen and returns what one writes for a site: a file of nginx's `conf.d` or
    /// Apache's `sites-enabled`, HAProxy's sections, a Caddyfile.
    pub fn start(kind: ProxyKind, site: impl FnOnce(SocketAddr) -> Result<String>) -> Result<Self> {
        let scratch = Scratch::new()?;
        let address = free_address()?;
        let file = scratch.path().join("configuration");
        std::fs::write(&file, kind.configuration(&site(address)?, scratch.path()))?;
        let mut process = Process::start(kind.program(), &mut kind.command(scratch.path(), &file)?)?;
        eventually(STARTS_WITHIN, "the proxy to listen", || {
            if process.has_ended()? {
                return Err(process.failure("it ended at once"));
            }
            Ok(TcpStream::connect(address).ok())
        })
        .map_err(|failure| process.failure(failure.to_string()))?;
        Ok(Self { address, process, _scratch: scratch })
    }
}

impl ProxyKind {
    fn program(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::HaProxy => "haproxy",
            Self::Caddy => "caddy",
            Self::Apache => "apache2",
        }
    }

    /// In the foreground, as one process, with this configuration.
    fn command(self, scratch: &Path, file: &Path) -> Result<Command> {
        let mut command = Place::Here.command(installed::program(self.program())?)?;
        match self {
            Self::Nginx => command.args(["-e", "stderr", "-p"]).arg(scratch).arg("-c").arg(file),
            Self::HaProxy => command.args(["-db", "-f"]).arg(file),
            Self::Caddy => command.args(["run", "--adapter", "caddyfile", "--config"]).arg(file),
            Self::Apache => command.arg("-X").arg("-d").arg(scratch).arg("-f").arg(file),
        };
        command.env("HOME", scratch).env_remove("XDG_CONFIG_HOME").env_remove("XDG_DATA_HOME"); // where Caddy keeps what it knows
        Ok(command)
    }

    /// The site in the least that the proxy needs around it.
    fn configuration(self, site: &str, scratch: &Path) -> String {
        match self {
            Self::Nginx => nginx(site),
            Self::HaProxy => site.to_owned(),
            Self::Caddy => caddy(site),
            Self::Apache => apache(site, scratch),
        }
    }
}

fn nginx(site: &str) -> String {
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary: String = kinds.map(|kind| format!("{kind}_temp_path {kind};\n")).concat();
    format!(
        "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log stderr info;\nevents {{}}\n\
         http {{\naccess_log off;\n{temporary}{site}\n}}\n"
    )
}

/// Of global options there is one block, at the beginning: ours are added to the site's.
fn caddy(site: &str) -> String {
    let (options, sites) = match site.strip_prefix("{\n").and_then(|rest| rest.split_once("\n}\n")) {
        Some((options, sites)) => (options, sites),
        None => ("", site),
    };
    format!("{{\nadmin off\nauto_https disable_redirects\ndefault_bind 127.0.0.1\n{options}\n}}\n{sites}")
}

/// With the modules that a fresh Debian enables and those that `a2enmod` of the guide does.
fn apache(site: &str, scratch: &Path) -> String {
    let modules = ["mpm_event", "authz_core", "env", "reqtimeout", "setenvif", "headers", "proxy", "proxy_http", "ssl", "http2"];
    let modules = modules.map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n")).concat();
    let scratch = scratch.display();
    format!(
        "ServerName localhost\nPidFile {scratch}/apache.pid\nDefaultRuntimeDir {scratch}\nMutex file:{scratch}\nErrorLog /dev/stderr\n\
         {modules}User www-data\nGroup www-data\n{site}\n"
    )
}
