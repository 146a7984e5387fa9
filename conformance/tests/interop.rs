//! Silverback and other libraries, each as client and as server, with compression in the ways that the library offers.

mod conversation;
mod keeping_context;

use std::net::SocketAddr;
use std::time::Duration;

use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use silverback_conformance::{Driver, Echo, Library, Process, Result, installed};

use conversation::{Ours, talk_with};
use keeping_context::EchoKeepingContext;

const SOON: Duration = Duration::from_secs(10);
const LIMIT: Duration = Duration::from_secs(60);

const NO_CONTEXT: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

/// What a client asks for, what `silverback echo` agrees to, which keeps no context, and what a server does that keeps it.
const OFFERS: [(&str, &str, &str); 6] = [
    ("off", "none", "none"),
    ("on", NO_CONTEXT, "permessage-deflate"),
    ("server_no_context_takeover", NO_CONTEXT, "permessage-deflate; server_no_context_takeover"),
    ("client_no_context_takeover", NO_CONTEXT, "permessage-deflate; client_no_context_takeover"),
    (
        "server_max_window_bits=10",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10",
        "permessage-deflate; server_max_window_bits=10",
    ),
    (
        "client_max_window_bits=10",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits=10",
        "permessage-deflate; client_max_window_bits=10",
    ),
];

/// What a server is told to agree to, what our client offers, and what comes of it.
const AGREEMENTS: [(&str, Ours, &str); 8] = [
    ("off", Ours::Compressed, "none"),
    ("on", Ours::Plain, "none"),
    ("on", Ours::Compressed, NO_CONTEXT),
    ("on", Ours::KeepingContext, "permessage-deflate"),
    ("server_no_context_takeover", Ours::KeepingContext, "permessage-deflate; server_no_context_takeover"),
    ("client_no_context_takeover", Ours::KeepingContext, "permessage-deflate; client_no_context_takeover"),
    ("server_max_window_bits=10", Ours::KeepingContext, "permessage-deflate; server_max_window_bits=10"),
    ("client_max_window_bits=10", Ours::KeepingContext, "permessage-deflate; client_max_window_bits=10"),
];

#[test]
fn websockets_is_a_client_of_ours() -> Result<()> {
    is_a_client_of_ours(Library::Websockets, &OFFERS)
}

#[tokio::test]
async fn websockets_is_a_server_of_ours() -> Result<()> {
    is_a_server_of_ours(Library::Websockets, &AGREEMENTS).await
}

#[test]
fn ws_is_a_client_of_ours() -> Result<()> {
    is_a_client_of_ours(Library::Ws, &OFFERS)
}

#[tokio::test]
async fn ws_is_a_server_of_ours() -> Result<()> {
    is_a_server_of_ours(Library::Ws, &AGREEMENTS).await
}

#[test]
fn gorilla_is_a_client_of_ours() -> Result<()> {
    is_a_client_of_ours(Library::Gorilla, &[("off", "none", "none"), ("on", NO_CONTEXT, NO_CONTEXT)])
}

#[tokio::test]
async fn gorilla_is_a_server_of_ours() -> Result<()> {
    let agreements = [
        ("off", Ours::Compressed, "none"),
        ("on", Ours::Plain, "none"),
        ("on", Ours::Compressed, NO_CONTEXT),
        ("on", Ours::KeepingContext, NO_CONTEXT),
    ];
    is_a_server_of_ours(Library::Gorilla, &agreements).await
}

/// tokio-tungstenite has no compression.
#[test]
fn tungstenite_is_a_client_of_ours() -> Result<()> {
    is_a_client_of_ours(Library::Tungstenite, &[("off", "none", "none")])
}

#[tokio::test]
async fn tungstenite_is_a_server_of_ours() -> Result<()> {
    is_a_server_of_ours(Library::Tungstenite, &[("off", Ours::Compressed, "none")]).await
}

#[tokio::test]
async fn chromium_is_a_client_of_ours() -> Result<()> {
    let echo = Echo::start()?;
    let driver = Driver::start()?;
    let browser = ClientBuilder::new(HttpConnector::new()).capabilities(driver.capabilities()?).connect(&driver.url).await?;
    let outcome = tokio::time::timeout(LIMIT, run_peer_script(&browser, &echo)).await;
    let closed = browser.close().await; // also after a failure: the browser outlives its driver's sudden end
    let outcome = outcome??;
    closed?;
    // The reason is not repeated: RFC 6455, 5.5.1 asks for the code.
    let expected = json!({ "extensions": NO_CONTEXT, "code": 4321, "reason": "", "wasClean": true });
    assert_eq!(outcome, expected);
    heard_the_close(&echo.process)
}

async fn run_peer_script(browser: &Client, echo: &Echo) -> Result<Value> {
    // A page from elsewhere may not connect to this machine. One of its own may, and a refusal is a page.
    browser.goto(&format!("http://{}/", echo.address)).await?;
    let script = std::fs::read_to_string(installed::source("conformance/peers/chromium/peer.js"))?;
    Ok(browser.execute_async(&script, vec![json!(format!("ws://{}/", echo.address))]).await?)
}

fn is_a_client_of_ours(library: Library, offers: &[(&str, &str, &str)]) -> Result<()> {
    for (offer, agreed, agreed_keeping_context) in offers {
        let echo = Echo::start()?;
        talks_with(library, echo.address, offer, agreed)?;
        heard_the_close(&echo.process)?;

        let echo = EchoKeepingContext::start()?;
        talks_with(library, echo.address, offer, agreed_keeping_context)?;
    }
    Ok(())
}

/// Has a client of this library say everything to the echo server at this address.
fn talks_with(library: Library, address: SocketAddr, offer: &str, agreed: &str) -> Result<()> {
    let mut client = library.connect(&format!("ws://{address}/"), offer)?;
    let status = client.wait(LIMIT)?;
    if !status.success() {
        return Err(client.failure(format!("asking for {offer}, it ended with {status}")));
    }
    assert_eq!(client.wait_for_line("extensions ", SOON)?, agreed, "{library:?} asked for {offer}");
    assert_eq!(client.wait_for_line("closed ", SOON)?, "4321", "{library:?} asked for {offer}");
    println!("{library:?} as a client, asking for {offer}: {agreed}");
    Ok(())
}

fn heard_the_close(echo: &Process) -> Result<()> {
    echo.wait_for_mention("report=closed by the peer, sent 4321, received 4321 \"done: 完了\"", SOON).map(drop)
}

async fn is_a_server_of_ours(library: Library, agreements: &[(&str, Ours, &str)]) -> Result<()> {
    for (theirs, ours, expected) in agreements {
        let (server, address) = library.serve(theirs)?;
        let agreed = talk_with(&server, address, *ours).await?;
        assert_eq!(agreed, *expected, "{library:?}, told {theirs}, was offered {ours:?}");
        println!("{library:?} as a server, told {theirs}, our client {ours:?}: {agreed}");
    }
    Ok(())
}
