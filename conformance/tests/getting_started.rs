//! `docs/getting-started.md`, as a newcomer goes through it: a terminal, a browser, and the files that the page says to save.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};
use silverback_conformance::{Driver, Failure, Result, eventually, installed};

const GUIDE: &str = "docs/getting-started.md";
const SOON: Duration = Duration::from_secs(30);
/// The library and axum are compiled, once.
const COMPILED: Duration = Duration::from_secs(400);

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_gets_through_the_guide() -> Result<()> {
    let guide = std::fs::read_to_string(installed::source(GUIDE))?;
    let ports = ["8080", "5173", "3000"].map(|port| (port, free_port()));
    let mut steps = steps(&guide);
    for (port, free) in ports {
        steps.iter_mut().for_each(|step| step.move_port(port, *free.as_ref().unwrap_or(&0)));
    }
    let driver = Driver::start()?;
    let browser = ClientBuilder::new(HttpConnector::new()).capabilities(driver.capabilities()?).connect(&driver.url).await?;
    let outcome = follow(&steps, &browser).await;
    let closed = browser.close().await; // also after a failure: the browser outlives its driver's sudden end
    outcome?;
    Ok(closed?)
}

async fn follow(steps: &[Step], browser: &Client) -> Result<()> {
    let tab = browser.new_window(true).await?; // one to be closed, which does not end the browser
    browser.switch_to_window(tab.handle).await?;
    let home = Home::new()?;
    let mut terminal = Terminal::open(&home)?;
    // Installing builds a release: the binary that is tested stands in for it.
    let Some((Step::Run(install), steps)) = steps.split_first() else {
        return Err(Failure::new("the guide does not begin with a command"));
    };
    expect(install.starts_with("cargo install "), install)?;

    let mut seen = Vec::new();
    for step in steps {
        match step {
            Step::Save(path, text) => std::fs::write(terminal.directory()?.join(path), from_the_checkout(text))?,
            Step::Run(commands) => {
                terminal.run(commands)?;
                seen.extend(look(commands, &terminal, browser).await?);
            }
        }
    }
    let all = ["the page", "a message", "the end", "the library"];
    expect(seen == all, &format!("of {all:?} the guide has {seen:?}"))
}

/// With the checkout where it is: cargo keeps what it has compiled for as long as the path is the same.
fn from_the_checkout(text: &str) -> String {
    text.replace("../silverback/", &installed::source("").display().to_string())
}

/// What the guide says that one sees behind these commands.
async fn look(commands: &str, terminal: &Terminal, browser: &Client) -> Result<Option<&'static str>> {
    if commands.contains("http.server") {
        let page = terminal.last_after("The page: ")?;
        eventually_loaded(browser, &page).await?;
        text_is(browser, "#state", "connected").await?;
        return Ok(Some("the page"));
    }
    if commands.contains("hello, alice") {
        terminal.has_said("{\"sessions\":1,\"queued\":1,\"dropped\":0}")?;
        text_is(browser, "#messages li", "hello, alice").await?;
        return Ok(Some("a message"));
    }
    if commands.contains("silverback why") {
        terminal.has_said("the application asked to close it: 4000 \"see you\"")?;
        text_is(browser, "#state", "disconnected: 4000 see you").await?;
        return Ok(Some("the end"));
    }
    if commands.contains("cargo run &") {
        terminal.has_said("(upgrade-missing)")?;
        let page = terminal.last_after("open ")?;
        eventually_loaded(browser, &page).await?;
        text_is(browser, "#state", "hello, you").await?;
        browser.close_window().await?;
        let gone = "gone: closed by the peer, sent 1001, received 1001, tcp finished";
        let said = eventually(SOON, gone, || Ok(terminal.printed().contains(gone).then_some(())));
        said.map_err(|late| terminal.failure(&late.to_string()))?;
        return Ok(Some("the library"));
    }
    Ok(None)
}

/// A step of the guide.
enum Step {
    /// A block of commands.
    Run(String),
    /// A block behind "Save this as": the path, and what goes there.
    Save(PathBuf, String),
}

impl Step {
    fn move_port(&mut self, port: &str, free: u16) {
        let (Self::Run(text) | Self::Save(_, text)) = self;
        *text = text.replace(&format!("127.0.0.1:{port}"), &format!("127.0.0.1:{free}"));
        *text = text.replace(&format!("http.server {port}"), &format!("http.server {free}"));
    }
}

fn steps(guide: &str) -> Vec<Step> {
    let (mut steps, mut paragraph, mut path, mut block) = (Vec::new(), String::new(), None, None);
    for event in Parser::new(guide) {
        match event {
            Event::Start(Tag::Paragraph) => (paragraph, path) = (String::new(), None),
            Event::Start(Tag::Heading { .. }) => path = None,
            Event::Code(code) if paragraph == "Save this as " => path = Some(PathBuf::from(&*code)),
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(language))) => block = Some((language.into_string(), String::new())),
            Event::Text(text) => match &mut block {
                Some((_, block)) => block.push_str(&text),
                None => paragraph.push_str(&text),
            },
            Event::End(TagEnd::CodeBlock) => match (block.take(), path.take()) {
                (Some((_, text)), Some(path)) => steps.push(Step::Save(path, text)),
                (Some((language, text)), None) if language == "sh" => steps.push(Step::Run(text)),
                _ => {}
            },
            _ => {}
        }
    }
    steps
}

