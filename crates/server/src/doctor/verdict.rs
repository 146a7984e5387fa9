//! The verdict: one cause, in words. It is the first thing that is wrong on the way, since what comes after may be wrong because of it.

use std::time::Duration;

use silverback::TransportEnd;

use super::arrived::{Problem, problem, without_query};
use super::finding::{self, Finding, Mark, spoken, words};
use super::lines::Topic;
use super::observed::{
    Answer, Arrival, Change, Close, Connected, Distrust, End, Idled, Names, Observed, Other, Ping, Secured, Sent, SmallHead, Tls,
};
use super::proxy::Proxy;
use super::subject::Subject;

/// What is the matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    /// For machines, and for the table in docs/doctor.md: it stays the same.
    pub(super) cause: &'static str,
    pub(super) title: String,
    pub(super) words: String,
    /// What lines would help, if some would.
    pub(super) topic: Option<Topic>,
    pub(super) proxy: Option<Proxy>,
}

impl Verdict {
    pub(super) fn is_well(&self) -> bool {
        self.cause == "well"
    }
}

struct Told {
    cause: &'static str,
    title: String,
    words: String,
    topic: Option<Topic>,
}

fn told(cause: &'static str, title: impl Into<String>, words: impl Into<String>) -> Told {
    Told { cause, title: title.into(), words: words.into(), topic: None }
}

impl Told {
    fn about(mut self, topic: Topic) -> Self {
        self.topic = Some(topic);
        self
    }
}

/// Judges what was observed. `findings` are those of all stages.
pub(super) fn verdict(observed: &Observed, findings: &[Finding], subject: &Subject) -> Verdict {
    let answer = observed.answer.as_ref().map(|answer| &answer.what);
    let proxy = observed.proxy();
    let told = network(observed, subject)
        .map(|told| by_way_of(told, observed))
        .or_else(|| observed.tls.as_ref().and_then(|tls| secured(&tls.what, observed, subject)))
        .or_else(|| answer.and_then(|answer| answered(answer, observed, subject, proxy)))
        .or_else(|| opened(observed, subject))
        .or_else(|| {
            // Whatever is bad has a verdict, if only its own words.
            let bad = findings.iter().find(|finding| finding.mark == Mark::Bad)?;
            let words = format!("{} was expected.", bad.expected.as_deref().unwrap_or("something else"));
            Some(told("stage-failed", format!("{}: {}", bad.stage.title(), bad.came), words))
        })
        .unwrap_or_else(|| well(observed));
    let (title, words) = (finding::printable(&told.title), finding::printable(&told.words));
    Verdict { cause: told.cause, title, words, topic: told.topic, proxy }
}

fn well(observed: &Observed) -> Told {
    let days = observed.tls.as_ref().and_then(|tls| tls.what.chain.first()).map(|certificate| certificate.days_left);
    let words = match days {
        Some(days) if days < 14 => format!("But renew the certificate: it has {days} days left."),
        _ => String::new(),
    };
    told("well", "All is well.", words)
}

fn network(observed: &Observed, subject: &Subject) -> Option<Told> {
    let host = subject.host();
    match &observed.names.as_ref()?.what {
        Names::Failed(_) | Names::TimedOut(_) => {
            let words = "Is it spelled right? Does it have an A or AAAA record, and does this machine have a name server that answers?";
            return Some(told("dns-failed", format!("The name {host} has no address here."), words));
        }
        Names::NotNeeded(_) | Names::Found(_) => {}
    }
    let tcp = &observed.tcp.as_ref()?.what;
    if tcp.connected().is_some() {
        return None;
    }
    let outcomes = || tcp.attempts.iter().map(|attempt| attempt.outcome);
    let port = subject.port();
    Some(if outcomes().all(|outcome| outcome == Connected::Failed(std::io::ErrorKind::ConnectionRefused)) {
        let words = "The machine answers, and says that no program has this port open. Is the server running? Does it listen on this port, and on this address (0.0.0.0, not only 127.0.0.1)?";
        told("connection-refused", format!("Nothing listens at port {port} of {host}."), words)
    } else if outcomes().any(|outcome| outcome == Connected::TimedOut) {
        let words = "Connections are neither taken nor refused, which is what a firewall or a security group does that drops them, or a machine that is down. Is the port open in all of them, and is the address right?";
        told("connection-timed-out", format!("Port {port} of {host} does not answer."), words)
    } else {
        let words = "Does this machine have a way to that network? A VPN or a route may be missing.";
        told("connection-failed", format!("{host} cannot be reached."), words)
    })
}

