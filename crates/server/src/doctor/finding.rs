//! A stage's line: the mark, what came, and what was expected.

use std::time::Duration;

use http::Version;
use silverback::{Cause, CloseFrame, CloseReport};

use super::arrived::{problem, without_query};
use super::observed::{Answer, Arrival, Close, Connected, Distrust, Idled, Names, Observed, OriginTold, Other, Ping, Secured, Sent, Timed};
use super::stage::Stage;
use super::subject::Subject;

/// What is to be said of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) stage: Stage,
    pub(super) mark: Mark,
    /// What came, in a few words.
    pub(super) came: String,
    /// What was expected, where something else came.
    pub(super) expected: Option<String>,
    /// What else is worth knowing, a line each.
    pub(super) details: Vec<String>,
    pub(super) took: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Good,
    Bad,
    /// Not done, or neither good nor bad.
    Neutral,
}

impl Mark {
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Bad => "failed",
            Self::Neutral => "skipped",
        }
    }
}

/// A finding without its stage and its time.
struct Said(Mark, String, Option<String>, Vec<String>);

fn good(came: impl Into<String>) -> Said {
    Said(Mark::Good, came.into(), None, Vec::new())
}

fn bad(came: impl Into<String>, expected: impl Into<String>) -> Said {
    Said(Mark::Bad, came.into(), Some(expected.into()), Vec::new())
}

fn neutral(came: impl Into<String>) -> Said {
    Said(Mark::Neutral, came.into(), None, Vec::new())
}

impl Said {
    fn with(mut self, detail: impl Into<String>) -> Self {
        self.3.push(detail.into());
        self
    }

    fn with_all(mut self, details: impl IntoIterator<Item = String>) -> Self {
        self.3.extend(details);
        self
    }
}

/// What is said of a stage that could not be.
const NOT_COME_TO: &str = "not come to";

impl Finding {
    /// Whether the stage could not be, since another one before it has failed.
    pub(super) fn is_beyond_reach(&self) -> bool {
        self.came == NOT_COME_TO
    }
}

/// All findings, in the order of the stages.
pub(super) fn findings(observed: &Observed, subject: &Subject) -> Vec<Finding> {
    Stage::ALL.iter().map(|stage| finding(*stage, observed, subject)).collect()
}

/// What is to be said of this stage.
pub(super) fn finding(stage: Stage, observed: &Observed, subject: &Subject) -> Finding {
    let is_answered = observed.ping.as_ref().is_some_and(|ping| !matches!(ping.what, Ping::Ended(_)));
    let (said, took) = match stage {
        Stage::Dns => of(observed.names.as_ref(), names),
        Stage::Tcp => of(observed.tcp.as_ref(), tcp),
        Stage::Tls if !subject.is_secure() => (neutral("none: the address begins with ws://"), None),
        Stage::Tls => of(observed.tls.as_ref(), |tls| tls_said(&tls.outcome, &tls.chain)),
        Stage::Http => (of(observed.answer.as_ref(), http).0, None),
        Stage::Handshake => of(observed.answer.as_ref(), handshake),
        Stage::Subprotocols => (opened(observed, |subprotocol, _| subprotocols(subject, subprotocol)), None),
        Stage::Compression => (opened(observed, |_, deflate| compression(deflate)), None),
        Stage::Ping => of(observed.ping.as_ref(), ping),
        Stage::Large => match &observed.large {
            None if is_answered => (neutral("not asked for (--message)"), None),
            large => of(large.as_ref(), |large| large_said(large.size, &large.outcome)),
        },
        Stage::Idle => match &observed.idle {
            None if is_answered => (neutral("not asked for: --idle 75s finds a proxy's time-out"), None),
            idle => of(idle.as_ref(), |idle| idle_said(idle.asked, idle.pings, idle.messages, &idle.outcome)),
        },
        Stage::Close => of(observed.close.as_ref(), close),
        Stage::Arrival => of(observed.arrival.as_ref(), arrival),
        Stage::Origin => of(observed.origins.as_ref(), |origins| origin(&origins.own, &origins.foreign, &origins.none)),
        Stage::Schemes => of(observed.other.as_ref(), |other| schemes(subject, &other.address, other.is_same_port, &other.outcome)),
    };
    let Said(mark, came, expected, details) = said;
    let details = details.iter().map(|detail| printable(detail)).collect();
    Finding { stage, mark, came: printable(&came), expected, details, took }
}

