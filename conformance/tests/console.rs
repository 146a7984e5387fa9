//! The console in a real browser, as a person opens it from the line that `silverback serve` prints.

use std::time::Duration;

use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use silverback_conformance::Sessions::Of;
use silverback_conformance::{Driver, Failure, Result, Server, installed};

const SOON: Duration = Duration::from_secs(10);
const LIMIT: Duration = Duration::from_secs(90);

#[tokio::test]
async fn alice_connects_receives_what_is_posted_and_leaves_with_her_tab() -> Result<()> {
    let (server, console) = Server::start_unconfigured()?;
    let driver = Driver::start()?;
    let browser = ClientBuilder::new(HttpConnector::new()).capabilities(driver.capabilities()?).connect(&driver.url).await?;
    let outcome = tokio::time::timeout(LIMIT, visit(&browser, &driver, &server, &console)).await;
    let closed = browser.close().await; // also after a failure: the browser outlives its driver's sudden end
    outcome??;
    Ok(closed?)
}

async fn visit(browser: &Client, driver: &Driver, server: &Server, console: &str) -> Result<()> {
    // The console gets a tab of its own, so that closing it does not end the browser.
    let tab = browser.new_window(true).await?;
    let first = browser.window().await?;
    browser.switch_to_window(tab.handle).await?;

    browser.goto(console).await?;
    text_is(browser, "#state", "disconnected").await?;
    let name = find(browser, "#name").await?;
    name.clear().await?;
    name.send_keys("alice").await?;
    find(browser, "#connect").await?.click().await?;
    text_is(browser, "#state", "connected").await?;
    server.wait_for_sessions(Of("alice"), 1, SOON)?;
    find(browser, "#people [data-user=\"alice\"]").await?;

    let delivery = server.post_text("alice", "the build is green")?;
    expect(delivery["queued"] == 1, format!("not delivered: {delivery}"))?;
    text_is(browser, "#log .entry.in .text", "the build is green").await?;

    find(browser, "#message").await?.send_keys("so I see").await?;
    find(browser, "#send").await?.click().await?;
    find(browser, "#log .entry.out").await?;

    show_at(browser, 1440, 900).await?;
    let picture = installed::directory()?.join("console.png");
    std::fs::write(&picture, browser.screenshot().await?)?;
    println!("the console: {}", picture.display());

    let session = browser.session_id().await?.ok_or_else(|| Failure::new("the browser has no session"))?;
    let severe = driver.severe_console_entries(&session)?;
    expect(severe.is_empty(), format!("the page's console:\n  {}", severe.join("\n  ")))?;

    browser.close_window().await?;
    browser.switch_to_window(first).await?;
    server.wait_for_sessions(Of("alice"), 0, SOON)
}

async fn find(browser: &Client, selector: &str) -> Result<fantoccini::elements::Element> {
    let found = browser.wait().at_most(SOON).for_element(Locator::Css(selector)).await;
    found.map_err(|error| Failure::new(format!("{selector}: {error}")))
}

/// Gives the page this size; the browser's own bars come on top.
async fn show_at(browser: &Client, width: u32, height: u32) -> Result<()> {
    let bars = browser.execute("return window.outerHeight - window.innerHeight", Vec::new()).await?;
    let bars = bars.as_u64().and_then(|bars| u32::try_from(bars).ok()).unwrap_or(0);
    Ok(browser.set_window_size(width, height + bars).await?)
}

/// Waits until the first such element's text is this.
async fn text_is(browser: &Client, selector: &str, wanted: &str) -> Result<()> {
    let start = tokio::time::Instant::now();
    loop {
        let text = find(browser, selector).await?.text().await?;
        if text.trim() == wanted {
            return Ok(());
        }
        expect(start.elapsed() < SOON, format!("{selector} is {text:?}, not {wanted:?}"))?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// An assertion that does not panic: the browser is still to be closed.
fn expect(holds: bool, failure: String) -> Result<()> {
    if holds { Ok(()) } else { Err(Failure::new(failure)) }
}
