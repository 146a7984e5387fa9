//! The client's side of the handshake: what it asks, and which answers it takes.

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Uri};
use silverback_wire::handshake::client::{AnswerError, Offer};
use silverback_wire::handshake::server::Policy;
use silverback_wire::handshake::{HeadError, encode_response, parse_response};

fn offer(uri: &'static str, subprotocols: &'static str) -> Offer {
    let mut headers = HeaderMap::new();
    if !subprotocols.is_empty() {
        headers.insert("sec-websocket-protocol", HeaderValue::from_static(subprotocols));
    }
    Offer::new(&Uri::from_static(uri), headers).unwrap_or_else(|error| unreachable!("{error}"))
}

fn speaking(subprotocol: &str) -> Policy {
    let mut policy = Policy::default();
    policy.subprotocols = vec![subprotocol.to_owned()];
    policy
}

/// The right answer to the offer, with one header changed.
fn answer(offer: &Offer, name: &'static str, lines: &[&'static str]) -> Response<()> {
    let mut response = speaking("v1").judge(offer.request()).map(|accepted| accepted.response).unwrap_or_default();
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    response.headers_mut().remove(name);
    for line in lines {
        response.headers_mut().append(name, HeaderValue::from_static(line));
    }
    response
}

fn wrong(offer: &Offer, name: &'static str, lines: &[&'static str]) {
    let judged = offer.judge(&answer(offer, name, lines));
    assert!(matches!(&judged, Err(AnswerError::Header { header, .. }) if *header == name), "{name}: {lines:?}: {judged:?}");
}

#[test]
fn an_offer_and_a_policy_agree() {
    for (subprotocols, spoken, chosen) in [("", "v1", None), ("v1", "v1", Some("v1")), ("v0, v1", "v1", Some("v1")), ("v0", "v1", None)] {
        let offer = offer("ws://example.com/", subprotocols);
        let accepted = speaking(spoken).judge(offer.request()).unwrap();
        assert_eq!(accepted.subprotocol.as_deref(), chosen);
        let bytes = [&encode_response(&accepted.response)[..], b"\x81\x00"].concat();
        let (response, end) = parse_response(&bytes, 1000).unwrap().unwrap();
        assert_eq!(&bytes[end..], b"\x81\x00", "the first frame is left");
        assert_eq!(offer.judge(&response).unwrap().subprotocol.as_deref(), chosen);
    }
}

#[test]
fn the_host_is_the_addresses_and_without_its_user() {
    for (uri, host) in [
        ("ws://example.com/path", "example.com"),
        ("ws://example.com:8080", "example.com:8080"),
        ("ws://user:password@example.com", "example.com"),
        ("ws://[::1]:8080/", "[::1]:8080"),
    ] {
        assert_eq!(offer(uri, "").request().headers()["host"], host);
    }
    assert!(Offer::new(&Uri::from_static("/path"), HeaderMap::new()).is_err());
}

#[test]
fn every_offer_has_its_own_key() {
    let keys = [offer("ws://a", ""), offer("ws://a", "")].map(|offer| offer.request().headers()["sec-websocket-key"].clone());
    assert_ne!(keys[0], keys[1]);
}

#[test]
fn headers_of_the_handshake_cannot_be_overridden() {
    let headers = ["host", "connection", "upgrade", "sec-websocket-version", "sec-websocket-key"]
        .map(|name| (HeaderName::from_static(name), HeaderValue::from_static("mine")));
    let offer = Offer::new(&Uri::from_static("ws://a"), headers.into_iter().collect()).unwrap();
    Policy::default().judge(offer.request()).unwrap();
}

#[test]
fn a_status_other_than_101_is_no_connection() {
    let offer = offer("ws://a", "");
    for status in [StatusCode::OK, StatusCode::FOUND, StatusCode::FORBIDDEN, StatusCode::UPGRADE_REQUIRED] {
        let mut response = answer(&offer, "x", &[]);
        *response.status_mut() = status;
        assert_eq!(offer.judge(&response).unwrap_err(), AnswerError::Status(status));
    }
}

#[test]
fn an_answer_without_the_upgrade_is_wrong() {
    let offer = offer("ws://a", "v1");
    for lines in [&[][..], &["h2c"], &["notwebsocket"]] {
        wrong(&offer, "upgrade", lines);
    }
    for lines in [&[][..], &["close"], &["notupgrade"]] {
        wrong(&offer, "connection", lines);
    }
    assert!(offer.judge(&answer(&offer, "upgrade", &["WebSocket"])).is_ok());
    assert!(offer.judge(&answer(&offer, "connection", &["keep-alive", "upgrade"])).is_ok());
}

#[test]
fn an_answer_to_another_key_is_wrong() {
    let other = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    for lines in [&[][..], &[other], &[other, other], &[""]] {
        wrong(&offer("ws://a", "v1"), "sec-websocket-accept", lines);
    }
}

#[test]
fn a_right_accept_that_comes_twice_is_wrong() {
    let offer = offer("ws://a", "");
    let mut response = answer(&offer, "x", &[]);
    let accept = response.headers()["sec-websocket-accept"].clone();
    response.headers_mut().append("sec-websocket-accept", accept);
    assert!(matches!(offer.judge(&response), Err(AnswerError::Header { header: "sec-websocket-accept", .. })));
}

#[test]
fn an_extension_that_was_not_offered_is_wrong() {
    wrong(&offer("ws://a", "v1"), "sec-websocket-extensions", &["permessage-deflate"]);
}

#[test]
fn a_subprotocol_that_was_not_offered_is_wrong() {
    for lines in [&["v2"][..], &["V1"], &["v1, v0"], &["v0", "v1"], &[""]] {
        wrong(&offer("ws://a", "v0, v1"), "sec-websocket-protocol", lines);
    }
    wrong(&offer("ws://a", ""), "sec-websocket-protocol", &["v1"]);
}

#[test]
fn a_wrong_answer_does_not_tell_the_secrets_of_the_offer() {
    let offer = offer("ws://a/?SECRET", "v1, bearer.SECRET");
    let error = offer.judge(&answer(&offer, "sec-websocket-protocol", &["bearer.SECRET", "v1"])).unwrap_err();
    assert!(!error.to_string().contains("SECRET"), "{error}");
}

#[test]
fn the_head_of_an_answer_is_found_in_any_pieces_and_within_its_limit() {
    let head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";
    for cut in 0..head.len() {
        assert!(matches!(parse_response(&head[..cut], 100), Ok(None)), "{cut}");
    }
    assert!(matches!(parse_response(head, head.len()), Ok(Some((_, end))) if end == head.len()));
    assert_eq!(parse_response(head, head.len() - 1).unwrap_err(), HeadError::TooLarge { limit: head.len() - 1 });
    assert!(matches!(parse_response(b"SSH-2.0-OpenSSH_9.6\r\n", 100), Err(HeadError::Malformed(_))));
}
