//! Any bytes as the answer to a client's handshake.

#![no_main]

use arbitrary::Arbitrary;
use http::header::{SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_PROTOCOL};
use http::{HeaderMap, HeaderValue, Response, StatusCode, Uri};
use libfuzzer_sys::fuzz_target;
use silverback_fuzz::{Choice, Cuts};
use silverback_wire::handshake::client::{AnswerError, Offer};
use silverback_wire::handshake::server::Policy;
use silverback_wire::handshake::{encode_response, parse_response};

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    client: Choice,
    cuts: Cuts,
    limit: u16,
    bytes: &'a [u8],
}

/// What stands for the right `Sec-WebSocket-Accept`, which nobody can know.
const RIGHT: &str = "right";

fuzz_target!(|input: Input<'_>| {
    let limit = input.limit.into();
    let whole = parse_response(input.bytes, limit);
    grows(input.bytes, input.cuts, limit);
    let Ok(Some((mut response, end))) = whole else { return };
    assert!(end <= limit);
    reads_back(&response);

    let offer = offer(input.client);
    if response.headers().get(SEC_WEBSOCKET_ACCEPT).is_some_and(|accept| accept == RIGHT) {
        response.headers_mut().insert(SEC_WEBSOCKET_ACCEPT, right(&offer));
    }
    match offer.judge(&response) {
        Ok(answer) => {
            assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
            assert!(answer.deflate.is_none() || input.client.options().is_some(), "what was not offered cannot be accepted");
            assert!(answer.subprotocol.is_none_or(|chosen| ["chat", "superchat"].contains(&chosen.as_str())));
        }
        Err(error) => {
            assert!(error.to_string().chars().all(|character| !character.is_control()));
            assert!(!matches!(error, AnswerError::Status(StatusCode::SWITCHING_PROTOCOLS)));
        }
    }
});

/// Read while it grows, it ends as the whole does, or goes wrong where the whole does.
fn grows(bytes: &[u8], cuts: Cuts, limit: usize) {
    let mut length = 0;
    for piece in cuts.pieces(bytes) {
        length += piece.len();
        match parse_response(&bytes[..length], limit) {
            Ok(None) => {}
            Ok(Some((response, end))) => {
                let same = |(whole, whole_end): &(Response<()>, usize)| end == *whole_end && whole.headers() == response.headers();
                assert!(parse_response(bytes, limit).is_ok_and(|whole| whole.as_ref().is_some_and(same)));
                return;
            }
            Err(error) => {
                assert!(parse_response(bytes, limit).is_err(), "{error}, and the whole is good");
                return;
            }
        }
    }
}

#[expect(clippy::expect_used, reason = "a target's assertion")]
fn reads_back(response: &Response<()>) {
    let bytes = encode_response(response);
    let (again, end) = parse_response(&bytes, usize::MAX).expect("it is good").expect("it is whole");
    assert_eq!((again.status(), again.headers(), end), (response.status(), response.headers(), bytes.len()));
}

#[expect(clippy::expect_used, reason = "the address is good")]
fn offer(client: Choice) -> Offer {
    let headers = HeaderMap::from_iter([(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("chat, superchat"))]);
    Offer::new(&Uri::from_static("ws://example.com/"), headers).expect("a host").with_deflate(client.options().as_ref())
}

#[expect(clippy::expect_used, reason = "a target's assertion")]
fn right(offer: &Offer) -> HeaderValue {
    let acceptance = Policy::default().judge(offer.request()).expect("a good offer");
    acceptance.response.headers()[SEC_WEBSOCKET_ACCEPT].clone()
}