/// Where a proxy is the only way out, going straight tells little.
fn by_way_of(mut told: Told, observed: &Observed) -> Told {
    if let Some(variable) = observed.passed_by {
        told.words += &format!(" {variable} names a proxy here, which clients may go through and the doctor does not: it goes straight.");
    }
    told
}

fn secured(tls: &Tls, observed: &Observed, subject: &Subject) -> Option<Told> {
    let other = observed.other.as_ref().map(|other| &other.what).filter(|other| other.is_same_port);
    let speaks_http = other.is_some_and(|other| matches!(other.outcome, Other::Status(_) | Other::Redirect { .. }));
    let first = tls.chain.first();
    let plain = || {
        let words = "What answers there is no TLS. Dial ws:// instead; if it is to be wss://, TLS is not switched on at this port, or it is another port (443, 8443).";
        told(
            "tls-not-spoken",
            format!("Port {} of {} speaks plain HTTP, and the address says wss://.", subject.port(), subject.host()),
            words,
        )
    };
    Some(match &tls.outcome {
        Secured::Trusted { .. } => return None,
        Secured::Untrusted { why: Distrust::Expired, .. } => {
            let expired = tls.chain.iter().find(|certificate| certificate.days_left < 0);
            let which = expired.map(|certificate| format!(" The one of {} was good until {}.", certificate.subject, certificate.not_after));
            let words = format!(
                "Clients refuse it.{} Renew it; if it was renewed, reload the server, which still holds the old one. If it is good, this machine's clock is wrong.",
                which.unwrap_or_default()
            );
            told("certificate-expired", "The certificate has expired.", words).about(Topic::Certificate)
        }
        Secured::Untrusted { why: Distrust::NotYetValid, .. } => told(
            "certificate-not-yet-valid",
            "The certificate is not valid yet.",
            "The clock of this machine is wrong, or that of the machine that made the certificate.",
        ),
        Secured::Untrusted { why: Distrust::OtherName, .. } => {
            let names = first.map(|certificate| certificate.names.join(", ")).filter(|names| !names.is_empty());
            let words = format!(
                "It is for {}. Dial one of these names, or have this one put into it. Where several sites share the address, the server may have chosen another one's.",
                names.unwrap_or_else(|| "no name at all".into())
            );
            told("certificate-for-another-name", format!("The certificate is not for {}.", subject.host()), words).about(Topic::Certificate)
        }
        Secured::Untrusted { why: Distrust::UnknownIssuer, .. } => {
            let issuer = tls.chain.last().map_or_else(|| "its issuer".to_owned(), |certificate| certificate.issuer.clone());
            let is_alone = tls.chain.len() == 1 && first.is_some_and(|certificate| certificate.subject != certificate.issuer);
            let words = if is_alone {
                format!(
                    "The server sends its own certificate alone, and nobody here knows {issuer}. Let it send the whole chain (fullchain.pem, not cert.pem). If the authority is your own, give it with --ca."
                )
            } else {
                format!(
                    "Nobody who is trusted here has signed it: {issuer} is not among them. If the authority is your own, give it with --ca, and to every client."
                )
            };
            told("certificate-issuer-unknown", "The certificate is signed by somebody unknown.", words).about(Topic::Certificate)
        }
        Secured::Untrusted { why: Distrust::Other, says } => {
            told("certificate-not-trusted", "The certificate is not trusted.", format!("{says}.")).about(Topic::Certificate)
        }
        Secured::NotTls => plain(),
        Secured::Ended | Secured::TimedOut(_) if speaks_http => plain(),
        Secured::Ended => {
            let words = "It ends the connection at the first word of TLS: it does not speak TLS at this port, or it has no certificate for this name.";
            told("tls-ended", "The server ends the connection when TLS begins.", words)
        }
        Secured::TimedOut(after) => {
            let words = format!(
                "The connection is there, and nothing came for {}. The port belongs to another protocol, or the server hangs.",
                spoken(*after)
            );
            told("tls-not-answered", "The server does not answer to TLS.", words)
        }
        Secured::Failed(why) => told(
            "tls-failed",
            "TLS fails.",
            format!("{why}. The two ends may have no version or cipher in common: TLS 1.2 or 1.3 is needed."),
        ),
        Secured::Local(why) => told("tls-failed", "TLS cannot be begun.", format!("{why}.")),
    })
}

