//! A browser that speaks HTTP/2 with the proxy, and opens a WebSocket all the same.

mod guide;

use std::time::Duration;

use fantoccini::{Client, ClientBuilder};
use guide::Guide;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use silverback_conformance::{Authority, Driver, Failure, Place, Result, Server, Sessions};

const SOON: Duration = Duration::from_secs(10);
const LIMIT: Duration = Duration::from_secs(60);

const CONNECT: &str = r#"
    const socket = new WebSocket(arguments[0]);
    window.heard = new Promise(heard => {
        socket.onmessage = message => heard(message.data);
        socket.onclose = close => heard("closed with " + close.code);
    });
"#;

/// Which protocol the page came by, and what its WebSocket heard first.
const LISTEN: &str = r#"
    const [page] = performance.getEntriesByType("navigation");
    window.heard.then(heard => arguments[0]([page.nextHopProtocol, heard]));
"#;

#[tokio::test]
async fn a_page_that_came_by_http_2_opens_a_websocket_behind_each() -> Result<()> {
    let driver = Driver::start()?;
    let mut capabilities = driver.capabilities()?;
    capabilities.insert("acceptInsecureCerts".to_owned(), true.into());
    let browser = ClientBuilder::new(HttpConnector::new()).capabilities(capabilities).connect(&driver.url).await?;
    let outcome = tokio::time::timeout(LIMIT, visit_all(&browser)).await;
    let closed = browser.close().await; // also after a failure: the browser outlives its driver's sudden end
    outcome??;
    Ok(closed?)
}

async fn visit_all(browser: &Client) -> Result<()> {
    let server = Server::start(&Place::Here, &[])?;
    let authority = Authority::new()?;
    let issued = authority.issue()?;
    for guide in &Guide::ALL {
        let proxy = guide.proxy_with_tls(&guide.text()?, &server, &issued)?;
        let user = format!("page-behind-{:?}", guide.kind);
        browser.goto(&format!("https://{}/health/live", proxy.address)).await?;
        browser.execute(CONNECT, vec![format!("wss://{}/ws?token={}", proxy.address, server.token(&user)?).into()]).await?;
        server.wait_for_sessions(Sessions::Of(&user), 1, SOON)?;
        server.post_text(&user, "hello, page")?;
        let heard: Value = browser.execute_async(LISTEN, Vec::new()).await?;
        if heard != json!(["h2", "hello, page"]) {
            return Err(Failure::new(format!("behind {}: {heard}", guide.name)));
        }
    }
    Ok(())
}
