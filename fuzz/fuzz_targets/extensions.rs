//! Any lines of `Sec-WebSocket-Extensions`: offered to a server, and as the answer to a client. What is agreed on is what RFC 7692, 7.1 allows.

#![no_main]

use arbitrary::Arbitrary;
use http::header::SEC_WEBSOCKET_EXTENSIONS;
use http::{HeaderMap, HeaderValue, Uri};
use libfuzzer_sys::fuzz_target;
use silverback_fuzz::{Choice, agreements};
use silverback_wire::deflate::Direction;
use silverback_wire::handshake::client::Offer;
use silverback_wire::handshake::server::Policy;
use silverback_wire::handshake::{Extension, extensions};

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    server: Choice,
    client: Choice,
    /// Whether the client's own offer stands behind the lines.
    is_last_good: bool,
    lines: &'a [u8],
}

fuzz_target!(|input: Input<'_>| {
    let (_, _) = agreements(input.server, input.client);
    let lines = input.lines.split(|byte| *byte == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok());
    let lines: HeaderMap = lines.map(|line| (SEC_WEBSOCKET_EXTENSIONS, line)).collect();
    if let Ok(list) = extensions(&lines) {
        reads_back(&list);
    }
    server_judges(&input, &lines);
    client_judges(&input, &lines);
});

