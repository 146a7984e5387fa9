//! `GET /v1/openapi.json`: the description of everything that is routed with one.

use axum::routing::get;
use axum::{Json, Router};
use serde_json::Value;
use utoipa::OpenApi;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, Ref, RefOr, Response, ResponseBuilder};
use utoipa_axum::router::OpenApiRouter;

use crate::api::ProblemJson;
use crate::routes::App;

const ADDRESS: &str = "/v1/openapi.json";

#[derive(OpenApi)]
#[openapi(
    info(title = "Silverback", description = "Who is connected, what they are sent, and why they left. See docs/api.md."),
    components(schemas(ProblemJson)),
    security(("key" = []))
)]
struct Description;

#[derive(OpenApi)]
#[openapi(paths(ourselves))]
struct Ourselves;

/// Describes the API: this.
#[utoipa::path(
    get, path = ADDRESS, operation_id = "openapi", tag = "health", security(()),
    responses((status = 200, body = Value, description = "OpenAPI 3.1")),
)]
#[expect(dead_code, reason = "it is a description, and its handler has to hold the whole of it")]
fn ourselves() {}

/// The beginning of the description.
pub(crate) fn start() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Description::openapi())
}

/// Serves the description, to anybody: it holds no secret.
pub(crate) fn router(mut description: utoipa::openapi::OpenApi) -> Router<App> {
    description.merge(Ourselves::openapi());
    let description = Json(serde_json::to_value(complete(description)).unwrap_or(Value::Null));
    Router::new().route(ADDRESS, get(move || async move { description }))
}

/// Says once what holds for all operations: how the key is sent, and what every problem looks like.
fn complete(mut description: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    if let Some(components) = &mut description.components {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("An API key, with the right that is needed"));
        components.add_security_scheme("key", SecurityScheme::Http(scheme.build()));
    }
    for path in description.paths.paths.values_mut() {
        for operation in [&mut path.get, &mut path.post, &mut path.delete].into_iter().flatten() {
            complete_operation(operation);
        }
    }
    description
}

fn complete_operation(operation: &mut Operation) {
    let responses = &mut operation.responses.responses;
    if operation.security.is_none() {
        for status in ["401", "403"] {
            responses.insert(status.to_owned(), RefOr::T(Response::new("")));
        }
    }
    for (status, response) in responses {
        let Some(meaning) = meaning(status) else {
            if let RefOr::T(response) = response
                && response.description.is_empty()
            {
                response.description = "It is done".to_owned();
            }
            continue;
        };
        let problem = Content::new(Some(Ref::from_schema_name("Problem")));
        *response = RefOr::T(ResponseBuilder::new().description(meaning).content("application/problem+json", problem).build());
    }
}

fn meaning(status: &str) -> Option<&'static str> {
    Some(match status {
        "400" => "Something in the request is not valid",
        "401" => "The key is missing or wrong",
        "403" => "The key does not have the right that is needed",
        "404" => "It is not there",
        "409" => "It is under way already",
        "413" => "The body is too large",
        "415" => "The body is not of a type that is taken",
        "503" => "The server is draining or stopping",
        _ => return None,
    })
}