fn answered(answer: &Answer, observed: &Observed, subject: &Subject, proxy: Option<Proxy>) -> Option<Told> {
    let at = || format!("Port {} of {}", subject.port(), subject.host());
    let other = observed.other.as_ref().map(|other| &other.what).filter(|other| other.is_same_port);
    let has_tls = other.is_some_and(|other| !matches!(other.outcome, Other::NoTcp | Other::NoTls));
    if !subject.is_secure() && !answer.is_open() && (matches!(answer, Answer::SpeaksTls) || has_tls) {
        let words = "It was spoken to in the clear. Dial wss:// instead of ws://.";
        return Some(told("tls-expected", format!("{} speaks TLS, and the address says ws://.", at()), words));
    }
    match answer {
        Answer::Open { .. } => None,
        Answer::Wrong { header: "sec-websocket-accept", .. } => {
            let words = "It has not worked the answer out from the key that was sent (RFC 6455, 4.2.2). It does not speak WebSocket, or something on the way answers for it, from a cache perhaps.";
            Some(told("wrong-accept-key", "The server says 101 with a wrong Sec-WebSocket-Accept.", words))
        }
        Answer::Wrong { header, value, .. } => {
            let words = format!("Its `{header}` is {value}. Every client has to give such a connection up (RFC 6455, 4.1).");
            Some(told("wrong-answer", format!("The server says 101 with a wrong {header}."), words))
        }
        Answer::Ended | Answer::Reset(_) => {
            let words = "It took the request and ended the connection. It is no web server, a filter on the way has cut it, or the program behind has crashed: look into the server's log.";
            Some(told("closed-without-answer", "The server ends the connection without an answer.", words))
        }
        Answer::SpeaksTls => None,
        Answer::NotHttp(_) => {
            let words = "What came is no HTTP. Another program has this port.";
            Some(told("not-http", format!("{} is no web server.", at()), words))
        }
        Answer::TimedOut(after) => {
            let words = format!(
                "It took the request, and nothing came for {}. Something on the way holds the upgrade back (a proxy or a virus scanner that waits for a whole answer), or the server hangs.",
                spoken(*after)
            );
            Some(told("no-answer", "The server takes the connection and never answers.", words))
        }
        Answer::Refused { response } => {
            let told_changes = match observed.arrival.as_ref().map(|arrival| &arrival.what) {
                Some(Arrival::Told { changes, .. }) => changes.as_slice(),
                _ => &[],
            };
            let problem = problem(response.body());
            Some(
                dropped(told_changes, problem.as_ref(), proxy)
                    .or_else(|| problem.as_ref().map(|problem| explained(problem, observed)))
                    .unwrap_or_else(|| refused(response, observed, subject, proxy)),
            )
        }
    }
}

fn by(proxy: Option<Proxy>) -> String {
    proxy.map_or_else(|| "A proxy".to_owned(), |proxy| format!("The proxy ({})", proxy.name()))
}

/// What the server has seen, or says that it has seen, of a handshake that has lost something.
fn dropped(changes: &[Change], problem: Option<&Problem>, proxy: Option<Proxy>) -> Option<Told> {
    let change = |what: &str| changes.iter().find(|change| change.what == what);
    let cause = problem.map(|problem| problem.cause.as_str()).unwrap_or_default();
    let is_said = matches!(cause, "proxy-dropped-upgrade" | "upgrade-stripped" | "upgrade-missing");
    let detail = problem.map(|problem| problem.detail.as_str()).unwrap_or_default();
    if change("version").is_some() || (is_said && detail.starts_with("HTTP/1.0")) {
        let words = "The request left here as HTTP/1.1 and reached the server as HTTP/1.0, which has no upgrades (RFC 9110, 7.8).";
        return Some(
            told("http-1.0-upstream", format!("{} speaks HTTP/1.0 to the server behind it.", by(proxy)), words).about(Topic::Version),
        );
    }
    let lost: Vec<_> = ["Upgrade", "Connection"].into_iter().filter(|what| change(what).is_some()).collect();
    if !lost.is_empty() {
        let seen = lost.iter().filter_map(|what| change(what)).map(|change| match &change.arrived {
            Some(arrived) => format!("`{}: {}` arrived as `{arrived}`", change.what, change.sent),
            None => format!("`{}: {}` did not arrive", change.what, change.sent),
        });
        let words = format!("The server shows the request as it saw it: {}.", seen.collect::<Vec<_>>().join(", and "));
        return Some(told("upgrade-dropped", format!("{} does not pass the upgrade on.", by(proxy)), words).about(Topic::Upgrade));
    }
    if is_said {
        let words = format!("The server says what reached it: {}.", detail.lines().next().unwrap_or_default());
        return Some(told("upgrade-dropped", format!("{} does not pass the upgrade on.", by(proxy)), words).about(Topic::Upgrade));
    }
    None
}