fn of<T>(observed: Option<&Timed<T>>, say: impl FnOnce(&T) -> Said) -> (Said, Option<Duration>) {
    match observed {
        Some(Timed { what, took }) => (say(what), Some(*took)),
        None => (neutral(NOT_COME_TO), None),
    }
}

fn opened(observed: &Observed, say: impl FnOnce(Option<&str>, Option<&str>) -> Said) -> Said {
    match observed.answer.as_ref().map(|answer| &answer.what) {
        Some(Answer::Open { subprotocol, deflate, .. }) => say(subprotocol.as_deref(), deflate.as_deref()),
        _ => neutral(NOT_COME_TO),
    }
}

fn names(names: &Names) -> Said {
    match names {
        Names::NotNeeded(_) => neutral("none needed: the host is an IP address"),
        Names::Found(addresses) => good(addresses.iter().map(|address| address.ip().to_string()).collect::<Vec<_>>().join(", ")),
        Names::Failed(why) => bad(why.clone(), "an address of this name"),
        Names::TimedOut(after) => bad(format!("no answer within {}", spoken(*after)), "an address of this name"),
    }
}

fn tcp(tcp: &super::observed::Tcp) -> Said {
    let others = |spared: Option<std::net::SocketAddr>| {
        let failed = tcp.attempts.iter().filter(move |attempt| Some(attempt.address) != spared);
        failed.filter_map(|attempt| {
            let outcome = match attempt.outcome {
                Connected::Yes(_) => return None,
                Connected::Dropped => "no answer yet, when another address had answered".to_owned(),
                Connected::TimedOut => format!("no answer within {}", spoken(tcp.within)),
                Connected::Failed(kind) => kind.to_string(),
            };
            Some(format!("{}: {outcome}", attempt.address))
        })
    };
    match tcp.connected() {
        Some((address, took)) => {
            let also = tcp.attempts.iter().filter(|attempt| matches!(attempt.outcome, Connected::Yes(_))).count() - 1;
            let came = if also > 0 { format!("{address} in {}, and {also} more", spoken(took)) } else { address.to_string() };
            good(came).with_all(others(Some(address)))
        }
        None => {
            let mut failed: Vec<_> = others(None).collect();
            let first = if failed.is_empty() { "no address".to_owned() } else { failed.remove(0) };
            bad(first, "a connection").with_all(failed)
        }
    }
}

fn tls_said(outcome: &Secured, chain: &[super::observed::Certificate]) -> Said {
    let chain_lines = chain.iter().map(|certificate| {
        let names = match certificate.names.as_slice() {
            [] => String::new(),
            names if names.len() == 1 && names[0] == certificate.subject => String::new(),
            names => {
                let shown: Vec<_> = names.iter().take(4).map(String::as_str).collect();
                let more = if names.len() > 4 { format!(" and {} more", names.len() - 4) } else { String::new() };
                format!(" for {}{more}", shown.join(", "))
            }
        };
        format!("{}{names}, by {}, {}", certificate.subject, certificate.issuer, until(certificate.days_left, &certificate.not_after))
    });
    match outcome {
        Secured::Trusted { version, is_verified: true } => {
            let days = chain.first().map(|certificate| format!(", {} days left", certificate.days_left)).unwrap_or_default();
            good(format!("{version}, the certificate is trusted{days}")).with_all(chain_lines)
        }
        Secured::Trusted { version, is_verified: false } => {
            good(format!("{version}, the certificate was not looked at (--insecure)")).with_all(chain_lines)
        }
        Secured::Untrusted { why, says } => {
            let came = match why {
                Distrust::Expired => "the certificate has expired",
                Distrust::NotYetValid => "the certificate is not valid yet",
                Distrust::OtherName => "the certificate is for another name",
                Distrust::UnknownIssuer => "nobody who is trusted here has signed the certificate",
                Distrust::Other => says,
            };
            bad(came, "a certificate that is trusted").with_all(chain_lines)
        }
        Secured::NotTls => bad("what the server answers is not TLS", "TLS"),
        Secured::Ended => bad("the server ended the connection at the first word of TLS", "TLS"),
        Secured::TimedOut(after) => bad(format!("no answer within {}", spoken(*after)), "TLS"),
        Secured::Failed(why) | Secured::Local(why) => bad(why.clone(), "TLS"),
    }
}

