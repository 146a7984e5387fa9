//! With what connections are closed.

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use serde::{Deserialize, Serialize};
use silverback::{CloseCode, CloseFrame};
use utoipa::{IntoParams, ToSchema};

use super::{Problem, query};

/// `?code=4000&reason=bye`.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct CloseWith {
    /// What clients see as the code of the close: 1000, or one of your own from 4000 to 4999.
    #[param(minimum = 1000, maximum = 4999, default = 1000, nullable = false)]
    code: Option<u16>,
    /// What clients see as its reason: at most 123 bytes.
    #[param(max_length = 123, nullable = false)]
    reason: Option<String>,
}

/// How many connections are being closed.
#[derive(Serialize, ToSchema)]
pub(super) struct Closed {
    /// Sessions that were not closing already.
    pub(super) closed: usize,
}

impl CloseWith {
    pub(super) fn read(query: Result<Query<Self>, QueryRejection>) -> Result<(CloseCode, String), Problem> {
        let with = query::parameters(query, "write ?code=4000&reason=bye, or leave either out; `code` is a number from 1000 to 4999")?;
        Ok((code(with.code.unwrap_or(1000))?, reason(with.reason.unwrap_or_default())?))
    }
}

pub(super) fn code(code: u16) -> Result<CloseCode, Problem> {
    CloseCode::new(code).map_err(|error| {
        let cure = "use 1000 for a normal end, or a code of your own from 4000 to 4999";
        Problem::bad_request("close-code-not-valid", error.to_string(), cure)
    })
}

fn reason(reason: String) -> Result<String, Problem> {
    if reason.len() <= CloseFrame::REASON_LIMIT {
        return Ok(reason);
    }
    let title = format!("a close reason has at most {} bytes, and this one has {}", CloseFrame::REASON_LIMIT, reason.len());
    Err(Problem::bad_request("close-reason-too-long", title, "say it in fewer bytes, and the rest in a message before"))
}
