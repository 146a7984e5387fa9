//! What both ends say about compression, and what comes of it.

use arbitrary::Arbitrary;
use http::{HeaderMap, Uri};
use silverback_wire::deflate::{Agreement, Budget, Direction, Options};
use silverback_wire::handshake::client::Offer;
use silverback_wire::handshake::server::Policy;

/// One end's choice, in two bytes.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub struct Choice {
    /// From the lowest bit: compression at all; context takeover of the server; of the client; a budget without end. Above them the level.
    flags: u8,
    /// The server's window, whether small messages are compressed too, and the client's window.
    windows: u8,
}

impl Choice {
    /// As [`Options`]; `None` for no compression.
    #[expect(clippy::unwrap_used, reason = "these are sizes of windows")]
    pub fn options(self) -> Option<Options> {
        let is = |bit: u8| self.flags & bit != 0;
        if !is(1) {
            return None;
        }
        let budget = Budget::new(if is(8) { usize::MAX } else { 200 * 1024 });
        let options = Options::default()
            .context_takeover(budget)
            .server_context_takeover(is(2))
            .client_context_takeover(is(4))
            .level(self.flags >> 4)
            .threshold(if self.windows & 8 != 0 { 0 } else { 64 });
        let bits = |number: u8| 9 + number % 7;
        Some(options.server_window_bits(bits(self.windows & 7)).unwrap().client_window_bits(bits(self.windows >> 4)).unwrap())
    }
}

/// What a server and a client come to by a whole handshake, which cannot fail.
#[expect(clippy::expect_used, reason = "a target's assertion")]
pub fn agreements(server: Choice, client: Choice) -> (Option<Agreement>, Option<Agreement>) {
    let offer = Offer::new(&Uri::from_static("ws://example.com/"), HeaderMap::new()).expect("a good address");
    let offer = offer.with_deflate(client.options().as_ref());
    let mut policy = Policy::default();
    policy.deflate = server.options();
    let acceptance = policy.judge(offer.request()).expect("a good offer");
    let answer = offer.judge(&acceptance.response).expect("a good answer");
    match (&acceptance.deflate, &answer.deflate) {
        (None, None) => assert!(policy.deflate.is_none() || client.options().is_none(), "two that can compress agree"),
        (Some(server), Some(client)) => {
            assert_eq!((server.outgoing(), server.incoming()), (client.incoming(), client.outgoing()));
            assert!(is_window(server.outgoing()) && is_window(server.incoming()));
        }
        (server, client) => unreachable!("only one of them compresses: {server:?} and {client:?}"),
    }
    (acceptance.deflate, answer.deflate)
}

fn is_window(direction: Direction) -> bool {
    (8..=15).contains(&direction.window_bits)
}
