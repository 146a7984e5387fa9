//! The console in a real browser: as a person opens it from the line that `silverback serve` prints, and over a thousand sessions.

mod guests;
mod page;

use std::path::{Path, PathBuf};
use std::time::Duration;

use guests::Guests;
use page::{Page, expect};
use silverback_conformance::Sessions::{All, Of};
use silverback_conformance::{Opcode, RawPeer, Result, Scratch, Server};

const SOON: Duration = Duration::from_secs(20);
const LIMIT: Duration = Duration::from_secs(240);

const GUESTS: usize = 1000;

/// Shown as text, or the test hears of it.
const HOSTILE: &str = "<img src=x onerror=\"document.title='hit'\">";

/// What a key may see that only reads.
const READER: &str = "a-key-that-only-reads";
const SENDER: &str = "a-key-that-only-sends";

#[tokio::test]
async fn alice_connects_receives_what_is_posted_and_leaves_with_her_tab() -> Result<()> {
    let (server, console) = Server::start_unconfigured()?;
    Page::open().await?.within(LIMIT, async |page| alice(page, &server, &console).await).await
}

async fn alice(page: &Page, server: &Server, console: &str) -> Result<()> {
    // The console gets a tab of its own, so that closing it does not end the browser.
    let tab = page.browser.new_window(true).await?;
    let first = page.browser.window().await?;
    page.browser.switch_to_window(tab.handle).await?;
    page.browser.goto(console).await?;
    page.text_is("#feed-state", "Live").await?;
    expect(page.js("return location.hash").await? == "", || "the key is in the address".to_owned())?;
    page.show("#/try").await?;
    page.write("#name", "alice").await?;
    page.press("#connect").await?;
    page.text_is("#state", "connected").await?;
    server.wait_for_sessions(Of("alice"), 1, SOON)?;

    page.write("#api-message", "the build is green").await?;
    page.press("#api-send").await?;
    page.text_is("#log .entry.in .text", "the build is green").await?;
    page.text_is("#api-result", "Queued for 1 session.").await?;
    page.text_has("#snippet-curl", "--data-raw").await?;
    page.text_has("#snippet-token", "/v1/tokens").await?;

    page.write("#message", "so I see").await?;
    page.press("#send").await?;
    page.find("#log .entry.out").await?;

    page.show("#/").await?; // the connection lives on
    page.text_has("#activity .event.message", "so I see").await?;
    page.show("#/try").await?;
    page.text_is("#state", "connected").await?;
    page.audit("try, connected").await?;
    page.has_no_errors().await?;

    page.browser.close_window().await?;
    page.browser.switch_to_window(first).await?;
    server.wait_for_sessions(Of("alice"), 0, SOON)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_part_of_it_works_over_a_thousand_sessions() -> Result<()> {
    let place = Scratch::new()?;
    let file = configuration(&place)?;
    let server = Server::start_configured(&file, &[("SILVERBACK_LOG", "warn")])?;
    let users: Vec<String> =
        [HOSTILE.to_owned(), "alice".to_owned()].into_iter().chain((0..18).map(|number| format!("guest-{number:02}"))).collect();
    let tokens = users.iter().map(|user| server.token(user)).collect::<Result<Vec<_>>>()?;
    let guests = Guests::connect(server.address, &tokens, GUESTS).await?;
    server.wait_for_sessions(All, GUESTS, SOON)?;
    Page::open().await?.within(LIMIT, async |page| tour(page, server, guests, &tokens, &file).await).await
}

/// Keys with few rights, besides that of the server for tests.
fn configuration(place: &Scratch) -> Result<PathBuf> {
    let file = place.path().join("silverback.toml");
    let key = |key: &str, right: &str| format!("[[api.keys]]\nkey = \"{key}\"\nrights = [\"{right}\"]\nname = \"the {right}er\"\n");
    let text = format!("[auth]\nsecret = \"{}\"\n{}{}", Server::SECRET, key(READER, "read"), key(SENDER, "send"));
    std::fs::write(&file, text)?;
    Ok(file)
}

async fn tour(page: &Page, server: Server, guests: Guests, tokens: &[String], file: &Path) -> Result<()> {
    page.size(1440, 900).await?;
    log_in(page, &server).await?;
    overview(page, &server, &guests).await?;
    search(page).await?;
    one_session(page, &server, tokens).await?;
    one_user(page, &server).await?;
    refusals(page, &server).await?;
    try_it(page, &server, tokens).await?;
    by_keyboard(page).await?;
    in_both_schemes_and_on_a_phone(page).await?;
    page.has_no_errors().await?;
    drop(guests);
    let _server = lost_and_found(page, server, file).await?;
    few_rights(page).await
}

async fn log_in(page: &Page, server: &Server) -> Result<()> {
    page.browser.goto(&format!("http://{}/console", server.address)).await?;
    page.find("#key-input").await?;
    page.audit("the log-in").await?;
    page.write("#key-input", "not-the-key").await?;
    page.press("#key-form button").await?;
    page.text_has("#key-problem", "did not accept").await?;
    let refused = page.errors().await?;
    expect(refused.iter().all(|entry| entry.contains("401")), || format!("{refused:?}"))?;
    page.write("#key-input", server.key()).await?;
    page.press("#key-form button").await?;
    page.text_is("#feed-state", "Live").await
}

async fn overview(page: &Page, server: &Server, guests: &Guests) -> Result<()> {
    page.until("a thousand sessions", "return document.querySelector('.tile dd')?.innerText === '1,000'").await?;
    page.text_has(".tile:nth-child(2) dd", "20").await?;
    guests.say("hello, everybody");
    page.until("what they say", "return document.querySelectorAll('#activity .event.message').length > 200").await?;
    server.post_text("alice", "hello, alice")?;
    page.until("rates", "return /^[\\d.,k]+\\/s$/.test(document.querySelector('.tile:nth-child(4) dd').innerText)").await?;
    page.until("lines", "return document.querySelectorAll('.chart path.line').length >= 2").await?;
    page.press(".chart summary").await?;
    page.until("the same as a table", "return document.querySelectorAll('.chart tbody tr').length > 0").await?;
    page.audit("the overview").await?;
    page.press(".chart summary").await
}

async fn search(page: &Page) -> Result<()> {
    page.press("nav a[href='#/sessions']").await?;
    page.text_has(".listing .count", "1–50, of 1,000 connected").await?;
    let rows = "return document.querySelectorAll('#results tbody tr').length";
    expect(page.js(rows).await? == 50, || "a page has 50 rows".to_owned())?;
    page.press(".listing .row button:last-child").await?;
    page.text_has(".listing .count", "51–100").await?;
    page.press(".listing .row button:nth-last-child(2)").await?;
    page.text_has(".listing .count", "1–50").await?;
    page.write("#search-user", "guest-0").await?;
    page.until(
        "those of guests",
        "return [...document.querySelectorAll('#results tr[data-user]')].every(({ dataset }) => dataset.user.startsWith('guest-0'))",
    )
    .await?;
    page.write("#search-user", "<img").await?;
    page.until("the hostile one", "return document.querySelector('#results tr[data-user]')?.dataset.user.startsWith('<img')").await?;
    page.text_has("#results tbody tr", HOSTILE).await?;
    page.audit("the search").await?;
    page.write("#search-user", "nobody-is-called-so").await?;
    page.text_has("#results", "Nothing found.").await?;
    page.write("#search-user", "").await?;
    page.write("#search-device", "no-device").await?;
    page.text_has("#results", "Nothing found.").await?;
    page.press("label[for='state-ended']").await?;
    page.text_has("#results", "No session that has ended matches.").await
}

async fn one_session(page: &Page, server: &Server, tokens: &[String]) -> Result<()> {
    let target = format!("/ws?token={}", tokens[1]);
    let mut peer = RawPeer::connect(server.address, &target)?;
    let sessions = server.api("GET", "/v1/users/alice")?.send()?.json()?;
    let id = sessions["sessions"].as_array().and_then(|all| all.last()?["id"].as_str()).unwrap_or_default().to_owned();
    page.show("#/sessions").await?;
    page.write("#search-id", &id).await?;
    page.press(".search .primary").await?;
    page.text_is("#session-id", &id).await?;
    page.text_has("#story", "with a token from the query").await?;
    page.text_has("#facts-place", "Token good until").await?;
    page.audit("a session").await?;
    page.write("#send-message", "to this one alone").await?;
    page.press(".send .primary").await?;
    page.text_is("#send-result", "Queued for 1 session.").await?;
    let came = peer.message()?;
    expect(came.payload == b"to this one alone", || format!("{came:?}"))?;

    page.press(".title .danger").await?;
    page.audit("the dialog").await?;
    page.write("#close-reason", "the shop closes").await?;
    page.press("dialog .danger").await?;
    let (code, reason) = peer.close()?;
    expect((code, &*reason) == (4000, "the shop closes"), || format!("{code} {reason}"))?;
    peer.send(Opcode::Close, &code.to_be_bytes())?;
    page.text_is(".title .state", "ended").await?;
    page.text_has("#story", "The application asked to close it: 4000 “the shop closes”").await?;
    page.text_has(".facts", "4000 “the shop closes”: a code of the application's own").await?;
    page.audit("a session that has ended").await?;
    page.picture("console-session.png").await?;
    page.show("#/sessions/01890a5d-ac96-774b-bcce-b302099a8057").await?;
    page.text_has(".problem", "There is no such session").await?;
    page.errors().await?; // that it is not found
    Ok(())
}

async fn one_user(page: &Page, server: &Server) -> Result<()> {
    page.show("#/users/alice").await?;
    page.text_has("#live", "query").await?;
    page.text_has("#ended", "the shop closes").await?;
    page.audit("a user").await?;
    page.press(".title .danger").await?;
    page.press("dialog .danger").await?;
    server.wait_for_sessions(Of("alice"), 0, SOON)?;
    page.text_has("#live", "Nothing found.").await?;

    page.browser.execute("location.hash = '#/users/' + encodeURIComponent(arguments[0])", vec![HOSTILE.into()]).await?;
    page.text_is("h2", HOSTILE).await?;
    page.text_has("#live", "query").await?;
    let images = page.js("return document.querySelectorAll('main img').length").await?;
    expect(images == 0, || "a name became an element".to_owned())?;
    page.write("#send-message", HOSTILE).await?;
    page.press(".send .primary").await?;
    page.text_is("#send-result", "Queued for 50 sessions.").await
}

async fn refusals(page: &Page, server: &Server) -> Result<()> {
    server.curl("GET", "/ws")?.send()?;
    page.press("nav a[href='#/handshakes']").await?;
    page.text_has("#refusals", "What to do").await?;
    let hostile =
        server.curl("GET", "/ws?token=nonsense")?.asking_for_a_websocket().header("Origin", &format!("http://{}", server.address));
    hostile.header("User-Agent", HOSTILE).send()?;
    page.text_has("#refusals li", HOSTILE).await?; // as it happens
    page.text_has("#refusals li", "token-malformed").await?;
    page.audit("the handshakes").await?;
    page.press(".chip[href$='upgrade-missing']").await?;
    page.until("those of one cause", "return document.querySelector('#refusals .cause')?.innerText === 'upgrade-missing'").await?;
    page.text_has(".chip[aria-current]", "upgrade-missing").await
}

async fn try_it(page: &Page, server: &Server, tokens: &[String]) -> Result<()> {
    page.press("nav a[href='#/try']").await?;
    page.text_has("#snippet-browser", &format!("ws://{}/ws", server.address)).await?;
    page.text_has("#snippet-token", "silverback token --user=").await?;
    page.write("#name", "alice").await?;
    page.write("#token", &tokens[1]).await?;
    page.press("#connect").await?;
    page.text_is("#state", "connected").await?;
    page.write("#api-message", "it's {\"json\":1}").await?;
    page.text_has("#snippet-curl", "'it'\\''s {\"json\":1}'").await?;
    page.press("#api-send").await?;
    page.text_is("#log .entry.in .text", "it's {\"json\":1}").await?;
    page.press(".code .quiet").await?;
    page.until("what was copied", "return /Copied|Selected/.test(document.querySelector('.code .quiet').innerText)").await?;
    page.audit("try it").await?;
    page.press("#connect").await?;
    page.text_is("#state", "disconnected").await
}

/// The skip link comes first, everything that is pressed can be reached, and Escape closes a dialog.
async fn by_keyboard(page: &Page) -> Result<()> {
    use fantoccini::actions::{InputSource, KeyAction, KeyActions};
    let key = |value: char| KeyActions::new("keys".to_owned()).then(KeyAction::Down { value }).then(KeyAction::Up { value });
    let (tab, enter, escape) = ('\u{e004}', '\u{e007}', '\u{e00c}');
    page.show("#/users/guest-00").await?;
    page.text_has("#live", "query").await?;
    page.browser.refresh().await?;
    page.text_has("#live", "query").await?;
    page.browser.perform_actions(key(tab)).await?;
    expect(page.js("return document.activeElement.id").await? == "skip", || "the first is the skip link".to_owned())?;
    page.browser.perform_actions(key(enter)).await?;
    expect(page.js("return document.activeElement.id").await? == "main", || "it leads to the page".to_owned())?;
    page.browser.perform_actions(key(tab)).await?;
    page.until("the button", "return document.activeElement.classList.contains('danger')").await?;
    let outline = page.js("return getComputedStyle(document.activeElement).outlineStyle").await?;
    expect(outline == "solid", || format!("focus is seen: {outline}"))?;
    page.browser.perform_actions(key(enter)).await?;
    page.find("dialog[open]").await?;
    page.browser.perform_actions(key(escape)).await?;
    page.until("no dialog", "return !document.querySelector('dialog')").await?;
    page.until("focus where it was", "return document.activeElement.classList.contains('danger')").await?;
    Ok(())
}

async fn in_both_schemes_and_on_a_phone(page: &Page) -> Result<()> {
    overview_is_drawn(page).await?;
    page.picture("console.png").await?;
    let light = background(page).await?;
    page.system_prefers("dark").await?;
    let dark = background(page).await?;
    expect(light != dark, || format!("the system prefers dark: {dark}"))?;
    page.press("#theme").await?; // from auto to light
    expect(background(page).await? == light, || "light was chosen".to_owned())?;
    page.system_prefers("light").await?;
    page.press("#theme").await?;
    page.text_is("#theme", "Dark").await?;
    page.browser.refresh().await?;
    page.text_is("#theme", "Dark").await?; // it is remembered
    expect(background(page).await? == dark, || "dark was chosen".to_owned())?;
    overview_is_drawn(page).await?;
    page.picture("console-dark.png").await?;
    on_every_page(page, &[1024, 780, 360], "dark").await?;
    page.press("#theme").await?;
    page.text_is("#theme", "Auto").await?;
    on_every_page(page, &[1024, 780, 360], "light").await?;
    overview_is_drawn(page).await?;
    page.picture("console-phone.png").await?;
    page.size(1440, 900).await
}

async fn background(page: &Page) -> Result<String> {
    Ok(page.js("return getComputedStyle(document.body).backgroundColor").await?.to_string())
}

async fn overview_is_drawn(page: &Page) -> Result<()> {
    page.show("#/").await?;
    page.until("lines", "return document.querySelectorAll('.chart path.line').length >= 2").await?;
    Ok(())
}

async fn on_every_page(page: &Page, widths: &[u32], scheme: &str) -> Result<()> {
    for width in widths {
        page.size(*width, 780).await?;
        for hash in ["#/", "#/sessions", "#/sessions?state=ended", "#/users/guest-00", "#/handshakes", "#/try"] {
            page.show(hash).await?;
            page.until("the page", "return document.querySelector('main h2') && !document.querySelector('.loading')").await?;
            page.audit(&format!("{hash}, {scheme}, {width}")).await?;
        }
    }
    Ok(())
}

/// The server goes away and comes back while the page is open.
async fn lost_and_found(page: &Page, server: Server, file: &Path) -> Result<Server> {
    page.show("#/").await?;
    server.process.signal("KILL")?;
    page.text_has("#banner", "cannot be reached").await?;
    page.audit("without a server").await?;
    let server = server.start_again(file, &[("SILVERBACK_LOG", "warn")])?;
    page.text_is("#feed-state", "Live").await?;
    page.until("no banner", "return document.getElementById('banner').hidden").await?;
    page.until("numbers of now", "return document.querySelector('.tile dd')?.innerText === '0'").await?;
    page.show("#/handshakes").await?;
    page.text_has("main", "No handshake was refused").await?;
    page.errors().await?; // that nothing answered
    Ok(server)
}

async fn few_rights(page: &Page) -> Result<()> {
    for (key, hash, says) in [
        (SENDER, "#/", "does not have the right “read”"),
        (SENDER, "#/handshakes", "does not have the right “read”"),
        (READER, "#/try", "does not have the right “send”"),
        (READER, "#/users/alice", "does not have the right “close”"),
    ] {
        if page.js("return !document.getElementById('logout').hidden").await? == true {
            page.press("#logout").await?;
        }
        page.write("#key-input", key).await?;
        page.press("#key-form button").await?;
        page.until("somebody who is logged in", "return !document.getElementById('nav').hidden").await?;
        page.show(hash).await?;
        page.text_has("main", says).await?;
        page.audit(&format!("{hash} with few rights")).await?;
    }
    page.has_no_errors().await
}
