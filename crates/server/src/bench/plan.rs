//! What is to be done, checked before anything is.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use http::header::{ACCEPT, AUTHORIZATION};
use silverback::dialer::Timeouts;
use silverback::{Dialer, Message};
use url::Url;

use super::api::Api;
use super::arguments::{Bench, Mode};
use super::payload::LARGEST;
use super::schedule;
use crate::auth::{self, Auth};
use crate::config::Layers;

/// Longer than any pause between a token's making and its use.
const TOKENS_LAST: Duration = Duration::from_secs(3600);

/// A plan that can be carried out.
pub(super) struct Plan {
    pub(super) url: String,
    /// The address as it may be shown: without what may be secret in it.
    pub(super) shown_url: String,
    pub(super) connections: u32,
    pub(super) ramp: Duration,
    pub(super) duration: Duration,
    pub(super) timeout: Duration,
    pub(super) mode: Mode,
    pub(super) pace: Pace,
    pub(super) threads: usize,
    pub(super) message: Message,
    pub(super) users: Option<Users>,
    pub(super) api: Option<Api>,
    dialer: Dialer,
}

/// When messages are sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Pace {
    Closed {
        in_flight: u32,
    },
    /// Messages a second of each connection, or to each user.
    Each(f64),
    /// Messages a second of all together.
    Total(f64),
}

/// Users of a Silverback server, whose tokens are made here.
pub(super) struct Users {
    pub(super) count: u32,
    auth: Auth,
    tokens_last: Duration,
}

impl Plan {
    pub(super) fn new(arguments: Bench) -> Result<Self, Box<dyn Error>> {
        let Bench { target, connections, ramp, duration, mode, rate, total_rate, in_flight, payload, text, .. } = arguments;
        let Bench { users, api, threads, timeout, config, .. } = arguments;
        if api.is_some() && mode == Mode::Echo {
            return Err("--api posts messages that the server then pushes: add --mode push".into());
        }
        let url = target.url.clone();
        let config = (users.is_some() || api.is_some()).then(|| Layers::of(config).load()).transpose()?.map(|loaded| loaded.config);
        let api = match (&config, &api) {
            (Some(config), Some(url)) => Some(Api::new(
                url,
                config.api.sending_key().ok_or("the API asks for a key: set SILVERBACK_API_KEY to the server's")?,
                text,
            )?),
            _ => None,
        };
        let users = config.zip(users).map(|(config, count)| Users {
            count: count.min(connections),
            auth: config.auth,
            tokens_last: ramp.saturating_add(duration).saturating_add(TOKENS_LAST),
        });
        let timeouts = Timeouts { resolve: timeout, connect: timeout, proxy: timeout, tls: timeout, handshake: timeout, total: timeout };
        let has_accept = target.headers.iter().any(|header| header.name == ACCEPT);
        let mut dialer = target.dialer()?.timeouts(timeouts).message_limit(LARGEST);
        if !has_accept {
            dialer = dialer.header(ACCEPT, HeaderValue::from_static("application/problem+json, */*;q=0.5")); // so that a refusal says why
        }
        let plan = Self {
            url: target.url.into(),
            shown_url: shown(url),
            connections,
            ramp,
            duration,
            timeout,
            mode,
            pace: match (rate, total_rate) {
                (Some(rate), _) => Pace::Each(rate),
                (None, Some(rate)) => Pace::Total(rate),
                (None, None) => Pace::Closed { in_flight: in_flight.unwrap_or(1) },
            },
            threads: threads.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from),
            message: payload.message(text)?,
            users,
            api,
            dialer: dialer.build()?,
        };
        plan.dialer(0)?; // what is wrong with tokens is wrong with the first
        Ok(plan)
    }

    /// What the connection of this rank dials with.
    pub(super) fn dialer(&self, rank: u32) -> Result<Dialer, Box<dyn Error>> {
        let Some(users) = &self.users else { return Ok(self.dialer.clone()) };
        let token = auth::for_command_line(&users.auth, &users.name(rank), users.tokens_last)?;
        let mut bearer = HeaderValue::from_str(&format!("Bearer {token}"))?;
        bearer.set_sensitive(true);
        Ok(self.dialer.to_builder().header(AUTHORIZATION, bearer).build()?)
    }

    pub(super) fn payload(&self) -> &Bytes {
        self.message.payload()
    }

    pub(super) fn is_text(&self) -> bool {
        matches!(self.message, Message::Text(_))
    }

    /// The time between two messages of a connection, where so many are connected, or to all users; `None` in a closed loop.
    pub(super) fn interval(&self, connected: u64) -> Option<Duration> {
        let senders = match &self.users {
            Some(users) if self.api.is_some() => u64::from(users.count),
            _ => connected,
        };
        let each = match self.pace {
            Pace::Closed { .. } => return None,
            Pace::Each(rate) => rate,
            Pace::Total(rate) => rate / senders.max(1) as f64,
        };
        Some(schedule::interval(if self.api.is_some() { each * senders as f64 } else { each }))
    }
}

impl Users {
    /// The user whose turn it is: this process's own, so that nobody else is written to.
    pub(super) fn name(&self, number: u32) -> String {
        format!("bench-{}-{}", std::process::id(), number % self.count)
    }
}

/// Neither userinfo nor query nor fragment, each of which may be a secret.
fn shown(mut url: Url) -> String {
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(url.query().map(|_| "…"));
    url.set_fragment(None);
    url.to_string().replace("?%E2%80%A6", "?…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_secrets() {
        let url = Url::parse("wss://alice:secret@example.com/ws?token=secret#secret").unwrap();
        assert_eq!(shown(url), "wss://example.com/ws?…");
        assert_eq!(shown(Url::parse("ws://127.0.0.1:9001").unwrap()), "ws://127.0.0.1:9001/");
    }
}