/// A refusal that explains itself.
fn explained(problem: &Problem, observed: &Observed) -> Told {
    let words = [&problem.detail, &problem.cure].into_iter().filter(|text| !text.is_empty()).map(|text| capital(text)).collect::<Vec<_>>();
    let words = words.iter().map(|text| sentence(text)).collect::<Vec<_>>().join(" ");
    let title = format!("The server refuses: {}.", problem.title);
    match problem.cause.as_str() {
        "origin-not-allowed" => told("origin-refused", title, words).about(Topic::Origin),
        "head-too-large" => told("head-too-large", title, words),
        "not-found" => told("path-not-found", title, words),
        cause if cause.starts_with("token") || status(observed) == Some(401) => {
            told("not-authorised", title, format!("{words} The doctor sends one with --token.").trim_start().to_owned())
        }
        cause if cause.starts_with("too-many") => told("too-many-requests", title, words),
        _ => told("refused", title, words),
    }
}

/// With an end, unless it ends in lines that are to be copied.
fn sentence(text: &str) -> String {
    if text.ends_with(['.', ';', '?', '!']) { text.to_owned() } else { format!("{text}.") }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().collect::<String>() + letters.as_str()).unwrap_or_default()
}

fn status(observed: &Observed) -> Option<u16> {
    observed.answer.as_ref().and_then(|answer| answer.what.status()).map(|status| status.as_u16())
}

