//! How a message is delivered: what happens where there is no room, and whether an answer is waited for.

use std::time::Duration;

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use silverback::{CloseCode, Message, Overflow};
use silverback_hub::{Audience, NotAcknowledged, Request};
use utoipa::{IntoParams, ToSchema};

use super::{Problem, query};
use crate::json::DeliveryJson;
use crate::traffic::Traffic;

/// The longest that an answer is waited for.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The most bytes of a key of `keep-latest`.
const LONGEST_KEY: usize = 128;

const USAGE: &str =
    "write ?overflow=drop-newest, drop-oldest, keep-latest (with &key=…) or close, or ?reply_within=5s (with &id=…, if you like)";

/// `?overflow=keep-latest&key=ACME`, or `?reply_within=5s&id=…`.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DeliveryPolicy {
    /// What happens where a session's queue has no room.
    #[param(inline, nullable = false)]
    overflow: Option<OverflowName>,
    /// With `overflow=keep-latest`: of what the message is the latest state, in 1 to 128 bytes.
    #[param(min_length = 1, max_length = 128, nullable = false)]
    key: Option<String>,
    /// Sends the body, which is JSON, as a request (docs/acknowledged.md), and waits this long for the first answer: `5s`, at most a minute.
    #[param(nullable = false)]
    reply_within: Option<String>,
    /// With `reply_within`: the id of the request, in 1 to 128 bytes. Without it, it is a new UUID.
    #[param(min_length = 1, max_length = 128, nullable = false)]
    id: Option<String>,
}

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum OverflowName {
    DropNewest,
    DropOldest,
    KeepLatest,
    Close,
}

/// What is to be done with a message.
pub(super) enum How {
    Offer(Overflow),
    Ask { id: Option<String>, within: Duration },
}

/// What became of a message.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Outcome {
    Acknowledged(Acknowledged),
    NotAcknowledged(NotAcknowledgedJson),
    Delivered(DeliveryJson),
}

/// The first answer to a request.
#[derive(Serialize, ToSchema)]
pub(super) struct Acknowledged {
    id: String,
    /// True.
    acknowledged: bool,
    /// The session that answered.
    session: String,
    /// What it answered; null where it said nothing.
    data: Value,
}

/// A request that nobody answered.
#[derive(Serialize, ToSchema)]
#[schema(as = NotAcknowledged)]
pub(super) struct NotAcknowledgedJson {
    id: String,
    /// False.
    acknowledged: bool,
    /// `not-delivered`, `timed-out` or `ended`: docs/acknowledged.md.
    why: &'static str,
    delivery: DeliveryJson,
}

impl How {
    pub(super) fn read(query: Result<Query<DeliveryPolicy>, QueryRejection>) -> Result<Self, Problem> {
        let DeliveryPolicy { overflow, key, reply_within, id } = query::parameters(query, USAGE)?;
        let mixed = |title| Err(query::not_valid(title, USAGE));
        if let Some(text) = reply_within {
            return match (overflow, key) {
                (None, None) => Ok(Self::Ask { id, within: query::time("reply_within", &text, LONGEST_WAIT)? }),
                _ => mixed("`reply_within` goes with neither `overflow` nor `key`: a request that finds no room is not delivered"),
            };
        }
        if id.is_some() {
            return mixed("`id` goes with `reply_within` only");
        }
        match (overflow, key) {
            (Some(OverflowName::KeepLatest), Some(key)) if (1..=LONGEST_KEY).contains(&key.len()) => {
                Ok(Self::Offer(Overflow::KeepLatest(key.into())))
            }
            (Some(OverflowName::KeepLatest), _) => mixed("`overflow=keep-latest` needs a `key` of 1 to 128 bytes"),
            (_, Some(_)) => mixed("`key` goes with `overflow=keep-latest` only"),
            (None | Some(OverflowName::DropNewest), None) => Ok(Self::Offer(Overflow::DropNewest)),
            (Some(OverflowName::DropOldest), None) => Ok(Self::Offer(Overflow::DropOldest)),
            (Some(OverflowName::Close), None) => Ok(Self::Offer(Overflow::Close(CloseCode::TRY_AGAIN_LATER, "too slow".into()))),
        }
    }

    pub(super) async fn deliver(self, message: Message, to: Audience<'_>, traffic: &Traffic) -> Result<Outcome, Problem> {
        let bytes = message.len();
        let (id, within) = match self {
            Self::Offer(overflow) => {
                let delivery = to.offer(message, overflow);
                traffic.went(bytes, &delivery);
                return Ok(Outcome::Delivered(delivery.into()));
            }
            Self::Ask { id, within } => (id, within),
        };
        let request = Request::new(data(&message)?);
        let request = match id {
            Some(id) => request.with_id(id).map_err(|error| query::not_valid(error.to_string(), USAGE))?,
            None => request,
        };
        let id = request.id().to_owned();
        Ok(match to.request(&request, within).await {
            Ok(answer) => {
                traffic.went_to_one(bytes); // to one at least: the answer does not tell
                Outcome::Acknowledged(Acknowledged { id, acknowledged: true, session: answer.session.to_string(), data: answer.data })
            }
            Err(not) => {
                let (why, delivery) = why(not);
                traffic.went(bytes, &delivery);
                Outcome::NotAcknowledged(NotAcknowledgedJson { id, acknowledged: false, why, delivery: delivery.into() })
            }
        })
    }
}

fn why(not: NotAcknowledged) -> (&'static str, silverback_hub::Delivery) {
    match not {
        NotAcknowledged::NotDelivered(delivery) => ("not-delivered", delivery),
        NotAcknowledged::TimedOut { delivery, .. } => ("timed-out", delivery),
        NotAcknowledged::Ended(delivery) => ("ended", delivery),
        _ => ("unknown", silverback_hub::Delivery::default()), // a reason that a later hub has
    }
}

fn data(message: &Message) -> Result<Value, Problem> {
    message.as_text().and_then(|text| serde_json::from_str(text).ok()).ok_or_else(|| {
        let cure = "send JSON as text, as in \"ping\" or {\"type\":\"call\"}, or leave `reply_within` out";
        Problem::bad_request("body-not-valid", "what is sent with `reply_within` must be JSON", cure)
    })
}
