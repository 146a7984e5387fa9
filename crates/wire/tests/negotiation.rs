//! The negotiation of permessage-deflate (RFC 7692, 7.1): which offers a server takes and how, which answers a client takes.

#![expect(clippy::unwrap_used, reason = "a test's own words")]

use http::{HeaderMap, HeaderValue, Request, Uri};
use silverback_wire::deflate::{Agreement, Budget, Options};
use silverback_wire::handshake::client::{AnswerError, Offer};
use silverback_wire::handshake::server::Policy;

const ROOM: usize = 64 << 20;

fn takeover() -> Options {
    Options::default().context_takeover(Budget::new(ROOM))
}

fn request(lines: &[&'static str]) -> Request<()> {
    let mut request = Offer::new(&Uri::from_static("ws://example.com/"), HeaderMap::new()).unwrap().request().clone();
    for line in lines {
        request.headers_mut().append("sec-websocket-extensions", HeaderValue::from_static(line));
    }
    request
}

fn policy(options: &Options) -> Policy {
    let mut policy = Policy::default();
    policy.deflate = Some(options.clone());
    policy
}

/// What the server answers to the offer: the header, and what it will do.
fn answers(options: &Options, lines: &[&'static str]) -> (Option<String>, Option<Agreement>) {
    let acceptance = policy(options).judge(&request(lines)).unwrap();
    let header = acceptance.response.headers().get("sec-websocket-extensions").map(|line| line.to_str().unwrap().to_owned());
    (header, acceptance.deflate)
}

/// What a client makes of this answer.
fn client_takes(options: &Options, answer: &'static str) -> Result<Option<Agreement>, AnswerError> {
    let offer = Offer::new(&Uri::from_static("ws://example.com/"), HeaderMap::new()).unwrap().with_deflate(Some(options));
    let mut response = Policy::default().judge(offer.request()).unwrap().response;
    response.headers_mut().insert("sec-websocket-extensions", HeaderValue::from_static(answer));
    offer.judge(&response).map(|answer| answer.deflate)
}

fn shape(agreement: &Agreement) -> [(bool, u8); 2] {
    [agreement.outgoing(), agreement.incoming()].map(|direction| (direction.context_takeover, direction.window_bits))
}

#[test]
fn a_server_answers_an_offer_within_its_own_options() {
    let none = Options::default();
    let small = takeover().server_window_bits(10).unwrap().client_window_bits(11).unwrap();
    let (no, yes) = (false, true);
    for (options, offer, answer, expected) in [
        (&none, "permessage-deflate", "permessage-deflate; server_no_context_takeover; client_no_context_takeover", [(no, 15), (no, 15)]),
        (&takeover(), "permessage-deflate", "permessage-deflate", [(yes, 15), (yes, 15)]),
        (&takeover(), "Permessage-Deflate", "permessage-deflate", [(yes, 15), (yes, 15)]),
        (&takeover(), "permessage-deflate; client_max_window_bits", "permessage-deflate", [(yes, 15), (yes, 15)]),
        (
            &takeover(),
            "permessage-deflate; server_no_context_takeover",
            "permessage-deflate; server_no_context_takeover",
            [(no, 15), (yes, 15)],
        ),
        (
            &takeover(),
            "permessage-deflate; client_no_context_takeover",
            "permessage-deflate; client_no_context_takeover",
            [(yes, 15), (no, 15)],
        ),
        (
            &takeover(),
            "permessage-deflate; server_max_window_bits=9",
            "permessage-deflate; server_max_window_bits=9",
            [(yes, 9), (yes, 15)],
        ),
        (
            &takeover(),
            "permessage-deflate; server_max_window_bits=\"12\"",
            "permessage-deflate; server_max_window_bits=12",
            [(yes, 12), (yes, 15)],
        ),
        (
            &takeover(),
            "permessage-deflate; server_max_window_bits=8",
            "permessage-deflate; server_max_window_bits=8",
            [(yes, 8), (yes, 15)],
        ),
        (
            &takeover(),
            "permessage-deflate; server_max_window_bits=15",
            "permessage-deflate; server_max_window_bits=15",
            [(yes, 15), (yes, 15)],
        ),
        (
            &takeover(),
            "permessage-deflate; client_max_window_bits=9",
            "permessage-deflate; client_max_window_bits=9",
            [(yes, 15), (yes, 9)],
        ),
        (
            &takeover(),
            "permessage-deflate; client_max_window_bits=8",
            "permessage-deflate; client_max_window_bits=8",
            [(yes, 15), (yes, 8)],
        ),
        (&small, "permessage-deflate", "permessage-deflate; server_max_window_bits=10", [(yes, 10), (yes, 15)]),
        (
            &small,
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; server_max_window_bits=10; client_max_window_bits=11",
            [(yes, 10), (yes, 11)],
        ),
        (
            &small,
            "permessage-deflate; server_max_window_bits=14; client_max_window_bits=14",
            "permessage-deflate; server_max_window_bits=10; client_max_window_bits=11",
            [(yes, 10), (yes, 11)],
        ),
    ] {
        let (header, agreement) = answers(options, &[offer]);
        assert_eq!(header.as_deref(), Some(answer), "{offer}");
        assert_eq!(shape(&agreement.unwrap()), expected, "{offer}");
    }
}

#[test]
fn a_bad_offer_is_declined_and_the_next_one_taken() {
    for bad in [
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=08",
        "permessage-deflate; server_max_window_bits=+9",
        "permessage-deflate; server_max_window_bits=x",
        "permessage-deflate; server_max_window_bits=999999999999",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; client_max_window_bits=16",
        "permessage-deflate; client_max_window_bits=09",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; client_no_context_takeover=true",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
        "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10",
        "permessage-deflate; client_max_window_bits; client_max_window_bits",
        "permessage-deflate; client_max_window_bits; client_max_window_bits=10",
        "permessage-deflate; client_max_window_bits=10; client_max_window_bits",
        "permessage-deflate; unknown",
        "permessage-deflate; Server_No_Context_Takeover",
        "x-webkit-deflate-frame",
        "permessage-bzip2",
    ] {
        let (header, agreement) = answers(&takeover(), &[bad]);
        assert!(header.is_none() && agreement.is_none(), "{bad} is declined, and the connection is made without it: {header:?}");
        let (header, agreement) = answers(&takeover(), &[bad, "permessage-deflate; server_max_window_bits=10"]);
        assert_eq!(header.as_deref(), Some("permessage-deflate; server_max_window_bits=10"), "{bad}");
        assert!(agreement.is_some());
    }
}

#[test]
fn a_server_without_compression_answers_nothing() {
    let acceptance = Policy::default().judge(&request(&["permessage-deflate"])).unwrap();
    assert!(acceptance.deflate.is_none());
    assert!(!acceptance.response.headers().contains_key("sec-websocket-extensions"));
}

#[test]
fn an_extension_header_that_is_no_list_is_refused() {
    for bad in ["permessage-deflate;", "permessage-deflate; =1", "per/message", "permessage-deflate; a=\"b c\""] {
        let refusal = policy(&takeover()).judge(&request(&[bad])).unwrap_err();
        assert_eq!((refusal.status().as_u16(), refusal.cause()), (400, "extensions-not-valid"), "{bad}");
    }
}

#[test]
fn a_client_says_what_it_wants() {
    for (options, expected) in [
        (Options::default(), "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits"),
        (takeover(), "permessage-deflate; client_max_window_bits"),
        (takeover().server_context_takeover(false), "permessage-deflate; server_no_context_takeover; client_max_window_bits"),
        (takeover().client_context_takeover(false), "permessage-deflate; client_no_context_takeover; client_max_window_bits"),
        (
            takeover().server_window_bits(9).unwrap().client_window_bits(12).unwrap(),
            "permessage-deflate; server_max_window_bits=9; client_max_window_bits=12",
        ),
    ] {
        let offer = Offer::new(&Uri::from_static("ws://example.com/"), HeaderMap::new()).unwrap().with_deflate(Some(&options));
        assert_eq!(offer.request().headers()["sec-websocket-extensions"], expected);
    }
    let mut smuggled = HeaderMap::new();
    smuggled.insert("sec-websocket-extensions", HeaderValue::from_static("permessage-deflate"));
    let offer = Offer::new(&Uri::from_static("ws://example.com/"), smuggled).unwrap();
    assert!(!offer.request().headers().contains_key("sec-websocket-extensions"), "what is offered is what is understood");
}

#[test]
fn a_client_takes_what_it_offered_or_less() {
    let (no, yes) = (false, true);
    let small = takeover().server_window_bits(12).unwrap().client_window_bits(11).unwrap();
    for (options, answer, expected) in [
        (&takeover(), "permessage-deflate", [(yes, 15), (yes, 15)]),
        (&takeover(), "permessage-deflate; client_no_context_takeover", [(no, 15), (yes, 15)]),
        (&takeover(), "permessage-deflate; server_no_context_takeover", [(yes, 15), (no, 15)]),
        (&takeover(), "permessage-deflate; client_max_window_bits=8; server_max_window_bits=8", [(yes, 8), (yes, 8)]),
        (&small, "permessage-deflate; server_max_window_bits=12", [(yes, 11), (yes, 12)]),
        (&small, "permessage-deflate; server_max_window_bits=9; client_max_window_bits=10", [(yes, 10), (yes, 9)]),
        (&Options::default(), "permessage-deflate; server_no_context_takeover", [(no, 15), (no, 15)]),
    ] {
        assert_eq!(shape(&client_takes(options, answer).unwrap().unwrap()), expected, "{answer}");
    }
    assert!(client_takes(&takeover(), "").unwrap().is_none(), "a server may decline");
}

#[test]
fn a_client_fails_on_an_answer_that_it_did_not_ask_for() {
    let small = takeover().server_window_bits(12).unwrap().client_window_bits(11).unwrap();
    for (options, answer) in [
        (&takeover(), "permessage-deflate; server_max_window_bits"),
        (&takeover(), "permessage-deflate; client_max_window_bits"),
        (&takeover(), "permessage-deflate; client_max_window_bits=7"),
        (&takeover(), "permessage-deflate; client_max_window_bits=16"),
        (&takeover(), "permessage-deflate; server_max_window_bits=08"),
        (&takeover(), "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10"),
        (&takeover(), "permessage-deflate; server_no_context_takeover=1"),
        (&takeover(), "permessage-deflate; unknown"),
        (&takeover(), "permessage-deflate, permessage-deflate"),
        (&takeover(), "permessage-bzip2"),
        (&takeover(), "permessage-deflate;"),
        (&small, "permessage-deflate"),                            // the server's window was to be limited
        (&small, "permessage-deflate; server_max_window_bits=13"), // to less
        (&small, "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12"), // more than ours
        (&Options::default(), "permessage-deflate"),               // the server was not to take context over
    ] {
        let judged = client_takes(options, answer);
        assert!(matches!(&judged, Err(AnswerError::Header { header: "sec-websocket-extensions", .. })), "{answer}: {judged:?}");
    }
}

#[test]
fn context_takeover_stops_at_its_budget_and_starts_again_when_connections_end() {
    let one = {
        let options = takeover();
        let (_, _agreement) = answers(&options, &["permessage-deflate"]);
        options.budget().used()
    };
    assert!((300_000..600_000).contains(&one), "{one} bytes for a connection");

    let options = Options::default().context_takeover(Budget::new(2 * one));
    let mut kept: Vec<_> = (0..2).map(|_| answers(&options, &["permessage-deflate"])).collect();
    assert!(kept.iter().all(|(header, _)| header.as_deref() == Some("permessage-deflate")));
    let (header, third) = answers(&options, &["permessage-deflate"]);
    assert_eq!(header.as_deref(), Some("permessage-deflate; server_no_context_takeover; client_no_context_takeover"));
    assert_eq!(options.budget().used(), 2 * one, "who has no context takeover takes nothing of the budget");
    let offer = Offer::new(&Uri::from_static("ws://example.com/"), HeaderMap::new()).unwrap().with_deflate(Some(&options));
    let header = &offer.request().headers()["sec-websocket-extensions"];
    assert_eq!(
        header, "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits",
        "a client alike"
    );

    drop(third);
    kept.pop();
    assert_eq!(options.budget().used(), one);
    assert_eq!(answers(&options, &["permessage-deflate"]).0.as_deref(), Some("permessage-deflate"));
    drop(kept);
    assert_eq!(options.budget().used(), 0);
}