/// A refusal by its status alone.
fn refused(response: &http::Response<bytes::Bytes>, observed: &Observed, subject: &Subject, proxy: Option<Proxy>) -> Told {
    let status = response.status();
    let says = words(response.body()).map(|words| format!(" It says: {}.", words.trim_end_matches('.'))).unwrap_or_default();
    let who = proxy.map_or_else(|| "the server".to_owned(), |proxy| proxy.name().to_owned());
    let small = observed.small.as_ref();
    let is_size = small.and_then(|small| small.status).is_some_and(|small| small != status.as_u16());
    let origins = observed.origins.as_ref().map(|origins| &origins.what);
    match status.as_u16() {
        _ if is_size => {
            let (first, answer) = small.map_or((0, 0), |SmallHead { status, first, .. }| (*first, status.unwrap_or_default()));
            let words = format!(
                "The head had {first} bytes and was refused with {}; a small one gets {answer}. Large cookies and tokens are the usual cause: make them smaller, or raise the limit.",
                status.as_u16()
            );
            told("head-too-large", "The head of the request is too large.", words).about(Topic::Head)
        }
        413 | 414 | 431 => {
            let words = format!("{status}.{says} Large cookies and tokens are the usual cause: make them smaller, or raise the limit.");
            told("head-too-large", "The head of the request is too large.", words).about(Topic::Head)
        }
        400 if says.contains("Header Or Cookie Too Large") || says.contains("header field exceeds") => told(
            "head-too-large",
            "The head of the request is too large.",
            format!("{status}.{says} Make cookies and tokens smaller, or raise the limit."),
        )
        .about(Topic::Head),
        300..400 => {
            let to = response.headers().get("location").map(|to| without_query(&String::from_utf8_lossy(to.as_bytes())));
            let words = format!(
                "Browsers do not follow redirects of a WebSocket. Dial the address that it leads to ({}), or let the server answer here.",
                to.unwrap_or_else(|| "which it does not name".into())
            );
            told("redirected", format!("The server redirects ({})", status.as_u16()) + ".", words)
        }
        401 => told(
            "not-authorised",
            "The server wants to know who you are.",
            format!("{status}.{says} Send what it asks for: --token, a cookie or another header with -H."),
        ),
        403 if subject.has_origin() && origins.is_some_and(|origins| origins.none.status != Some(403)) => told(
            "origin-refused",
            "The server lets no page of this origin connect.",
            format!("{status}.{says} Without an Origin it answers otherwise. Allow the origin at the server."),
        )
        .about(Topic::Origin),
        403 => told(
            "forbidden",
            "The server forbids it.",
            format!(
                "{status}.{says} Are the credentials enough? Does it ask for an Origin that it knows (--origin), or does a firewall for web applications stand before it?"
            ),
        ),
        404 => told(
            "path-not-found",
            "There is nothing at this path.",
            format!(
                "{status}.{says} Is the path right, and does {who} send it on to the WebSocket server? A proxy may match another location or another host name."
            ),
        ),
        405 => told(
            "path-not-found",
            "This path takes no GET.",
            format!("{status}.{says} A handshake is a GET: this is the path of something else."),
        ),
        407 => told("proxy-credentials", "A proxy on the way wants credentials.", format!("{status}.{says}")),
        426 => {
            let words = format!("{status}: to the server the request did not ask for an upgrade, and it did when it left here.{says}");
            told("upgrade-dropped", format!("{} does not pass the upgrade on.", by(proxy)), words).about(Topic::Upgrade)
        }
        429 => {
            told("too-many-requests", "The server gets too many requests.", format!("{status}.{says} Try again later, or raise its limit."))
        }
        502..=504 | 520..=526 => {
            let words = format!(
                "{status}.{says} Is the server behind up, and at the address that the proxy has for it? Does the proxy speak HTTP/1.1 to it, not HTTP/2?"
            );
            told("upstream-unreachable", format!("{} does not reach the server behind it.", by(proxy)), words).about(Topic::Upstream)
        }
        500.. => told("server-error", "The server fails.", format!("{status}.{says} Look into its log.")),
        200..300 => {
            let words = format!(
                "It answers as to any request for a page ({}).{says} Is the path right? If it is, something on the way has dropped the upgrade.",
                status.as_u16()
            );
            told("not-a-websocket", "This is a web server, and no WebSocket.", words).about(Topic::Upgrade)
        }
        400 => {
            let words = format!(
                "{status}.{says} Something on the way may have dropped or changed a header of the handshake; if not, the server takes no WebSocket here."
            );
            told("bad-request", "The server does not understand the handshake.", words).about(Topic::Upgrade)
        }
        _ => told("refused", format!("The server refuses ({}).", status.as_u16()), format!("{status}.{says}")),
    }
}

/// What is wrong with a connection that was made.
fn opened(observed: &Observed, subject: &Subject) -> Option<Told> {
    match &observed.ping.as_ref()?.what {
        Ping::Ended(end) => {
            let words = format!(
                "{}. The handshake was good, so it is a decision of the server or of the application: look into its log.",
                capital(&finding::ended(&end.report))
            );
            return Some(told("closed-after-handshake", "The server closes right after the handshake.", words));
        }
        Ping::TimedOut(after) => {
            let words = format!(
                "Every end has to answer a ping (RFC 6455, 5.5.2); nothing came within {}. The server hangs, or does not read.",
                spoken(*after)
            );
            return Some(told("ping-not-answered", "The server does not answer a ping.", words));
        }
        Ping::Answered(_) => {}
    }
    let large = observed.large.as_ref().and_then(|large| message(large.what.size, &large.what.outcome));
    let idle = observed.idle.as_ref().and_then(|idle| silence(idle.what.asked, &idle.what.outcome));
    large.or(idle).or_else(|| ending(observed)).or_else(|| handshake(observed, subject))
}

fn message(size: usize, outcome: &Sent) -> Option<Told> {
    Some(match outcome {
        Sent::Echoed | Sent::Taken | Sent::NotOpen => return None,
        Sent::NoAnswer(after) => {
            let words = format!(
                "{size} bytes went out, and no sign of life came within {}. Something on the way holds large messages back, or the network is slow: try --timeout 30s, or a smaller --message.",
                spoken(*after)
            );
            told("message-not-taken", "The server is silent after a large message.", words)
        }
        Sent::Ended(end) => match end.code().map(silverback::CloseCode::get) {
            Some(1009) => {
                let words = format!(
                    "{size} bytes are more than it takes. That is a limit of the WebSocket server, not of the proxy (in Silverback: limits.message). If messages are never that large, all is well: give a smaller --message."
                );
                told("message-too-large", "The server closes with 1009: the message is too large.", words)
            }
            Some(1003 | 1007 | 1008 | 4000..) => return None, // the application's own rule
            _ => {
                let words = format!(
                    "{} while {size} bytes were sent. A limit on bodies or messages on the way, or a filter, does that; or the server has crashed.",
                    capital(&finding::ended(&end.report))
                );
                told("message-cut", "A large message ends the connection.", words)
            }
        },
    })
}