#[expect(clippy::expect_used, reason = "a target's assertion")]
fn reads_back(list: &[Extension<'_>]) {
    let mut text = String::new();
    for Extension { name, parameters } in list {
        text.push_str(name);
        for (name, value) in parameters {
            text.push_str(&value.as_ref().map_or(format!("; {name}"), |value| format!("; {name}={value}")));
        }
        text.push_str(", ");
    }
    let headers = HeaderMap::from_iter([(SEC_WEBSOCKET_EXTENSIONS, HeaderValue::try_from(text).expect("it is ASCII"))]);
    assert_eq!(extensions(&headers).as_deref(), Ok(list));
}

#[expect(clippy::expect_used, reason = "a target's assertion")]
fn server_judges(input: &Input<'_>, lines: &HeaderMap) {
    let mut request = offer(input.client).request().clone();
    let own = request.headers_mut().remove(SEC_WEBSOCKET_EXTENSIONS).filter(|_| input.is_last_good);
    request.headers_mut().extend(lines.clone());
    own.map(|own| request.headers_mut().append(SEC_WEBSOCKET_EXTENSIONS, own));
    let mut policy = Policy::default();
    policy.deflate = input.server.options();

    let Ok(offers) = extensions(request.headers()) else {
        let refusal = policy.judge(&request).expect_err("a list that cannot be read fails the handshake");
        assert_eq!(refusal.cause(), "extensions-not-valid");
        return;
    };
    let acceptance = policy.judge(&request).expect("a list that can be read fails nothing");
    let answer = extensions(acceptance.response.headers()).expect("our own list is good");
    let (Some(agreement), [answer]) = (&acceptance.deflate, &answer[..]) else {
        assert!(acceptance.deflate.is_none() && answer.is_empty(), "an agreement and an answer come together");
        return;
    };
    let answer = Parameters::read(answer).expect("our own answer is good");
    assert!(offers.iter().filter_map(Parameters::read).any(|offer| answer.answers(offer)), "{answer:?} answers none of {offers:?}");
    assert_eq!(answer.directions(), (agreement.outgoing(), agreement.incoming()).into());
}

#[expect(clippy::expect_used, reason = "a target's assertion")]
fn client_judges(input: &Input<'_>, lines: &HeaderMap) {
    let offer = offer(input.client);
    let mut response = Policy::default().judge(offer.request()).expect("a good offer").response;
    response.headers_mut().extend(lines.clone());
    let answer = offer.judge(&response);
    let offered = extensions(offer.request().headers()).expect("our own list is good");
    let good = match (extensions(lines).as_deref(), &offered[..]) {
        (Ok([]), _) => Some(None),
        (Ok([answer]), [offered]) => {
            let (answer, offered) = (Parameters::read(answer), Parameters::read(offered).expect("our own offer is good"));
            answer.filter(|answer| answer.answers(offered)).map(Some)
        }
        _ => None,
    };
    assert_eq!(good.is_some(), answer.is_ok(), "{good:?} / {answer:?}");
    let (Some(Some(good)), Ok(answer)) = (good, answer) else { return };
    let agreement = answer.deflate.expect("an answer to an offer is an agreement");
    assert_eq!(good.directions().server, agreement.incoming().into());
    // Of its own direction the client may ask less of the other end than it was granted.
    let (granted, own) = (good.directions().client, Bounds::from(agreement.outgoing()));
    assert!(own.bits <= granted.bits && (granted.context_takeover || !own.context_takeover));
}

#[expect(clippy::expect_used, reason = "the address is good")]
fn offer(client: Choice) -> Offer {
    let uri = Uri::from_static("ws://example.com/");
    Offer::new(&uri, HeaderMap::new()).expect("a host").with_deflate(client.options().as_ref())
}

/// The parameters of permessage-deflate, read once more by the letter of RFC 7692, 7.1.
#[derive(Debug, Clone, Copy, Default)]
struct Parameters {
    server_no_takeover: bool,
    client_no_takeover: bool,
    server_bits: Option<u8>,
    /// Without a value in it for one without a value.
    client_bits: Option<Option<u8>>,
}

impl Parameters {
    fn read(extension: &Extension<'_>) -> Option<Self> {
        let mut read = Self::default();
        let mut names: Vec<_> = extension.parameters.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        if !extension.name.eq_ignore_ascii_case("permessage-deflate") || names.windows(2).any(|pair| pair[0] == pair[1]) {
            return None;
        }
        for (name, value) in &extension.parameters {
            let bits = || (8..=15).find(|bits: &u8| value.as_deref() == Some(bits.to_string().as_str()));
            match (*name, value) {
                ("server_no_context_takeover", None) => read.server_no_takeover = true,
                ("client_no_context_takeover", None) => read.client_no_takeover = true,
                ("server_max_window_bits", Some(_)) => read.server_bits = Some(bits()?),
                ("client_max_window_bits", None) => read.client_bits = Some(None),
                ("client_max_window_bits", Some(_)) => read.client_bits = Some(Some(bits()?)),
                _ => return None,
            }
        }
        Some(read)
    }

    /// Whether a server may answer this to that offer.
    fn answers(&self, offer: Self) -> bool {
        let is_server_window = offer.server_bits.is_none_or(|most| self.server_bits.is_some_and(|bits| bits <= most));
        let is_client_window = match (self.client_bits, offer.client_bits) {
            (None, _) => true,
            (Some(Some(bits)), Some(most)) => bits <= most.unwrap_or(15),
            _ => false,
        };
        is_server_window && is_client_window && (self.server_no_takeover || !offer.server_no_takeover)
    }

    /// What an answer comes to.
    fn directions(&self) -> Directions {
        Directions {
            server: Bounds { context_takeover: !self.server_no_takeover, bits: self.server_bits.unwrap_or(15) },
            client: Bounds { context_takeover: !self.client_no_takeover, bits: self.client_bits.flatten().unwrap_or(15) },
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Directions {
    server: Bounds,
    client: Bounds,
}

#[derive(Debug, PartialEq, Eq)]
struct Bounds {
    context_takeover: bool,
    bits: u8,
}

impl From<(Direction, Direction)> for Directions {
    fn from((server, client): (Direction, Direction)) -> Self {
        Self { server: server.into(), client: client.into() }
    }
}

impl From<Direction> for Bounds {
    fn from(direction: Direction) -> Self {
        Self { context_takeover: direction.context_takeover, bits: direction.window_bits }
    }
}
