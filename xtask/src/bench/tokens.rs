//! Tokens for handshakes, and what the server checks them with. They are made before anything is measured, and good for a day.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::build;
use crate::peers::{self, PYJWT};
use crate::python::{Environment, python3};
use crate::run::run;

/// For HS256. It guards nothing.
pub(crate) const SECRET: &str = "this secret guards nothing but a benchmark";

/// A script of PyJWT's: the algorithm, then the key's file, then the token's.
const SIGN: &str = "import jwt, sys, time
algorithm, key, token = sys.argv[1:]
claims = {'sub': 'bench', 'exp': int(time.time()) + 86400}
open(token, 'w').write(jwt.encode(claims, open(key).read(), algorithm))";

/// The same for a million users: the secret, then the tokens' file.
const SIGN_A_MILLION: &str = "import jwt, sys, time
secret, tokens = sys.argv[1:]
end = int(time.time()) + 86400
with open(tokens, 'w') as file:
    for number in range(1_000_000):
        print(jwt.encode({'sub': f'user-{number}', 'exp': end}, secret, 'HS256'), file=file)";

/// Writes `million.tokens`, one in each line.
pub(crate) fn make_a_million(conformance: &Path) -> Result<(), String> {
    let file = build::directory()?.join("million.tokens");
    run(Command::new(pyjwt(conformance)?.program("python")).args(["-c", SIGN_A_MILLION, SECRET]).arg(file))
}

/// Writes `HS256.token`, `ES256.token` and a configuration with the key of the latter.
pub(crate) fn make(conformance: &Path) -> Result<(), String> {
    let directory = build::directory()?;
    let write = |name: &str, text: &str| fs::write(directory.join(name), text).map_err(|error| format!("{name}: {error}"));
    let python = pyjwt(conformance)?;
    write("HS256.key", SECRET)?;
    let key = directory.join("ES256.key");
    let public = directory.join("ES256.public");
    run(Command::new("openssl").args(["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out"]).arg(&key))?;
    run(Command::new("openssl").args(["pkey", "-pubout", "-in"]).arg(&key).arg("-out").arg(&public))?;
    write("ES256.toml", &format!("[[auth.keys]]\nalgorithm = \"ES256\"\npublic_key = {public:?}\n"))?;
    for algorithm in ["HS256", "ES256"] {
        let [key, token] = ["key", "token"].map(|what| directory.join(format!("{algorithm}.{what}")));
        run(Command::new(python.program("python")).args(["-c", SIGN, algorithm]).args([key, token]))?;
    }
    Ok(())
}

fn pyjwt(conformance: &Path) -> Result<Environment, String> {
    let python = Environment::new(conformance, peers::PYJWT_PLACE, PYJWT);
    if !python.is_ready() {
        python.make(&python3()?)?;
    }
    Ok(python)
}
