//! JWTs that other libraries make, good ones and forged ones, shown to the real server.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::Value;
use silverback_conformance::{Answer, Failure, KeyServer, Minter, Result, Scratch, Server, eventually};

const SOON: Duration = Duration::from_secs(20);

const RULES: &str = "[auth]\naudience = \"chat\"\nissuer = \"https://id.example\"\njwks_min_interval = \"1s\"\n";

/// What must never be seen: the words of a program that failed.
const TRACES: [&str; 4] = ["panicked", "backtrace", "RUST_BACKTRACE", ".rs:"];

#[test]
fn tokens_of_pyjwt_are_taken_and_refused_as_they_should_be() -> Result<()> {
    tokens_of(Minter::PyJwt)
}

#[test]
fn tokens_of_jose_are_taken_and_refused_as_they_should_be() -> Result<()> {
    tokens_of(Minter::Jose)
}

fn tokens_of(minter: Minter) -> Result<()> {
    let made = minter.tokens()?;
    let place = Scratch::new()?;
    let secrets = secrets(&made)?;
    let server = Server::start_configured(&configuration(&place, &made)?, &[("SILVERBACK_LOG", "trace")])?;
    let mut outcomes = HashMap::<String, usize>::new();
    for entry in list(&made, "tokens")? {
        let (name, token) = (text(entry, "name")?, text(entry, "token")?);
        let answer = show(&server, token)?;
        let expected = entry["cause"].as_str().unwrap_or("taken");
        let outcome = outcome(&answer)?;
        if outcome != expected {
            return Err(server.process.failure(format!("{minter:?}, {name}: {outcome}, not {expected}; {answer:?}")));
        }
        *outcomes.entry(outcome).or_default() += 1;
        let seen = format!("{answer:?}{}", server.process.printed());
        let signature = token.rsplit('.').next().filter(|signature| signature.len() > 20);
        for hidden in secrets.iter().map(String::as_str).chain(signature).chain(TRACES) {
            if seen.contains(hidden) {
                return Err(Failure::new(format!("{minter:?}, {name}: {hidden} was seen in {seen}")));
            }
        }
    }
    println!("{minter:?}: {outcomes:?}");
    assert!(outcomes.get("taken").is_some_and(|taken| *taken >= 24), "twelve algorithms, with and without kid: {outcomes:?}");
    Ok(())
}

#[test]
fn a_key_server_that_goes_away_comes_back_with_another_key() -> Result<()> {
    let first = KeyServer::start(None)?;
    let place = Scratch::new()?;
    let configuration = place.path().join("silverback.toml");
    std::fs::write(&configuration, RULES)?;
    let url = format!("http://{}/keys", first.address);
    let server = Server::start_configured(&configuration, &[("SILVERBACK_AUTH_JWKS_URL", &url)])?;
    assert_eq!(outcome(&show(&server, &first.token)?)?, "taken");

    let (began, asked) = (Instant::now(), first.asked());
    while began.elapsed() < Duration::from_secs(3) {
        assert_eq!(outcome(&show(&server, &first.unknown)?)?, "token-key-unknown");
    }
    let asked = first.asked() - asked;
    assert!((1..=4).contains(&asked), "{asked} requests in 3 s of unknown keys, at one in a second");

    let KeyServer { address, token, unknown, process } = first;
    drop(process);
    eventually(SOON, "a failure to fetch the keys", || {
        assert_eq!(outcome(&show(&server, &unknown)?)?, "token-key-unknown");
        Ok(server.process.printed().contains("the keys that were there are kept").then_some(()))
    })?;
    assert_eq!(outcome(&show(&server, &token)?)?, "taken");

    let second = KeyServer::start(Some(address.port()))?;
    eventually(SOON, "the new key", || Ok((outcome(&show(&server, &second.token)?)? == "taken").then_some(())))?;
    assert_eq!(outcome(&show(&server, &token)?)?, "token-key-unknown");
    Ok(())
}

/// A handshake with this token.
fn show(server: &Server, token: &str) -> Result<Answer> {
    let curl = server.curl("GET", "/ws")?.asking_for_a_websocket().header("Accept", "application/json");
    curl.header("Authorization", &format!("Bearer {token}")).send()
}

/// `taken`, or the cause of the refusal.
fn outcome(answer: &Answer) -> Result<String> {
    match answer.status {
        101 => Ok("taken".to_owned()),
        401 => {
            let problem: Value = serde_json::from_str(&answer.body)?;
            for part in ["detail", "cure"] {
                text(&problem, part)?;
            }
            Ok(text(&problem, "cause")?.to_owned())
        }
        _ => Err(Failure::new(format!("neither taken nor refused: {answer:?}"))),
    }
}

/// The configuration with these keys, whose public ones are in files.
fn configuration(place: &Scratch, made: &Value) -> Result<std::path::PathBuf> {
    let mut toml = RULES.to_owned();
    for key in list(made, "keys")? {
        let (kid, algorithm) = (text(key, "kid")?, text(key, "algorithm")?);
        write!(toml, "[[auth.keys]]\nkid = \"{kid}\"\nalgorithm = \"{algorithm}\"\n")?;
        for kind in ["public_key", "jwk"] {
            if let Some(contents) = key[kind].as_str() {
                let file = place.path().join(format!("{kid}.{kind}"));
                std::fs::write(&file, contents)?;
                writeln!(toml, "{kind} = \"{}\"", file.display())?;
            }
        }
        if let Some(secret) = key["secret"].as_str() {
            writeln!(toml, "secret = \"{secret}\"")?;
        }
    }
    let file = place.path().join("silverback.toml");
    std::fs::write(&file, toml)?;
    Ok(file)
}

fn secrets(made: &Value) -> Result<Vec<String>> {
    Ok(list(made, "keys")?.iter().filter_map(|key| key["secret"].as_str()).map(str::to_owned).collect())
}

fn list<'a>(value: &'a Value, name: &str) -> Result<&'a Vec<Value>> {
    value[name].as_array().ok_or_else(|| Failure::new(format!("no list {name:?}")))
}

fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str> {
    value[name].as_str().ok_or_else(|| Failure::new(format!("no text {name:?} in {value}")))
}