fn silence(asked: Duration, outcome: &Idled) -> Option<Told> {
    let (after, end) = match outcome {
        Idled::Open | Idled::NotOpen => return None,
        Idled::Dead => {
            let words = format!(
                "After {} of silence a ping has no answer, and nobody has said that it is over. A firewall or a NAT on the way has forgotten it. Let the server ping more often than it forgets (in Silverback: heartbeat.ping_after).",
                spoken(asked)
            );
            return Some(told("idle-forgotten", "A silent connection is forgotten on the way.", words));
        }
        Idled::Ended { after, end } => (*after, end),
    };
    if end.report.received.is_some() {
        let words = format!(
            "{} after {} of silence. It is the server or the application that wants to hear something (in Silverback: limits of idle sessions, or a token that has run out).",
            capital(&finding::ended(&end.report)),
            spoken(after)
        );
        return Some(told("closed-while-idle", "The server closes a silent connection.", words));
    }
    let words = format!(
        "After {} without a byte it was {}, without a Close: that is a proxy's time-out.{} Raise it, or let the server ping more often (in Silverback: heartbeat.ping_after, 20 s by default).",
        spoken(after),
        how(end),
        whose(after)
    );
    Some(told("idle-timeout", format!("A proxy ends connections that are silent for {}.", spoken(after)), words).about(Topic::Idle))
}

fn how(end: &End) -> &'static str {
    match end.report.transport {
        TransportEnd::Failed(_) => "reset",
        _ => "ended",
    }
}

/// Whose default it looks like.
fn whose(after: Duration) -> &'static str {
    match after.as_secs_f64().round() as u64 {
        49..=51 => " 50 s is what HAProxy has in Debian's configuration.",
        54..=56 => " 55 s is Heroku's.",
        59..=61 => " 60 s is the default of nginx (proxy_read_timeout), Apache httpd and AWS ALB.",
        98..=102 => " 100 s is Cloudflare's.",
        238..=242 => " 4 minutes are Azure's load balancer's.",
        298..=302 => " 5 minutes are Envoy's default, and Apache httpd's in Debian's configuration.",
        345..=355 => " 350 s are AWS NLB's.",
        _ => "",
    }
}

fn ending(observed: &Observed) -> Option<Told> {
    match &observed.close.as_ref()?.what {
        Close::Done(report) if !report.is_clean() => {
            let words = "It has to answer a Close with its own (RFC 6455, 5.5.1). Clients then wait, and report the end as 1006.";
            Some(told("close-not-answered", "The server does not answer a Close.", words))
        }
        _ => None,
    }
}

fn handshake(observed: &Observed, subject: &Subject) -> Option<Told> {
    if let Some(Answer::Open { subprotocol: None, .. }) = observed.answer.as_ref().map(|answer| &answer.what)
        && !subject.subprotocols().is_empty()
    {
        let words =
            "Browsers give a connection up that offers subprotocols and gets none. Offer one that the server speaks, or let it choose.";
        return Some(told("subprotocol-not-chosen", "The server chooses none of the subprotocols.", words));
    }
    if let Some(origins) = observed.origins.as_ref().map(|origins| &origins.what)
        && finding::is_origin_refused(&origins.own, &origins.none)
    {
        let words = format!(
            "A page of {} is taken for a stranger's, since the server does not know that this is its own name: the proxy has changed `Host`, or does not say that the page came by https.",
            subject.own_origin()
        );
        return Some(told("origin-refused", "Pages of this very server may not connect.", words).about(Topic::Origin));
    }
    if let Some(Arrival::Told { changes, .. }) = observed.arrival.as_ref().map(|arrival| &arrival.what)
        && let Some(lost) = changes.iter().find(|change| change.arrived.is_none())
    {
        let words = format!("`{}` was sent and did not reach the server. Something on the way takes it off.", lost.what);
        return Some(told("header-dropped", format!("The header {} is lost on the way.", lost.what), words));
    }
    None
}

#[cfg(test)]
mod tests;
