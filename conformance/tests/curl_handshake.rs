//! The handshake as curl makes it: right, and with each part left out.

use std::time::Duration;

use silverback_conformance::{Answer, Curl, Place, Result, Server};

#[test]
fn a_handshake_with_all_its_headers_is_accepted() -> Result<()> {
    let server = Server::start(&Place::Here, &[])?;
    let answer = with_token(&server)?.asking_for_a_websocket().send()?;
    assert_eq!(answer.status, 101, "{answer:?}");
    assert_eq!(answer.header("Sec-WebSocket-Accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{answer:?}");
    Ok(())
}

#[test]
fn a_server_with_nothing_configured_prints_a_token_that_works() -> Result<()> {
    let (server, _console) = Server::start_unconfigured()?;
    let token = server.process.wait_for_line("token:", Duration::from_secs(5))?;
    let curl = server.curl("GET", "/ws")?.header("Authorization", &format!("Bearer {token}"));
    assert_eq!(curl.asking_for_a_websocket().send()?.status, 101);
    Ok(())
}

#[test]
fn a_plain_get_is_told_to_upgrade() -> Result<()> {
    let server = Server::start(&Place::Here, &[])?;
    let answer = with_token(&server)?.send()?;
    assert_upgrade_required(&answer);
    assert!(answer.body.contains("Upgrade: websocket"), "the refusal does not say what to send: {answer:?}");
    assert_eq!(answer.header("Content-Type").map(essence), Some("text/plain"), "{answer:?}");
    Ok(())
}

#[test]
fn a_client_that_reads_json_is_refused_in_json() -> Result<()> {
    let server = Server::start(&Place::Here, &[])?;
    let answer = with_token(&server)?.header("Accept", "application/json").send()?;
    assert_upgrade_required(&answer);
    assert_eq!(answer.header("Content-Type").map(essence), Some("application/problem+json"), "{answer:?}");
    let problem: serde_json::Value = serde_json::from_str(&answer.body)?;
    assert_eq!(problem["status"], 426, "{problem}");
    Ok(())
}

#[test]
fn what_a_proxy_left_of_a_handshake_is_told_the_cure_for_proxies() -> Result<()> {
    let server = Server::start(&Place::Here, &[])?;
    let as_nginx_does_by_default = with_token(&server)?.option("--http1.0").asking_for_a_websocket();
    let without_hop_by_hop_headers =
        with_token(&server)?.header("Sec-WebSocket-Version", "13").header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    for request in [as_nginx_does_by_default, without_hop_by_hop_headers] {
        let answer = request.send()?;
        assert_upgrade_required(&answer);
        for line in ["proxy_http_version 1.1;", "proxy_set_header Upgrade $http_upgrade;"] {
            assert!(answer.body.contains(line), "the refusal does not name the cure {line:?}: {answer:?}");
        }
    }
    Ok(())
}

#[test]
fn each_header_left_out_is_refused_by_name() -> Result<()> {
    const HEADERS: [(&str, &str, u16); 4] = [
        ("Connection", "Upgrade", 426),
        ("Upgrade", "websocket", 426),
        ("Sec-WebSocket-Version", "13", 426),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==", 400),
    ];
    let server = Server::start(&Place::Here, &[])?;
    for (missing, _, status) in HEADERS {
        let others = HEADERS.iter().filter(|(name, ..)| *name != missing);
        let answer = others.fold(with_token(&server)?, |curl, (name, value, _)| curl.header(name, value)).send()?;
        assert_eq!(answer.status, status, "without {missing}: {answer:?}");
        assert!(answer.body.contains(missing), "without {missing}, the refusal does not name it: {answer:?}");
    }
    Ok(())
}

#[test]
fn a_handshake_without_a_token_is_unauthorized() -> Result<()> {
    let server = Server::start(&Place::Here, &[])?;
    let answer = server.curl("GET", "/ws")?.asking_for_a_websocket().send()?;
    assert_eq!(answer.status, 401, "{answer:?}");
    assert!(answer.header("WWW-Authenticate").is_some(), "{answer:?}");
    Ok(())
}

#[test]
fn a_page_from_another_origin_is_forbidden() -> Result<()> {
    let server = Server::start(&Place::Here, &[])?;
    let answer = with_token(&server)?.asking_for_a_websocket().header("Origin", "http://elsewhere.example").send()?;
    assert_eq!(answer.status, 403, "{answer:?}");
    assert!(answer.body.contains("elsewhere.example"), "{answer:?}");
    Ok(())
}

fn with_token(server: &Server) -> Result<Curl> {
    Ok(server.curl("GET", "/ws")?.header("Authorization", &format!("Bearer {}", server.token("alice")?)))
}

fn assert_upgrade_required(answer: &Answer) {
    assert_eq!(answer.status, 426, "{answer:?}");
    assert!(answer.header("Upgrade").is_some_and(|value| value.eq_ignore_ascii_case("websocket")), "{answer:?}");
    assert!(answer.header("Connection").is_some_and(|value| value.to_ascii_lowercase().contains("upgrade")), "{answer:?}");
}

fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or(content_type)
}
