//! From what was observed to the cause: a table.

use std::io::ErrorKind;
use std::net::SocketAddr;

use bytes::Bytes;
use http::Response;
use serde_json::json;
use silverback::CloseCode;
use silverback::wire::{CloseFrame, Connection, Role};

use super::super::finding::findings;
use super::super::observed::{Attempt, Certificate, Idle, Large, OriginTold, Origins, OtherScheme, Tcp, Timed};
use super::*;
use crate::target::Target;

fn subject(url: &str) -> Subject {
    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        target: Target,
    }
    let line = <Line as clap::Parser>::try_parse_from(["doctor", url]).unwrap();
    Subject::new(&line.target).unwrap()
}

fn timed<T>(what: T) -> Option<Timed<T>> {
    Some(Timed { what, took: Duration::from_millis(3) })
}

fn address() -> SocketAddr {
    ([192, 0, 2, 1], 443).into()
}

fn tcp(outcomes: &[Connected]) -> Option<Timed<Tcp>> {
    let attempts = outcomes.iter().map(|outcome| Attempt { address: address(), outcome: *outcome }).collect();
    timed(Tcp { attempts, within: Duration::from_secs(5) })
}

/// With a connection, and nothing beyond it.
fn connected() -> Observed {
    let names = timed(Names::Found(vec![address()]));
    Observed { names, tcp: tcp(&[Connected::Yes(Duration::from_millis(1))]), ..Observed::default() }
}

fn tls(outcome: Secured) -> Observed {
    let certificate = Certificate {
        subject: "example.com".into(),
        issuer: "An Authority".into(),
        names: vec!["example.com".into()],
        days_left: -3,
        not_after: "2026-01-01".into(),
    };
    Observed { tls: timed(Tls { outcome, chain: vec![certificate] }), ..connected() }
}

fn untrusted(why: Distrust) -> Observed {
    tls(Secured::Untrusted { why, says: "it says so".into() })
}

fn answer(answer: Answer) -> Observed {
    Observed { answer: timed(answer), ..connected() }
}

fn refused(status: u16, headers: &[(&str, &str)], body: &str) -> Observed {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    answer(Answer::Refused { response: response.body(Bytes::copy_from_slice(body.as_bytes())).unwrap() })
}

fn open() -> Observed {
    let response = Response::builder().status(101).body(()).unwrap();
    let answered = answer(Answer::Open { response, subprotocol: None, deflate: None });
    Observed { ping: timed(Ping::Answered(Duration::from_millis(1))), ..answered }
}

/// An end by the peer: with this code, or by nothing but the end of TCP.
fn end(code: Option<u16>) -> End {
    let now = tokio::time::Instant::now().into_std();
    let mut wire = Connection::new(Role::Client, std::sync::Arc::default(), now);
    if let Some(code) = code {
        let mut peer = Connection::new(Role::Server, std::sync::Arc::default(), now);
        peer.close(CloseFrame::new(CloseCode::new(code).unwrap(), ""), now);
        let out = peer.poll_transmit().unwrap();
        let length = bytes::Buf::remaining(out);
        wire.receive(bytes::BytesMut::from(&bytes::Buf::copy_to_bytes(out, length)[..]), now);
        while wire.poll_event(now).is_some() {}
        if let Some(out) = wire.poll_transmit() {
            bytes::Buf::advance(out, bytes::Buf::remaining(out));
        }
    }
    wire.transport_ended(TransportEnd::Finished, now);
    End { report: Box::new(wire.report().unwrap()) }
}

fn large(outcome: Sent) -> Observed {
    Observed { large: timed(Large { size: 65_536, outcome }), ..open() }
}

fn idle(outcome: Idled) -> Observed {
    Observed { idle: timed(Idle { asked: Duration::from_secs(75), pings: 0, messages: 0, outcome }), ..open() }
}

fn arrived(changes: &[(&str, Option<&str>)]) -> Arrival {
    let changes = changes.iter().map(|(what, arrived)| Change {
        what: (*what).to_owned(),
        sent: "what was sent".into(),
        arrived: arrived.map(str::to_owned),
    });
    Arrival::Told { told: json!({ "headers": {} }), changes: changes.collect(), headers: http::HeaderMap::new() }
}

fn other(outcome: Other, observed: Observed) -> Observed {
    Observed { other: timed(OtherScheme { address: "the other".into(), is_same_port: true, outcome }), ..observed }
}

fn origins(own: u16, foreign: u16, none: u16, observed: Observed) -> Observed {
    let told = |status| OriginTold { origin: Some("https://example.com".into()), status: Some(status), cause: None };
    Observed { origins: timed(Origins { own: told(own), foreign: told(foreign), none: told(none) }), ..observed }
}

