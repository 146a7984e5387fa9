//! The negotiation of permessage-deflate (RFC 7692, 5 and 7.1).

use std::sync::Arc;

use http::HeaderValue;

use super::{Agreement, Direction, Options, Reservation};
use crate::handshake::Extension;

const NAME: &str = "permessage-deflate";
const SERVER_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_WINDOW: &str = "server_max_window_bits";
const CLIENT_WINDOW: &str = "client_max_window_bits";

/// A response that a client has to fail on (RFC 7692, 7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unacceptable;

/// A server's answer to the offers of a client: the first that it can take, or none.
pub(crate) fn accept(options: &Options, offers: &[Extension<'_>]) -> Option<(Agreement, HeaderValue)> {
    let offer = offers.iter().filter(|offer| offer.name.eq_ignore_ascii_case(NAME)).find_map(|offer| Parameters::read(offer, true))?;
    let mut outgoing = Direction {
        context_takeover: options.server_takeover && !offer.server_no_takeover,
        window_bits: options.server_window_bits.min(offer.server_window.unwrap_or(15)),
    };
    let mut incoming = Direction {
        context_takeover: options.client_takeover && !offer.client_no_takeover,
        window_bits: match offer.client_window {
            Window::Absent => 15, // it cannot be asked for less
            Window::Any => options.client_window_bits,
            Window::Bits(bits) => options.client_window_bits.min(bits),
        },
    };
    let reservation = reserve(options, outgoing, incoming);
    if reservation.is_none() {
        (outgoing.context_takeover, incoming.context_takeover) = (false, false);
    }
    let answer = Parameters {
        server_no_takeover: !outgoing.context_takeover,
        client_no_takeover: !incoming.context_takeover,
        server_window: (outgoing.window_bits < 15 || offer.server_window.is_some()).then_some(outgoing.window_bits),
        client_window: if incoming.window_bits < 15 { Window::Bits(incoming.window_bits) } else { Window::Absent },
    };
    Some((Agreement::new(options, outgoing, incoming, reservation), answer.write()?))
}

/// A client's offer, and the memory that it may come to.
#[derive(Debug)]
pub(crate) struct Offer {
    options: Options,
    reservation: Option<Arc<Reservation>>,
}

impl Offer {
    /// An offer by these options; without context takeover if their budget has no room for it.
    pub(crate) fn new(options: &Options) -> Self {
        let mut options = options.clone();
        let outgoing = Direction { context_takeover: options.client_takeover, window_bits: options.client_window_bits };
        let incoming = Direction { context_takeover: options.server_takeover, window_bits: options.server_window_bits };
        let reservation = reserve(&options, outgoing, incoming);
        if reservation.is_none() {
            (options.client_takeover, options.server_takeover) = (false, false);
        }
        Self { options, reservation }
    }

    /// The header that makes it.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        self.parameters().write()
    }

    /// Judges the one extension that the server has accepted.
    pub(crate) fn judge(&self, answer: &Extension<'_>) -> Result<Agreement, Unacceptable> {
        if !answer.name.eq_ignore_ascii_case(NAME) {
            return Err(Unacceptable);
        }
        let offered = self.parameters();
        let answer = Parameters::read(answer, false).ok_or(Unacceptable)?;
        let incoming_bits = match (offered.server_window, answer.server_window) {
            (None, bits) => bits.unwrap_or(15),
            (Some(most), Some(bits)) if bits <= most => bits,
            (Some(_), _) => return Err(Unacceptable), // an accepted limit is repeated (7.1.2.1)
        };
        if offered.server_no_takeover && !answer.server_no_takeover {
            return Err(Unacceptable); // likewise (7.1.1.1)
        }
        let outgoing_bits = match answer.client_window {
            Window::Bits(bits) if bits <= self.options.client_window_bits => bits,
            Window::Absent => self.options.client_window_bits,
            Window::Bits(_) | Window::Any => return Err(Unacceptable),
        };
        let outgoing =
            Direction { context_takeover: self.options.client_takeover && !answer.client_no_takeover, window_bits: outgoing_bits };
        let incoming = Direction { context_takeover: !answer.server_no_takeover, window_bits: incoming_bits };
        let holds_memory = outgoing.context_takeover || incoming.context_takeover;
        let reservation = self.reservation.clone().filter(|_| holds_memory);
        Ok(Agreement::new(&self.options, outgoing, incoming, reservation))
    }

    fn parameters(&self) -> Parameters {
        let limit = |bits: u8| (bits < 15).then_some(bits);
        Parameters {
            server_no_takeover: !self.options.server_takeover,
            client_no_takeover: !self.options.client_takeover,
            server_window: limit(self.options.server_window_bits),
            client_window: limit(self.options.client_window_bits).map_or(Window::Any, Window::Bits),
        }
    }
}

/// Room in the budget for what these directions hold; `None` when they hold nothing or there is no room.
fn reserve(options: &Options, outgoing: Direction, incoming: Direction) -> Option<Arc<Reservation>> {
    let cost = outgoing.compressor_memory() + incoming.decompressor_memory();
    if cost == 0 { None } else { options.budget.reserve(cost).map(Arc::new) }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Parameters {
    server_no_takeover: bool,
    client_no_takeover: bool,
    server_window: Option<u8>,
    client_window: Window,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Window {
    #[default]
    Absent,
    /// Without a value, which only an offer may have: the client can be limited.
    Any,
    Bits(u8),
}

impl Parameters {
    /// `None` for a parameter that is unknown, repeated, or has a value that it must not have (RFC 7692, 7.1).
    fn read(extension: &Extension<'_>, is_offer: bool) -> Option<Self> {
        let mut read = Self::default();
        for (name, value) in &extension.parameters {
            match (*name, value.as_deref()) {
                (SERVER_TAKEOVER, None) if !read.server_no_takeover => read.server_no_takeover = true,
                (CLIENT_TAKEOVER, None) if !read.client_no_takeover => read.client_no_takeover = true,
                (SERVER_WINDOW, Some(bits)) if read.server_window.is_none() => read.server_window = Some(window_bits(bits)?),
                (CLIENT_WINDOW, None) if is_offer && read.client_window == Window::Absent => read.client_window = Window::Any,
                (CLIENT_WINDOW, Some(bits)) if read.client_window == Window::Absent => {
                    read.client_window = Window::Bits(window_bits(bits)?);
                }
                _ => return None,
            }
        }
        Some(read)
    }

    fn write(&self) -> Option<HeaderValue> {
        let mut text = NAME.to_owned();
        for (name, is_set) in [(SERVER_TAKEOVER, self.server_no_takeover), (CLIENT_TAKEOVER, self.client_no_takeover)] {
            if is_set {
                text.push_str(&format!("; {name}"));
            }
        }
        if let Some(bits) = self.server_window {
            text.push_str(&format!("; {SERVER_WINDOW}={bits}"));
        }
        match self.client_window {
            Window::Absent => {}
            Window::Any => text.push_str(&format!("; {CLIENT_WINDOW}")),
            Window::Bits(bits) => text.push_str(&format!("; {CLIENT_WINDOW}={bits}")),
        }
        HeaderValue::try_from(text).ok()
    }
}

/// 8 to 15, without leading zeros (RFC 7692, 7.1.2).
fn window_bits(text: &str) -> Option<u8> {
    let bits = text.parse().ok().filter(|bits| (8..=15).contains(bits))?;
    (!text.starts_with(['0', '+'])).then_some(bits)
}