/// A directory outside of the repository, as cargo takes what is within for a part of it.
struct Home {
    path: PathBuf,
}

impl Home {
    fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("silverback-getting-started-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Self { path })
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path); // left behind, it is only in the way
    }
}

/// A shell that takes one block after the other. Whatever it started ends with it.
struct Terminal {
    shell: Child,
    next: Option<ChildStdin>,
    output: PathBuf,
    done: usize,
}

impl Terminal {
    fn open(home: &Home) -> Result<Self> {
        let binary = installed::binary("silverback")?;
        let path = format!("{}:{}", binary.parent().unwrap_or(Path::new(".")).display(), std::env::var("PATH").unwrap_or_default());
        let target = installed::directory()?.parent().map(Path::to_owned).unwrap_or_default();
        let output = home.path.join("terminal.log");
        // Each block is a file, which the shell reads when it is told to.
        let script = format!(
            "set -eu; exec > '{log}' 2>&1; trap 'kill $(jobs -p) 2>/dev/null || true' EXIT; trap 'exit 1' TERM; cd '{home}'\n\
             while read -r block; do . \"$block\"; pwd > '{home}/directory'; echo \"done: $block\"; done",
            log = output.display(),
            home = home.path.display(),
        );
        let mut command = Command::new("bash");
        command.args(["-c", &script]).stdin(Stdio::piped()).env("PATH", path);
        // What the workspace has compiled already need not be compiled again, and nothing is downloaded.
        command.env("CARGO_TARGET_DIR", target).env("CARGO_NET_OFFLINE", "true").env("CARGO_PROFILE_DEV_DEBUG", "line-tables-only");
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SILVERBACK_")) {
            command.env_remove(name);
        }
        let mut shell = command.spawn()?;
        let next = shell.stdin.take();
        std::fs::write(home.path.join("directory"), home.path.to_string_lossy().as_bytes())?;
        Ok(Self { shell, next, output, done: 0 })
    }

    /// Runs a block, to its end.
    fn run(&mut self, commands: &str) -> Result<()> {
        self.done += 1;
        let home = self.output.with_file_name("");
        let block = home.join(format!("block-{}", self.done));
        std::fs::write(&block, commands)?;
        if commands.contains("cargo build") {
            // The versions that the workspace has, which are on this machine.
            std::fs::copy(installed::source("Cargo.lock"), self.directory()?.join("Cargo.lock"))?;
        }
        let Some(next) = &mut self.next else { return Err(Failure::new("the shell has no input")) };
        writeln!(next, "{}", block.display())?;
        let done = format!("done: {}", block.display());
        let within = if commands.contains("cargo build") { COMPILED } else { SOON };
        let end = eventually(within, &done, || {
            if std::fs::read_to_string(&self.output).is_ok_and(|output| output.contains(&done)) {
                return Ok(Some(None));
            }
            Ok(self.shell.try_wait()?.map(Some))
        });
        match end {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(self.failure(&format!("{status} at the end of\n{commands}"))),
            Err(late) => Err(self.failure(&format!("{late}, which is\n{commands}"))),
        }
    }

    /// Where the shell is.
    fn directory(&self) -> Result<PathBuf> {
        Ok(PathBuf::from(std::fs::read_to_string(self.output.with_file_name("directory"))?.trim()))
    }

    fn printed(&self) -> String {
        std::fs::read_to_string(&self.output).unwrap_or_default()
    }

    fn has_said(&self, part: &str) -> Result<()> {
        // `silverback why` breaks its lines at 80 columns.
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        if words(&self.printed()).contains(&words(part)) { Ok(()) } else { Err(self.failure(&format!("no {part:?}"))) }
    }

    fn last_after(&self, beginning: &str) -> Result<String> {
        let printed = self.printed();
        let found = printed.lines().rev().find_map(|line| line.strip_prefix(beginning)).map(|rest| rest.trim().to_owned());
        found.ok_or_else(|| self.failure(&format!("no line begins with {beginning:?}")))
    }

    fn failure(&self, what: &str) -> Failure {
        Failure::new(format!("{what}\nThe terminal:\n{}", self.printed()))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        drop(self.next.take()); // the shell's loop ends, and its trap ends the rest, also if this process is killed
        let _ = Command::new("kill").arg("-TERM").arg(self.shell.id().to_string()).status(); // or it hangs in a block
        let _ = eventually(SOON, "the shell's end", || Ok(self.shell.try_wait()?));
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Python says nothing when it is ready.
async fn eventually_loaded(browser: &Client, page: &str) -> Result<()> {
    let start = tokio::time::Instant::now();
    while let Err(error) = browser.goto(page).await {
        expect(start.elapsed() < SOON, &format!("{page}: {error}"))?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Waits until the first such element's text is this.
async fn text_is(browser: &Client, selector: &str, wanted: &str) -> Result<()> {
    let start = tokio::time::Instant::now();
    loop {
        let element = browser.wait().at_most(SOON).for_element(Locator::Css(selector)).await;
        let text = element.map_err(|error| Failure::new(format!("{selector}: {error}")))?.text().await?;
        if text.trim() == wanted {
            return Ok(());
        }
        expect(start.elapsed() < SOON, &format!("{selector} is {text:?}, not {wanted:?}"))?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn expect(holds: bool, failure: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(Failure::new(failure)) }
}
