//! What is wrong with a request, as RFC 9457 has it.

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use silverback::Refusal;
use utoipa::ToSchema;

/// A request that cannot be answered, as a problem (RFC 9457).
#[derive(Debug)]
pub(crate) struct Problem(pub(crate) Refusal);

impl Problem {
    pub(super) fn bad_request(cause: &'static str, title: impl Into<Cow<'static, str>>, cure: impl Into<Cow<'static, str>>) -> Self {
        Self(Refusal::new(StatusCode::BAD_REQUEST, cause, title).cure(cure))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.0.problem().into_response()
    }
}

/// How a problem looks: for the description of the API only.
#[derive(ToSchema)]
#[schema(as = Problem)]
#[expect(dead_code, reason = "it describes what `Refusal::problem` writes")]
pub(crate) struct ProblemJson {
    /// A URN that ends with the cause.
    r#type: String,
    /// What is wrong, in one line.
    title: String,
    status: u16,
    /// A short name of what is wrong, for programs.
    cause: String,
    /// What arrived, as the server saw it.
    #[schema(nullable = false)]
    detail: Option<String>,
    /// What to do about it.
    #[schema(nullable = false)]
    cure: Option<String>,
}