/// As a Silverback refuses in words.
fn refusal(cause: &str, arrived: &str) -> Observed {
    let body = format!("a title ({cause})\n\nWhat arrived: {arrived}\n\nWhat to do: a cure\n");
    refused(426, &[("server", "nginx/1.22.1")], &body)
}

fn judged(observed: &Observed, url: &str) -> Verdict {
    let subject = subject(url);
    verdict(observed, &findings(observed, &subject), &subject)
}

#[test]
fn each_observation_has_its_cause() {
    use Connected::{Failed, TimedOut};
    let small = |status| Some(SmallHead { status: Some(status), first: 3200, proxy: None });
    let table: Vec<(&str, Observed)> = vec![
        ("dns-failed", Observed { names: timed(Names::Failed("no such host".into())), ..Observed::default() }),
        ("dns-failed", Observed { names: timed(Names::TimedOut(Duration::from_secs(5))), ..Observed::default() }),
        ("connection-refused", Observed { tcp: tcp(&[Failed(ErrorKind::ConnectionRefused); 2]), ..connected() }),
        ("connection-timed-out", Observed { tcp: tcp(&[TimedOut, Failed(ErrorKind::ConnectionRefused)]), ..connected() }),
        ("connection-failed", Observed { tcp: tcp(&[Failed(ErrorKind::NetworkUnreachable)]), ..connected() }),
        ("certificate-expired", untrusted(Distrust::Expired)),
        ("certificate-not-yet-valid", untrusted(Distrust::NotYetValid)),
        ("certificate-for-another-name", untrusted(Distrust::OtherName)),
        ("certificate-issuer-unknown", untrusted(Distrust::UnknownIssuer)),
        ("certificate-not-trusted", untrusted(Distrust::Other)),
        ("tls-not-spoken", tls(Secured::NotTls)),
        ("tls-not-spoken", other(Other::Status(404), tls(Secured::Ended))),
        ("tls-ended", other(Other::NotHttp, tls(Secured::Ended))),
        ("tls-not-answered", tls(Secured::TimedOut(Duration::from_secs(5)))),
        ("tls-failed", tls(Secured::Failed("no common version".into()))),
        ("wrong-accept-key", answer(Answer::Wrong { response: Response::new(()), header: "sec-websocket-accept", value: "x".into() })),
        ("wrong-answer", answer(Answer::Wrong { response: Response::new(()), header: "upgrade", value: "absent".into() })),
        ("closed-without-answer", answer(Answer::Ended)),
        ("closed-without-answer", answer(Answer::Reset(ErrorKind::ConnectionReset))),
        ("not-http", answer(Answer::NotHttp("the status line".into()))),
        ("no-answer", answer(Answer::TimedOut(Duration::from_secs(5)))),
        ("http-1.0-upstream", refusal("proxy-dropped-upgrade", "HTTP/1.0, `Upgrade` absent")),
        ("upgrade-dropped", refusal("proxy-dropped-upgrade", "HTTP/1.1 with `Connection: close`, `Upgrade` absent")),
        ("upgrade-dropped", refusal("upgrade-stripped", "`Upgrade` absent")),
        ("upgrade-dropped", refused(426, &[], "Upgrade Required")),
        (
            "http-1.0-upstream",
            Observed { arrival: timed(arrived(&[("version", Some("HTTP/1.0")), ("Upgrade", None)])), ..refused(426, &[], "") },
        ),
        ("upgrade-dropped", Observed { arrival: timed(arrived(&[("Upgrade", None)])), ..refused(400, &[], "") }),
        ("origin-refused", refusal("origin-not-allowed", "`Origin` x")),
        ("not-authorised", refusal("token-expired", "a token")),
        ("head-too-large", refusal("head-too-large", "a request line and headers beyond that limit")),
        ("too-many-requests", refusal("too-many-handshakes", "more than 10")),
        ("path-not-found", refusal("not-found", "the path /x")),
        ("refused", refusal("stopping", "a handshake")),
        ("not-a-websocket", refused(200, &[], "<html><title>Welcome</title></html>")),
        ("redirected", refused(301, &[("location", "https://example.com/")], "")),
        ("bad-request", refused(400, &[], "Bad Request")),
        ("head-too-large", refused(400, &[], "<title>400 Request Header Or Cookie Too Large</title>")),
        ("head-too-large", Observed { small: small(101), ..refused(400, &[], "Your browser sent an invalid request.") }),
        ("bad-request", Observed { small: small(400), ..refused(400, &[], "Your browser sent an invalid request.") }),
        ("head-too-large", refused(431, &[], "")),
        ("head-too-large", refused(414, &[], "")),
        ("not-authorised", refused(401, &[], "")),
        ("forbidden", refused(403, &[], "")),
        ("path-not-found", refused(404, &[], "")),
        ("path-not-found", refused(405, &[], "")),
        ("proxy-credentials", refused(407, &[], "")),
        ("too-many-requests", refused(429, &[], "")),
        ("server-error", refused(500, &[], "")),
        ("upstream-unreachable", refused(502, &[], "")),
        ("upstream-unreachable", refused(503, &[], "")),
        ("upstream-unreachable", refused(504, &[], "")),
        ("refused", refused(418, &[], "")),
        ("closed-after-handshake", Observed { ping: timed(Ping::Ended(end(Some(1008)))), ..open() }),
        ("closed-after-handshake", Observed { ping: timed(Ping::Ended(end(None))), ..open() }),
        ("ping-not-answered", Observed { ping: timed(Ping::TimedOut(Duration::from_secs(5))), ..open() }),
        ("message-too-large", large(Sent::Ended(end(Some(1009))))),
        ("message-cut", large(Sent::Ended(end(None)))),
        ("message-not-taken", large(Sent::NoAnswer(Duration::from_secs(5)))),
        ("well", large(Sent::Ended(end(Some(1003))))),
        ("well", large(Sent::Ended(end(Some(4001))))),
        ("well", large(Sent::Taken)),
        ("idle-timeout", idle(Idled::Ended { after: Duration::from_secs(60), end: end(None) })),
        ("closed-while-idle", idle(Idled::Ended { after: Duration::from_secs(60), end: end(Some(1001)) })),
        ("idle-forgotten", idle(Idled::Dead)),
        ("well", idle(Idled::Open)),
        ("close-not-answered", Observed { close: timed(Close::Done(end(None).report)), ..open() }),
        ("origin-refused", origins(403, 403, 101, open())),
        ("well", origins(101, 101, 101, open())),
        ("header-dropped", Observed { arrival: timed(arrived(&[("Authorization", None)])), ..open() }),
        ("well", Observed { arrival: timed(arrived(&[("Host", Some("127.0.0.1:8080"))])), ..open() }),
        ("well", open()),
    ];
    for (cause, observed) in table {
        let verdict = judged(&observed, "wss://example.com/ws");
        assert_eq!(verdict.cause, cause, "{verdict:?} of {observed:?}");
        assert!(verdict.words.is_empty() || verdict.words.ends_with(['.', '?', ';']), "{:?} has no end", verdict.words);
        assert!(!verdict.title.is_empty() && verdict.title.ends_with('.'), "{:?}", verdict.title);
    }
}

