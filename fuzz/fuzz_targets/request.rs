//! Any bytes as the head of a request, in any cuts, judged by any policy: a refusal can be shown, an acceptance is good HTTP and accepted by
//! a client that asked so.

#![no_main]

use arbitrary::Arbitrary;
use bytes::BytesMut;
use http::header::{
    ACCEPT, CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, UPGRADE,
};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri};
use libfuzzer_sys::fuzz_target;
use silverback_fuzz::{Choice, Cuts};
use silverback_wire::handshake::client::Offer;
use silverback_wire::handshake::server::{Acceptance, Policy};
use silverback_wire::handshake::{HeadError, HeadReader, Origin, Origins, Refusal, encode_request, encode_response, parse_response};

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    rules: Rules,
    cuts: Cuts,
    limit: u16,
    bytes: &'a [u8],
}

#[derive(Debug, Arbitrary)]
struct Rules {
    origins: u8,
    has_subprotocols: bool,
    is_tls: bool,
    deflate: Choice,
}

fuzz_target!(|input: Input<'_>| {
    let limit = usize::from(input.limit).max(2); // the beginning of TLS has two bytes
    let whole = read(&[input.bytes], limit);
    assert_eq!(seen(&whole), seen(&read(&input.cuts.pieces(input.bytes), limit)), "cuts change nothing");
    match whole {
        None => assert!(input.bytes.len() < limit),
        Some(Err(error)) => show(&error.into(), &HeaderMap::new()),
        Some(Ok((request, end))) => {
            assert!(end <= limit);
            write_again(&request);
            let policy = input.rules.policy();
            match policy.judge(&request) {
                Err(refusal) => show(&refusal, request.headers()),
                Ok(acceptance) => accepted(&policy, &request, &acceptance),
            }
        }
    }
});

type Read = Option<Result<(Request<()>, usize), HeadError>>;

fn read(pieces: &[&[u8]], limit: usize) -> Read {
    let mut reader = HeadReader::new(limit);
    for piece in pieces {
        reader.buffer().extend_from_slice(piece);
        match reader.poll_end() {
            Ok(None) => {}
            Ok(Some(end)) => return Some(reader.finish(end).map(|(request, _)| (request, end))),
            Err(error) => return Some(Err(error)),
        }
    }
    None
}

/// What two readings must have in common.
fn seen(read: &Read) -> Option<Result<(String, usize), HeadError>> {
    let shown = |(request, end): &(Request<()>, usize)| (format!("{request:?}"), *end);
    read.as_ref().map(|read| read.as_ref().map(shown).map_err(|error| *error))
}

/// A head that is written again reads the same.
#[expect(clippy::expect_used, reason = "a target's assertion")]
fn write_again(request: &Request<()>) {
    let bytes = encode_request(request);
    let (again, end) = read(&[&bytes], usize::MAX).expect("it is whole").expect("it is good");
    assert_eq!((again.method(), again.headers(), end), (request.method(), request.headers(), bytes.len()));
}

/// A refusal has a form for people and one for programs, and nothing of the stranger's that cannot be printed.
#[expect(clippy::expect_used, reason = "a target's assertion")]
fn show(refusal: &Refusal, headers: &HeaderMap) {
    assert!(refusal.status().is_client_error() && is_printable(&refusal.to_string()));
    let with = |accept: &'static str| HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
    refusal.response(headers);
    let text = refusal.response(&with("text/html"));
    let json = refusal.response(&with("application/json"));
    assert_eq!(json.body(), refusal.problem().body());
    let problem: serde_json::Value = serde_json::from_str(json.body()).expect("it is JSON");
    assert_eq!(problem["status"], refusal.status().as_u16());
    for response in [text, json] {
        assert!(is_printable(response.body()) && response.status() == refusal.status());
        reads_back(&response);
    }
}

fn is_printable(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|character| character == '\n' || !character.is_control())
}

#[expect(clippy::expect_used, reason = "a target's assertion")]
fn reads_back<B>(response: &Response<B>) -> Response<()> {
    let bytes: BytesMut = encode_response(response);
    let (again, end) = parse_response(&bytes, usize::MAX).expect("it is good").expect("it is whole");
    assert_eq!((again.status(), again.headers(), end), (response.status(), response.headers(), bytes.len()));
    again
}

fn accepted(policy: &Policy, request: &Request<()>, acceptance: &Acceptance) {
    let response = reads_back(&acceptance.response);
    let headers = response.headers();
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!(headers[UPGRADE], "websocket");
    assert_eq!(headers[CONNECTION], "Upgrade");
    assert_eq!(headers[SEC_WEBSOCKET_ACCEPT].len(), 28);
    assert_eq!(headers.contains_key(SEC_WEBSOCKET_EXTENSIONS), acceptance.deflate.is_some());
    assert!(acceptance.deflate.is_none() || policy.deflate.is_some());
    assert_eq!(headers.get(SEC_WEBSOCKET_PROTOCOL).map(HeaderValue::as_bytes), acceptance.subprotocol.as_ref().map(String::as_bytes));
    assert!(acceptance.subprotocol.iter().all(|chosen| policy.subprotocols.contains(chosen)));
    client_accepts(policy, request, acceptance.subprotocol.as_deref());
}

/// The same request from a client of ours.
#[expect(clippy::expect_used, reason = "a target's assertion")]
fn client_accepts(policy: &Policy, request: &Request<()>, subprotocol: Option<&str>) {
    let offer = Offer::new(&Uri::from_static("ws://example.com/"), request.headers().clone()).expect("a good address");
    let mut request = request.clone();
    request.headers_mut().remove(SEC_WEBSOCKET_EXTENSIONS); // the client has not offered these
    request.headers_mut().insert(SEC_WEBSOCKET_KEY, offer.request().headers()[SEC_WEBSOCKET_KEY].clone());
    let acceptance = policy.judge(&request).expect("it was accepted with another key");
    let answer = offer.judge(&acceptance.response).expect("a client that asked for it takes it");
    assert_eq!(answer.subprotocol.as_deref(), subprotocol);
}

impl Rules {
    #[expect(clippy::expect_used, reason = "it is an origin")]
    fn policy(&self) -> Policy {
        let mut policy = Policy::default();
        policy.origins = match self.origins % 3 {
            0 => Origins::Same,
            1 => Origins::SameAnd(vec![Origin::parse("https://app.example.com").expect("an origin")]),
            _ => Origins::Any,
        };
        if self.has_subprotocols {
            policy.subprotocols = vec!["superchat".to_owned(), "chat".to_owned()];
        }
        policy.is_tls = self.is_tls;
        policy.deflate = self.deflate.options();
        policy
    }
}