fn until(days: i64, date: &str) -> String {
    match days {
        ..=-1 => format!("over since {date}"),
        1 => format!("1 day left ({date})"),
        _ => format!("{days} days left ({date})"),
    }
}

fn http(answer: &Answer) -> Said {
    match answer.version() {
        Some(version) => {
            let server = answer.headers().and_then(|headers| headers.get("server")).and_then(|line| line.to_str().ok());
            let by = server.map(|server| format!(", the server calls itself {}", short(server))).unwrap_or_default();
            match version {
                Version::HTTP_10 => bad(format!("HTTP/1.0{by}"), "HTTP/1.1, which has upgrades"),
                _ => good(format!("HTTP/1.1{by}")),
            }
        }
        None => neutral("no answer in HTTP"),
    }
}

fn handshake(answer: &Answer) -> Said {
    const EXPECTED: &str = "101 Switching Protocols";
    match answer {
        Answer::Open { .. } => good("101 Switching Protocols, the accept key is right"),
        Answer::Wrong { header, value, .. } => {
            let header = match *header {
                "sec-websocket-accept" => "Sec-WebSocket-Accept",
                "sec-websocket-protocol" => "Sec-WebSocket-Protocol",
                "sec-websocket-extensions" => "Sec-WebSocket-Extensions",
                header => header,
            };
            bad(format!("101 with a wrong {header} ({value})"), "the answer to the key that was sent (RFC 6455, 4.1)")
        }
        Answer::Refused { response } => {
            let status = response.status();
            let said = bad(status.to_string().replace("<unknown status code>", "").trim_end(), EXPECTED);
            let to = response.headers().get("location").filter(|_| status.is_redirection());
            let said = match to {
                Some(to) => said.with(format!("to {}", without_query(&String::from_utf8_lossy(to.as_bytes())))),
                None => said,
            };
            match problem(response.body()) {
                Some(problem) => said.with(format!("it says: {} ({})", problem.title, problem.cause)),
                None => said.with_all(words(response.body()).map(|words| format!("it says: {words}"))),
            }
        }
        Answer::Ended => bad("the server ended the connection without an answer", EXPECTED),
        Answer::Reset(kind) => bad(format!("the connection failed without an answer: {kind}"), EXPECTED),
        Answer::SpeaksTls => bad("an alert of TLS", EXPECTED),
        Answer::NotHttp(why) => bad(format!("no HTTP: {why}"), EXPECTED),
        Answer::TimedOut(after) => bad(format!("no answer within {}", spoken(*after)), EXPECTED),
    }
}

/// The first words of a body that is text or a page.
pub(super) fn words(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let title = text.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>")).map(|(title, _)| title.trim().to_owned());
    let title = title.filter(|title| !title.is_empty());
    let text = title.unwrap_or_else(|| {
        let (mut bare, mut is_tag) = (String::new(), false);
        for letter in text.chars() {
            match letter {
                '<' => is_tag = true,
                '>' => (is_tag, bare) = (false, bare + " "),
                letter if !is_tag => bare.push(letter),
                _ => {}
            }
        }
        bare
    });
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    (!line.is_empty()).then(|| short(&line))
}

/// What a stranger has said, without what would move the cursor or turn a line around.
pub(super) fn printable(text: &str) -> String {
    text.chars().filter(|letter| *letter == '\n' || !is_hostile(*letter)).collect()
}

/// Control characters, and what reorders or hides text.
pub(super) fn is_hostile(letter: char) -> bool {
    match letter {
        '\u{200d}' => false, // joins emoji
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => true,
        _ => letter.is_control(),
    }
}

fn short(text: &str) -> String {
    let clean = printable(text);
    if clean.chars().count() > 100 { clean.chars().take(99).chain(['…']).collect() } else { clean }
}

