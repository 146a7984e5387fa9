//! The description of the API, against what is served.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;

use std::collections::BTreeSet;

use client::{Request, Server, server};
use serde_json::Value;

/// What browsers and clients use, and back ends do not.
const NOT_DESCRIBED: [&str; 4] = ["/", "/console", "/console/{file}", "/ws"];

const METHODS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

fn description(server: &Server) -> Value {
    server.ask(Request::new("GET", "/v1/openapi.json")).json()
}

/// A path with its parameters filled in.
fn filled(path: &str) -> String {
    path.replace("{user}", "nobody").replace("{id}", "01890a5d-ac96-774b-bcce-b302099a8057")
}

#[test]
fn every_operation_that_is_described_is_served_and_no_other_method_is() {
    let server = server();
    let description = description(&server);
    for (path, operations) in description["paths"].as_object().unwrap() {
        let described: BTreeSet<_> = operations.as_object().unwrap().keys().map(|method| method.to_uppercase()).collect();
        let refused = server.ask(server.api("TRACE", &filled(path)));
        refused.problem(405, "method-not-allowed");
        let allowed: BTreeSet<_> = refused.header("allow").split(',').filter(|method| *method != "HEAD").map(str::to_owned).collect();
        assert_eq!(allowed, described, "{path}");
        for method in METHODS.iter().filter(|method| !described.contains(**method)) {
            server.ask(server.api(method, &filled(path))).problem(405, "method-not-allowed");
        }
    }
}

#[test]
fn everything_that_is_routed_is_described() {
    let server = server();
    let description = description(&server);
    // `routes!` describes what it routes; a plain `.route(` does not, so those are listed here.
    for source in ["routes.rs", "openapi.rs", "metrics.rs", "health.rs", "events.rs", "api/mod.rs"] {
        let text = std::fs::read_to_string(format!("{}/src/{source}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        for (_, rest) in text.match_indices(".route(").map(|(at, call)| (at, &text[at + call.len()..])) {
            let path = rest.split(',').next().unwrap().trim_matches('"');
            let is_described = path == "ADDRESS" && description["paths"]["/v1/openapi.json"]["get"].is_object();
            assert!(is_described || NOT_DESCRIBED.contains(&path), "{path} in {source} is not described");
        }
    }
}

#[test]
fn operations_have_names_of_their_own_and_say_what_they_answer() {
    let description = description(&server());
    let mut names = BTreeSet::new();
    for operation in description["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values()) {
        assert!(names.insert(operation["operationId"].as_str().unwrap()), "{operation}");
        let is_open = operation["security"] == serde_json::json!([{}]);
        assert_eq!(operation["responses"]["401"].is_null(), is_open, "{operation}");
        for (status, response) in operation["responses"].as_object().unwrap() {
            assert_ne!(response["description"], "", "{status} of {operation}");
            assert_eq!(response["content"]["application/problem+json"].is_object(), status.as_str() >= "400", "{status} of {operation}");
        }
    }
    assert!(names.len() >= 14, "{names:?}");
}

#[test]
fn what_is_described_as_open_is_open_and_the_rest_asks_for_a_key() {
    let server = server();
    let description = description(&server);
    for (path, operations) in description["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let answer = server.ask(Request::new(&method.to_uppercase(), &filled(path)));
            let is_open = operation["security"] == serde_json::json!([{}]);
            assert_eq!(answer.status == 401, !is_open, "{method} {path}: {answer:?}");
        }
    }
}
