//! The runner of the Autobahn test suite, in a Python environment below `target/conformance/`.
//!
//! Two programs run the suite's cases. `wstest` is the original and is Python 2 code, so it is taken where a Python 2.7
//! is found (pyenv has one; Debian 12 does not). `kosoku` runs the same case files from Python 3. What is set up here is
//! what `conformance/tests/autobahn.rs` finds and uses; `SILVERBACK_AUTOBAHN=wstest` or `=kosoku` forces one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::python::{Environment, python3};
use crate::run::{find, run, succeeds};

const WSTEST: &str = "autobahntestsuite==25.10.1";
const KOSOKU: &str = "kosoku==0.1.0";
/// 20.21 is the last that makes Python 2.7 environments.
const VIRTUALENV: &str = "virtualenv<20.22";

/// Makes the environment of the runner that fits this machine, unless it is there already.
pub(crate) fn install_runner(directory: &Path) -> Result<(), String> {
    fs::create_dir_all(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let forced = std::env::var("SILVERBACK_AUTOBAHN").ok();
    match (forced.as_deref(), python2()) {
        (None | Some("wstest"), Some(python2)) => install_wstest(directory, &python2),
        (Some("wstest"), None) => {
            Err("SILVERBACK_AUTOBAHN=wstest needs a Python 2.7, and none was found (PYTHON2=/path/to/python2.7 names one)".to_owned())
        }
        (None | Some("kosoku"), _) => install_kosoku(directory),
        (Some(other), _) => Err(format!("SILVERBACK_AUTOBAHN={other} is neither wstest nor kosoku")),
    }
}

fn install_wstest(directory: &Path, python2: &Path) -> Result<(), String> {
    let environment = Environment::new(directory, "wstest", WSTEST);
    if !environment.is_ready() {
        println!("wstest, on {}", python2.display());
        let maker = Environment::new(directory, "virtualenv", VIRTUALENV);
        if !maker.is_ready() {
            maker.make(&python3()?)?;
        }
        environment.clear()?;
        run(Command::new(maker.program("virtualenv")).arg("--quiet").arg("--python").arg(python2).arg(&environment.root))?;
        environment.install()?;
    }
    keep_on_loopback(&environment)
}

/// wstest's fuzzing server listens on every interface, whatever address it is given. Let it keep to that address.
fn keep_on_loopback(environment: &Environment) -> Result<(), String> {
    const EVERYWHERE: &str = "listenWS(factory, sslContext)";
    const THERE: &str = "listenWS(factory, sslContext, interface = factory.host)";
    let file = environment.root.join("lib/python2.7/site-packages/autobahntestsuite/fuzzing.py");
    let failure = |error: std::io::Error| format!("{}: {error}", file.display());
    let source = fs::read_to_string(&file).map_err(failure)?;
    match (source.contains(THERE), source.contains(EVERYWHERE)) {
        (true, _) => Ok(()),
        (false, true) => fs::write(&file, source.replace(EVERYWHERE, THERE)).map_err(failure),
        (false, false) => Err(format!("{} has no {EVERYWHERE}: where does it listen?", file.display())),
    }
}

fn install_kosoku(directory: &Path) -> Result<(), String> {
    let environment = Environment::new(directory, "kosoku", KOSOKU);
    if environment.is_ready() {
        return Ok(());
    }
    let python3 = python3()?;
    println!("kosoku, on {}", python3.display());
    environment.make(&python3)
}

/// A Python 2.7 that runs: named by `PYTHON2`, on `PATH`, or one of pyenv's.
fn python2() -> Option<PathBuf> {
    const ABLE: &str = "import sys, ssl, zlib; sys.exit(sys.version_info[:2] != (2, 7))";
    let named = std::env::var_os("PYTHON2").map(PathBuf::from);
    let pyenv = std::env::home_dir().map(|home| home.join(".pyenv/versions"));
    let versions = pyenv.and_then(|versions| fs::read_dir(versions).ok());
    let of_pyenv = versions.into_iter().flatten().flatten().map(|version| version.path().join("bin/python2.7"));
    named.into_iter().chain(find("python2.7")).chain(of_pyenv).find(|python| succeeds(Command::new(python).args(["-c", ABLE])))
}