fn subprotocols(subject: &Subject, chosen: Option<&str>) -> Said {
    let offered: Vec<_> = subject.subprotocols().into_iter().map(crate::arrival::subprotocol).collect();
    match (offered.is_empty(), chosen) {
        (true, None) => neutral("none offered (--subprotocol)"),
        (_, Some(chosen)) => good(format!("{}, of {}", crate::arrival::subprotocol(chosen), offered.join(", "))),
        (false, None) => bad(format!("none chosen, of {}", offered.join(", ")), "one of them: browsers give the connection up without"),
    }
}

fn compression(agreed: Option<&str>) -> Said {
    match agreed {
        Some(line) => {
            let parameters = line.split_once(';').map_or("without parameters", |(_, parameters)| parameters.trim());
            good(format!("permessage-deflate, {parameters}"))
        }
        None => neutral("offered, and the server takes none: messages go as they are"),
    }
}

fn ping(ping: &Ping) -> Said {
    match ping {
        Ping::Answered(took) => good(format!("a pong after {}", spoken(*took))),
        Ping::TimedOut(after) => bad(format!("no pong within {}", spoken(*after)), "a pong"),
        Ping::Ended(end) => bad(ended(&end.report), "a pong"),
    }
}

fn large_said(size: usize, outcome: &Sent) -> Said {
    let bytes = size_shown(size);
    match outcome {
        Sent::Echoed => good(format!("{bytes} there and back")),
        Sent::Taken => good(format!("{bytes} sent and still open (no echo)")),
        Sent::NoAnswer(after) => bad(format!("{bytes} sent, and no sign of life within {}", spoken(*after)), "an echo or a pong"),
        Sent::NotOpen => neutral("not come to: the connection was not open"),
        Sent::Ended(end) => match end.code().map(silverback::CloseCode::get) {
            Some(code @ (1003 | 1007 | 1008)) => neutral(format!("the server takes no such message: closed with {code}")),
            Some(code @ 4000..) => neutral(format!("the application takes no such message: closed with {code}")),
            _ => bad(format!("{bytes}: {}", ended(&end.report)), "the message is taken"),
        },
    }
}

fn idle_said(asked: Duration, pings: u32, messages: u32, outcome: &Idled) -> Said {
    let heard = match (pings, messages) {
        (0, 0) => "nothing was heard".to_owned(),
        (pings, 0) => format!("the server pinged {}", times(pings)),
        (0, messages) => format!("{} came", count(messages, "message")),
        (pings, messages) => format!("the server pinged {}, {} came", times(pings), count(messages, "message")),
    };
    match outcome {
        Idled::Open => good(format!("open after {}, {heard}", spoken(asked))),
        Idled::Dead => bad(format!("after {} a ping has no answer, {heard}", spoken(asked)), "a connection that lives"),
        Idled::Ended { after, end } => {
            bad(format!("after {}: {}", spoken(*after), ended(&end.report)), format!("open for {}", spoken(asked))).with(heard)
        }
        Idled::NotOpen => neutral("not come to: the connection was not open"),
    }
}

fn close(close: &Close) -> Said {
    match close {
        Close::Done(report) if report.is_clean() => {
            let code = report.received.as_ref().and_then(|frame| frame.code).map_or(1005, |code| code.get());
            good(format!("the server answered with {code}; TCP {}", report.transport))
        }
        Close::Done(report) => bad(format!("no Close came back; TCP {}", report.transport), "the server's own Close (RFC 6455, 5.5.1)"),
        Close::NotOpen => neutral("not come to: the connection was not open"),
    }
}

/// How a connection ended by itself.
pub(super) fn ended(report: &CloseReport) -> String {
    match (&report.received, &report.cause) {
        (Some(frame), _) => format!("the server closed with {}", frame_shown(frame)),
        (None, Cause::TransportLost) => match report.transport {
            silverback::TransportEnd::Finished => "the connection was ended without a Close".to_owned(),
            silverback::TransportEnd::Failed(kind) => format!("the connection was lost: {kind}"),
            end => format!("the connection was lost: {end}"),
        },
        (None, cause) => cause.to_string(),
    }
}

