//! Traces, as a collector gets them.
#![cfg(feature = "otlp")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use client::{KEY, Request, SECRET, Server, run, token};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use rustix::process::Signal;

/// A collector that takes what it is sent. Its thread ends with the process.
struct Collector {
    address: SocketAddr,
    bodies: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Collector {
    fn answering(status: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, bodies) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<_>>>::default());
        let taken = bodies.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let taken = taken.clone();
                std::thread::spawn(move || {
                    while let Some(body) = take(&mut stream.as_ref().unwrap(), status) {
                        taken.lock().unwrap().push(body);
                    }
                });
            }
        });
        Self { address, bodies }
    }

    fn server(&self) -> Server {
        let endpoint = format!("http://{}", self.address);
        Server::start(&[("SILVERBACK_AUTH_SECRET", SECRET), ("SILVERBACK_API_KEY", KEY), ("SILVERBACK_OTLP_ENDPOINT", &endpoint)], &[])
    }

    fn spans(&self) -> Vec<Span> {
        let decode = |body: &Vec<u8>| ExportTraceServiceRequest::decode(&body[..]).unwrap();
        let requests: Vec<_> = self.bodies.lock().unwrap().iter().map(decode).collect();
        let scopes = requests.into_iter().flat_map(|request| request.resource_spans).flat_map(|resource| resource.scope_spans);
        scopes.flat_map(|scope| scope.spans).collect()
    }
}

/// One request, answered with this status: its body.
fn take(stream: &mut &TcpStream, status: &str) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    assert!(head.starts_with("post /v1/traces http/1.1") && head.contains("content-type: application/x-protobuf"), "{head}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    stream.write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").as_bytes()).ok()?;
    Some(body)
}

fn attribute(span: &Span, key: &str) -> String {
    let value = span.attributes.iter().find(|attribute| attribute.key == key).and_then(|attribute| attribute.value.as_ref()?.value.clone());
    match value {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => unreachable!("{key}: {other:?} in {span:?}"),
    }
}

#[test]
fn a_handshake_a_session_and_a_request_to_the_api_are_spans_without_a_secret() {
    let collector = Collector::answering("200 OK");
    let mut server = collector.server();
    let mut socket = server.join("alice");
    socket.text("hello");
    server.ask(Request::handshake(&format!("/ws?token={}x", token("bob")))).refusal(401, "token-signature");
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let send = server.api("POST", "/v1/users/alice/messages").header("traceparent", &format!("00-{trace}-b7ad6b7169203331-01"));
    assert_eq!(server.ask(send.body("hello, alice")).status, 200);
    server.ask(Request::new("GET", "/v1/sessions").bearer("wrong-key")); // no key, no span
    socket.recv();
    server.signal(Signal::TERM);
    socket.closed_and_answered();
    assert!(server.ended().0.success());

    let spans = collector.spans();
    let named = |name: &str| spans.iter().filter(|span| span.name == name).collect::<Vec<_>>();
    let handshakes = named("handshake");
    let statuses: Vec<_> = handshakes.iter().map(|span| attribute(span, "http.response.status_code")).collect();
    assert_eq!(statuses, ["101", "401"]);
    assert_eq!(
        (attribute(handshakes[0], "user.id"), attribute(handshakes[1], "silverback.refusal")),
        ("alice".into(), "token-signature".into())
    );
    let [session] = named("session")[..] else { unreachable!("{spans:?}") };
    assert_eq!((attribute(session, "user.id"), attribute(session, "silverback.close.sent")), ("alice".into(), "1012".into()));
    assert_eq!(attribute(session, "silverback.messages.in"), "1");
    let [request] = named("POST /v1/users/{user}/messages")[..] else { unreachable!("{spans:?}") };
    assert_eq!(attribute(request, "http.response.status_code"), "200");
    assert_eq!(request.trace_id.iter().map(|byte| format!("{byte:02x}")).collect::<String>(), trace);
    assert_eq!(spans.len(), 4, "{spans:?}");
    let told = format!("{spans:?}");
    for secret in [SECRET, KEY, "wrong-key", &token("bob"), "hello", "eyJ"] {
        assert!(!told.contains(secret), "{secret} in {told}");
    }
}

#[test]
fn a_collector_that_takes_nothing_is_told_of_and_holds_nothing_up() {
    let collector = Collector::answering("503 Service Unavailable");
    let mut server = collector.server();
    let socket = server.join("alice");
    server.signal(Signal::TERM);
    socket.closed_and_answered();
    let (status, _, log) = server.ended();
    assert!(status.success() && log.contains("the collector at otlp.endpoint did not take traces"), "{log}");
}

#[test]
fn an_address_that_is_none_is_named_with_the_cure() {
    for endpoint in ["collector", "ftp://collector"] {
        let refused = run(&[("SILVERBACK_OTLP_ENDPOINT", endpoint)], &["serve", "--listen", "127.0.0.1:0"]);
        assert!(!refused.is_good && refused.stderr.contains("must be an address with http://"), "{refused:?}");
    }
}