#[test]
fn what_speaks_tls_is_not_to_be_spoken_to_in_the_clear() {
    for observed in [
        answer(Answer::SpeaksTls),
        other(Other::Status(101), answer(Answer::Ended)),
        other(Other::Tls, refused(400, &[], "The plain HTTP request was sent to HTTPS port")),
    ] {
        assert_eq!(judged(&observed, "ws://example.com:8443/ws").cause, "tls-expected", "{observed:?}");
    }
    assert_eq!(judged(&other(Other::NoTls, answer(Answer::Ended)), "ws://example.com:8080/ws").cause, "closed-without-answer");
}

#[test]
fn a_time_out_says_whose_it_looks_like() {
    let words = |seconds| judged(&idle(Idled::Ended { after: Duration::from_secs(seconds), end: end(None) }), "wss://example.com/").words;
    assert!(words(60).contains("nginx") && words(60).contains("AWS ALB"), "{}", words(60));
    assert!(words(100).contains("Cloudflare") && !words(42).contains("default of"));
}

#[test]
fn the_lines_are_about_the_cause_and_for_the_proxy_that_was_recognised() {
    let verdict = judged(&refusal("upgrade-stripped", "`Upgrade` absent"), "wss://example.com/ws");
    assert_eq!((verdict.topic, verdict.proxy), (Some(Topic::Upgrade), Some(Proxy::Nginx)));
    assert!(verdict.title.contains("nginx"), "{}", verdict.title);
}

#[test]
fn whatever_is_bad_is_not_well() {
    let response = Response::builder().status(101).version(http::Version::HTTP_10).body(()).unwrap();
    let odd = Observed { answer: timed(Answer::Open { response, subprotocol: None, deflate: None }), ..open() };
    assert_eq!(judged(&odd, "ws://example.com/").cause, "stage-failed");
}