fn frame_shown(frame: &CloseFrame) -> String {
    let code = frame.code.map_or(1005, |code| code.get());
    if frame.reason().is_empty() { code.to_string() } else { format!("{code} {:?}", frame.reason()) }
}

fn arrival(arrival: &Arrival) -> Said {
    let Arrival::Told { told, changes, .. } = arrival else { return neutral("not told: only a Silverback server tells it") };
    let word = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
    let from = if told["peer"] == told["client"] {
        format!("from {}", word("peer"))
    } else {
        format!("from {}, by way of {}", word("client"), word("peer"))
    };
    let way = format!("{} {}, {from}", word("version"), word("path"));
    let is_upgrade = |what: &str| matches!(what, "version" | "method" | "Upgrade" | "Connection") || what.starts_with("Sec-WebSocket");
    let lines = changes.iter().map(|change| match &change.arrived {
        Some(arrived) => format!("{}: sent {}, arrived {arrived}", change.what, change.sent),
        None => format!("{}: sent {}, did not arrive", change.what, change.sent),
    });
    match changes.len() {
        0 => good(format!("unchanged: {way}")),
        _ if changes.iter().any(|change| is_upgrade(&change.what) || change.arrived.is_none()) => {
            bad(format!("changed on the way: {way}"), "what was sent").with_all(lines)
        }
        _ => good(format!("changed a little: {way}")).with_all(lines),
    }
}

fn origin(own: &OriginTold, foreign: &OriginTold, none: &OriginTold) -> Said {
    let told = |told: &OriginTold| match (told.status, &told.cause) {
        (Some(101), _) => "connects".to_owned(),
        (Some(status), Some(cause)) => format!("{status} ({cause})"),
        (Some(status), None) => status.to_string(),
        (None, _) => "no answer".to_owned(),
    };
    let lines = [
        format!("a page of {}: {}", own.origin.as_deref().unwrap_or_default(), told(own)),
        format!("a page from elsewhere: {}", told(foreign)),
        format!("no page: {}", told(none)),
    ];
    let said = if is_origin_refused(own, none) {
        bad("a page of this very server may not connect", "as without an Origin")
    } else if own.status.is_none() || foreign.status.is_none() {
        neutral("one of the handshakes has no answer")
    } else if foreign.status == Some(101) {
        neutral("pages from everywhere may connect: fine unless cookies log in")
    } else if foreign.cause.is_none() && foreign.status == none.status {
        neutral("the server answers all alike")
    } else {
        good("this server's pages may connect, strangers' may not")
    };
    said.with_all(lines)
}

/// Whether a page that the server itself serves is kept out for what it is.
pub(super) fn is_origin_refused(own: &OriginTold, none: &OriginTold) -> bool {
    own.cause.as_deref() == Some("origin-not-allowed") || (none.status == Some(101) && own.status.is_some_and(|status| status != 101))
}

fn schemes(subject: &Subject, address: &str, is_same_port: bool, outcome: &Other) -> Said {
    let port = if is_same_port { " at the same port" } else { "" };
    match outcome {
        Other::NoTcp => neutral(format!("{address} does not answer")),
        Other::NoTls => neutral(format!("no TLS{port} ({address})")),
        Other::Tls => neutral(format!("{address} speaks TLS")),
        Other::NotHttp => neutral(format!("{address} does not answer in HTTP")),
        Other::Status(101) if subject.is_secure() => neutral(format!("{address} connects too, and in the clear")),
        Other::Status(101) => neutral(format!("{address} connects too, by TLS")),
        Other::Status(status) => neutral(format!("{address} answers {status}")),
        Other::Redirect { status, to } => neutral(format!("{address} answers {status}, to {to}")),
    }
}

/// A time for people.
pub(super) fn spoken(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds < 0.001 => format!("{:.1} ms", seconds * 1000.0),
        seconds if seconds < 1.0 => format!("{:.0} ms", seconds * 1000.0),
        seconds => format!("{} s", format!("{seconds:.1}").trim_end_matches(".0")),
    }
}

fn size_shown(size: usize) -> String {
    bytesize::ByteSize::b(size as u64).to_string().replace(".0 ", " ")
}

fn times(count: u32) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        count => format!("{count} times"),
    }
}

fn count(count: u32, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
