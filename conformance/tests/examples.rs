//! The examples' chats, with real clients.

use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use silverback_conformance::{BackEnd, Curl, Failure, Opcode, Place, Process, RawPeer, Result, Scratch, Server, eventually, installed};

const SOON: Duration = Duration::from_secs(60);

#[test]
fn the_chat_in_python_is_one() -> Result<()> {
    let mut command = Command::new(installed::directory()?.join("flask/bin/python"));
    command.arg(installed::source("examples/chat-python/chat.py"));
    is_a_chat(command)
}

#[test]
fn the_chat_in_node_is_one() -> Result<()> {
    let mut command = Command::new(installed::program("node")?);
    command.arg(installed::source("examples/chat-node/chat.cjs"));
    is_a_chat(command)
}

#[test]
fn the_chat_in_go_is_one() -> Result<()> {
    is_a_chat(Command::new(installed::directory()?.join("chat_go")))
}

#[test]
fn every_example_has_fewer_than_eighty_lines() -> Result<()> {
    for file in ["chat-python/chat.py", "chat-node/chat.cjs", "chat-go/chat.go"] {
        let lines = std::fs::read_to_string(installed::source(&format!("examples/{file}")))?.lines().count();
        assert!(lines < 80, "{file} has {lines}");
    }
    Ok(())
}

fn is_a_chat(mut command: Command) -> Result<()> {
    let place = Scratch::new()?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let configuration = place.path().join("silverback.toml");
    let (secret, spool) = (Server::SECRET, place.path().join("spool"));
    let chat = std::fs::read_to_string(installed::source("examples/chat.toml"))?;
    std::fs::write(&configuration, format!("auth.secret = \"{secret}\"\n{chat}spool.directory = \"{}\"\n", spool.display()))?;
    let url = format!("http://127.0.0.1:{port}/hooks");
    let server = Server::start_configured(&configuration, &[("SILVERBACK_HOOKS_URL", &url), ("SILVERBACK_HOOKS_SECRET", BackEnd::SECRET)])?;
    command.env("PORT", port.to_string()).env("SILVERBACK_URL", format!("http://{}", server.address));
    command.env("SILVERBACK_API_KEY", server.key()).env("SILVERBACK_HOOKS_SECRET", BackEnd::SECRET);
    let back_end = Process::start("the example", &mut command)?;
    eventually(SOON, "the example to listen", || Ok(TcpStream::connect(("127.0.0.1", port)).ok().map(drop)))?;

    let join = |user: &str| RawPeer::connect(server.address, &format!("/ws?token={}", server.token(user)?));
    let conversation = || {
        let mut alice = join("alice")?;
        hears(&mut alice, "* alice is here")?;
        let mut bob = join("bob ö")?;
        hears(&mut alice, "* bob ö is here")?;
        hears(&mut bob, "* bob ö is here")?;
        bob.send(Opcode::Text, "Grüße, alice".as_bytes())?;
        hears(&mut alice, "bob ö: Grüße, alice")?;
        hears(&mut bob, "bob ö: Grüße, alice")?;
        alice.send(Opcode::Text, b"/who")?;
        hears(&mut alice, "* here: alice, bob ö")?;
        bob.send(Opcode::Close, &1000_u16.to_be_bytes())?;
        hears(&mut alice, "* bob ö has left")
    };
    conversation().map_err(|failure: Failure| back_end.failure(format!("{failure}; and the server: {}", server.process.printed())))?;
    let admin = server
        .curl("GET", "/ws")?
        .asking_for_a_websocket()
        .header("Authorization", &format!("Bearer {}", server.token("admin")?))
        .send()?;
    assert!(admin.status == 403 && admin.body.contains("nobody is called admin here"), "{admin:?}");
    let forged = Curl::new(&Place::Here, "POST", url)?.header("webhook-id", "1").header("webhook-timestamp", "1700000000");
    let answer =
        forged.header("webhook-signature", "v1,AAAA").header("ce-type", "silverback.message").body("text/plain", "hello").send()?;
    assert_eq!(answer.status, 401, "{answer:?}");
    Ok(())
}

/// What is heard next is this.
fn hears(peer: &mut RawPeer, text: &str) -> Result<()> {
    let heard = String::from_utf8_lossy(&peer.message()?.payload).into_owned();
    if heard == text { Ok(()) } else { Err(Failure::new(format!("{heard:?} was heard and not {text:?}"))) }
}
