//! The opening handshake: every refusal by what arrives, and every acceptance.

use bytes::BufMut;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Version};
use serde_json::Value;
use silverback_wire::handshake::server::{Acceptance, Policy};
use silverback_wire::handshake::{HeadError, HeadReader, Origin, Origins, Refusal, encode_request};

/// None of these may ever be shown.
const SECRETS: [&str; 4] = ["SECRET-AUTHORIZATION", "SECRET-COOKIE", "SECRET-SUBPROTOCOL", "SECRET-QUERY"];
const NGINX: [&str; 3] = ["proxy_http_version 1.1;", "proxy_set_header Upgrade $http_upgrade;", "proxy_set_header Connection \"upgrade\";"];

/// A good request, full of secrets.
fn good() -> Request<()> {
    Request::builder()
        .uri("/ws?token=SECRET-QUERY")
        .header("host", "example.com")
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("authorization", "Bearer SECRET-AUTHORIZATION")
        .header("cookie", "session=SECRET-COOKIE")
        .header("sec-websocket-protocol", "silverback.bearer.SECRET-SUBPROTOCOL")
        .body(())
        .unwrap_or_default()
}

/// The request with the lines of these headers in place of those it had. No line is no header.
fn with(mut request: Request<()>, changes: &[(&'static str, &[&'static str])]) -> Request<()> {
    for (name, lines) in changes {
        request.headers_mut().remove(*name);
        for line in *lines {
            request.headers_mut().append(*name, HeaderValue::from_static(line));
        }
    }
    request
}

fn but(changes: &[(&'static str, &[&'static str])]) -> Request<()> {
    with(good(), changes)
}

fn accepted(policy: &Policy, request: &Request<()>) -> Acceptance {
    policy.judge(request).unwrap_or_else(|refusal| unreachable!("{refusal}"))
}

/// The default policy refuses it, and both bodies name cause, what arrived and cure. Returns the refusal and its text.
fn refused(request: &Request<()>, status: u16, cause: &str) -> (Refusal, String) {
    let Err(refusal) = Policy::default().judge(request) else { unreachable!("{request:?} was accepted") };
    let text = explains_itself(&refusal, status, cause);
    (refusal, text)
}

fn explains_itself(refusal: &Refusal, status: u16, cause: &str) -> String {
    assert_eq!((refusal.status().as_u16(), refusal.cause()), (status, cause));

    let plain = refusal.response(&HeaderMap::new());
    assert_eq!(plain.status(), refusal.status());
    assert_eq!(plain.headers()["content-type"], "text/plain; charset=utf-8");
    let text = plain.body().clone();
    assert!([cause, "What arrived: ", "What to do: "].iter().all(|part| text.contains(part)), "{text}");

    for accept in ["application/json", "text/html;q=0.1, Application/Problem+JSON; q=1"] {
        let json = refusal.response(&HeaderMap::from_iter([(http::header::ACCEPT, HeaderValue::from_static(accept))]));
        assert_eq!(json.status(), refusal.status());
        assert_eq!(json.headers()["content-type"], "application/problem+json");
        let problem: Value = serde_json::from_str(json.body()).unwrap_or_default();
        assert_eq!((&problem["status"], &problem["cause"]), (&Value::from(status), &Value::from(cause)));
        assert_eq!(problem["type"], format!("urn:silverback:refusal:{cause}"));
        for key in ["title", "detail", "cure"] {
            let part = problem[key].as_str().unwrap_or_default();
            assert!(!part.is_empty() && text.contains(part), "{key}: {problem}");
        }
        assert!(SECRETS.iter().all(|secret| !json.body().contains(secret)), "{}", json.body());
    }
    let line = refusal.to_string();
    assert!(line.contains(cause) && !line.contains('\n'), "{line}");
    assert!(SECRETS.iter().all(|secret| !text.contains(secret) && !line.contains(secret)), "{text}{line}");
    assert_eq!(plain.headers()["x-content-type-options"], "nosniff");
    assert_eq!(plain.headers()["cache-control"], "no-store");
    text
}

fn asks_for_an_upgrade(refusal: &Refusal) {
    let response = refusal.response(&HeaderMap::new());
    assert_eq!(response.headers()["upgrade"], "websocket");
    assert_eq!(response.headers()["connection"], "Upgrade");
}

fn says(text: &str, parts: &[&str]) {
    assert!(parts.iter().all(|part| text.contains(part)), "{parts:?} in: {text}");
}

mod upgrade {
    use super::*;

    const NOTHING: [(&str, &[&str]); 4] =
        [("connection", &[]), ("upgrade", &[]), ("sec-websocket-key", &[]), ("sec-websocket-version", &[])];

    #[test]
    fn a_plain_get_is_told_what_to_send() {
        let (refusal, text) = refused(&but(&NOTHING), 426, "upgrade-missing");
        asks_for_an_upgrade(&refusal);
        says(&text, &["`Upgrade` absent", "`Connection` absent", "Sec-WebSocket-Key"]);
    }

    #[test]
    fn a_plain_get_through_a_proxy_is_not_blamed_on_it() {
        let request = with(but(&NOTHING), &[("x-forwarded-for", &["10.0.0.1"]), ("connection", &["keep-alive"])]);
        says(&refused(&request, 426, "upgrade-missing").1, &["x-forwarded-for"]);
    }

    #[test]
    fn a_fetch_is_told_of_new_websocket() {
        for (name, line) in [("sec-fetch-mode", "cors"), ("sec-fetch-mode", "same-origin"), ("x-requested-with", "XMLHttpRequest")] {
            let (refusal, text) = refused(&with(but(&NOTHING), &[(name, &[line]), ("accept", &["application/json"])]), 426, "fetch");
            asks_for_an_upgrade(&refusal);
            says(&text, &["new WebSocket", "`fetch`"]);
        }
        refused(&with(but(&NOTHING), &[("sec-fetch-mode", &["cors"]), ("accept", &["text/html"])]), 426, "fetch");
    }

    #[test]
    fn a_visit_by_the_address_bar_is_told_that_there_is_no_page() {
        for (name, line) in [("sec-fetch-mode", "navigate"), ("accept", "text/html,application/xhtml+xml")] {
            let (refusal, text) = refused(&with(but(&NOTHING), &[(name, &[line])]), 426, "address-bar");
            asks_for_an_upgrade(&refusal);
            says(&text, &["new WebSocket", "address bar"]);
        }
    }

    #[test]
    fn a_proxy_that_strips_hop_by_hop_headers_is_known_by_those_it_left() {
        for stripped in [
            but(&[("connection", &[]), ("upgrade", &[])]),
            but(&[("upgrade", &[])]),
            but(&[("connection", &["keep-alive"])]),
            but(&[("connection", &[]), ("upgrade", &[]), ("sec-websocket-key", &[]), ("sec-fetch-mode", &["websocket"])]),
        ] {
            let (refusal, text) = refused(&stripped, 426, "upgrade-stripped");
            asks_for_an_upgrade(&refusal);
            says(&text, &NGINX);
        }
    }

    #[test]
    fn an_upgrade_to_something_else_is_shown() {
        for other in ["h2c", "websockets", "notwebsocket", "websocket/13"] {
            let (refusal, text) = refused(&but(&[("upgrade", &[other])]), 426, "upgrade-stripped");
            asks_for_an_upgrade(&refusal);
            says(&text, &[other]);
        }
    }

    #[test]
    fn a_part_of_a_token_is_not_the_token() {
        for lines in [&["notupgrade"][..], &["upgrade-insecure-requests"], &["up", "grade"], &["upgrade=1"]] {
            refused(&but(&[("connection", lines)]), 426, "upgrade-stripped");
        }
    }

    #[test]
    fn http_1_0_is_a_proxys_doing() {
        let mut request = but(&[("via", &["1.0 squid.example.net"])]);
        *request.version_mut() = Version::HTTP_10;
        let (refusal, text) = refused(&request, 426, "proxy-dropped-upgrade");
        asks_for_an_upgrade(&refusal);
        says(&text, &NGINX);
        says(&text, &["HTTP/1.0", "squid.example.net"]);
    }

    #[test]
    fn http_1_0_without_a_host_is_still_a_proxys_doing() {
        let mut request = but(&[("host", &[])]);
        *request.version_mut() = Version::HTTP_10;
        let (_, text) = refused(&request, 426, "proxy-dropped-upgrade");
        says(&text, &NGINX);
    }

    #[test]
    fn connection_close_behind_a_proxy_names_the_proxy() {
        for name in ["x-forwarded-for", "x-forwarded-proto", "x-real-ip", "forwarded", "cf-ray"] {
            let request = but(&[("connection", &["close"]), ("upgrade", &[]), (name, &["10.0.0.1"])]);
            let (refusal, text) = refused(&request, 426, "proxy-dropped-upgrade");
            asks_for_an_upgrade(&refusal);
            says(&text, &NGINX);
            says(&text, &[name, "close"]);
        }
        let request = but(&[("connection", &["Close"]), ("via", &["1.1 varnish"])]);
        says(&refused(&request, 426, "proxy-dropped-upgrade").1, &["varnish"]);
    }

    #[test]
    fn apache_which_is_known_by_its_headers_is_told_its_own_line() {
        let apaches: (&str, &[&str]) = ("x-forwarded-server", &["your.host"]);
        let (_, text) = refused(&but(&[("upgrade", &[]), ("connection", &["Keep-Alive"]), apaches]), 426, "upgrade-stripped");
        says(&text, &["ProxyPass / http://127.0.0.1:8080/ upgrade=websocket"]);
        assert!(!text.contains("proxy_set_header") && !text.contains("force-proxy-request-1.0"), "{text}");

        let mut old = but(&[("upgrade", &[]), ("connection", &[]), apaches]);
        *old.version_mut() = Version::HTTP_10;
        says(&refused(&old, 426, "proxy-dropped-upgrade").1, &["upgrade=websocket", "without `SetEnv force-proxy-request-1.0`"]);

        let traefiks = but(&[("upgrade", &[]), apaches, ("x-real-ip", &["192.0.2.1"])]);
        says(&refused(&traefiks, 426, "upgrade-stripped").1, &NGINX);
    }
}

mod version_and_key {
    use super::*;

    #[test]
    fn a_version_that_is_not_13_once_is_told_which_is_spoken() {
        for lines in [&[][..], &["8"], &["12"], &["013"], &["13, 8"], &["13", "13"], &["13", "8"], &[""]] {
            let (refusal, text) = refused(&but(&[("sec-websocket-version", lines)]), 426, "version-not-13");
            let response = refusal.response(&HeaderMap::new());
            assert_eq!(response.headers()["sec-websocket-version"], "13");
            asks_for_an_upgrade(&refusal);
            lines.iter().for_each(|line| says(&text, &[line]));
        }
    }

    #[test]
    fn a_key_that_is_not_16_bytes_of_base64_once_is_refused() {
        let good = "dGhlIHNhbXBsZSBub25jZQ==";
        for (lines, shown) in [
            (&[][..], "no `Sec-WebSocket-Key`"),
            (&[good, good], "2 `Sec-WebSocket-Key`"),
            (&["SGVsbG8="], "SGVsbG8="),
            (&["dGhlIHNhbXBsZSBub25jZQ"], "dGhlIHNhbXBsZSBub25jZQ"),
            (&["dGhlIHNhbXBsZSBub25j!Q=="], "dGhlIHNhbXBsZSBub25j!Q=="),
            (&["dGhlIHNhbXBsZSBub25jZXMh"], "dGhlIHNhbXBsZSBub25jZXMh"),
            (&[""], "`Sec-WebSocket-Key: `"),
        ] {
            let (_, text) = refused(&but(&[("sec-websocket-key", lines)]), 400, "key-not-valid");
            says(&text, &[shown]);
        }
    }
}

mod message {
    use super::*;

    #[test]
    fn a_method_other_than_get_is_told_which_is_allowed() {
        for method in [Method::POST, Method::HEAD, Method::OPTIONS, Method::CONNECT] {
            let mut request = good();
            *request.method_mut() = method.clone();
            let (refusal, text) = refused(&request, 405, "method-not-get");
            assert_eq!(refusal.response(&HeaderMap::new()).headers()["allow"], "GET");
            says(&text, &[method.as_str()]);
        }
    }

    #[test]
    fn a_host_that_is_not_there_once_is_refused() {
        for lines in [&[][..], &["a", "b"], &["a", "a"], &[""]] {
            refused(&but(&[("host", lines)]), 400, "host-missing");
        }
    }

    #[test]
    fn a_request_body_is_refused() {
        for (name, line) in [("content-length", "1"), ("content-length", "5"), ("transfer-encoding", "chunked"), ("content-length", "-0")] {
            refused(&but(&[(name, &[line])]), 400, "request-body");
        }
        accepted(&Policy::default(), &but(&[("content-length", &["0"])]));
    }

    fn read(head: &[u8]) -> Result<Request<()>, HeadError> {
        let mut reader = HeadReader::new(16 * 1024);
        reader.buffer().put_slice(head);
        match reader.poll_end()? {
            Some(end) => reader.finish(end).map(|(request, _)| request),
            None => Err(HeadError::Malformed("the test's head is incomplete")),
        }
    }

    #[test]
    fn what_lies_beyond_the_limit_of_a_head_changes_nothing_in_whatever_pieces_it_arrives() {
        for head in [&b"GET / HTTP/1.1\r\nA: \0"[..], b"GET / HTTP/1.1\r\nA: \n", b"GET / HTTP/1.1\r\nA: b\r\n\r\n"] {
            for piece in [1, head.len()] {
                let mut reader = HeadReader::new(16);
                let judged = head.chunks(piece).find_map(|piece| {
                    reader.buffer().put_slice(piece);
                    reader.poll_end().err()
                });
                assert_eq!(judged, Some(HeadError::TooLarge { limit: 16 }), "{piece}");
            }
        }
    }

    #[test]
    fn a_head_is_read_as_it_was_written() {
        let request = read(&encode_request(&good())).unwrap();
        assert_eq!((request.method(), request.uri(), request.headers()), (good().method(), good().uri(), good().headers()));
        accepted(&Policy::default(), &request);
    }

    #[test]
    fn tricks_with_line_ends_are_refused() {
        for head in [
            "GET / HTTP/1.1\nHost: a\n\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX: b\nCookie: SECRET-COOKIE\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX: b\rCookie: SECRET-COOKIE\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n folded: SECRET-COOKIE\r\n\r\n",
            "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
            "GET /?SECRET-QUERY HTTP/1.1 \r\nHost: a\r\n\r\n",
            "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HT\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\0\r\n\r\n",
        ] {
            let error = read(head.as_bytes()).expect_err(head);
            assert!(matches!(error, HeadError::Malformed(_)), "{head:?}: {error}");
            explains_itself(&error.into(), 400, "head-malformed");
        }
    }

    #[test]
    fn a_head_over_16_kib_is_too_large() {
        let head =
            |size: usize| format!("GET / HTTP/1.1\r\nHost: a\r\nCookie: SECRET-COOKIE{}\r\n\r\n", "x".repeat(size - 50)).into_bytes();
        let most = 16 * 1024;
        assert_eq!(head(most).len(), most);
        read(&head(most)).unwrap();
        let error = read(&head(most + 1)).unwrap_err();
        assert_eq!(error, HeadError::TooLarge { limit: most });
        says(&explains_itself(&error.into(), 431, "head-too-large"), &["16384"]);
    }

    #[test]
    fn a_head_that_is_not_complete_in_ten_seconds_is_too_slow() {
        let error = HeadError::TooSlow { limit: std::time::Duration::from_secs(10) };
        says(&explains_itself(&error.into(), 408, "head-too-slow"), &["10 s"]);
    }

    #[test]
    fn a_tls_hello_is_told_to_use_ws() {
        says(&explains_itself(&HeadError::Tls.into(), 400, "head-malformed"), &["ws://"]);
    }

    #[test]
    fn what_is_not_printable_is_shown_escaped_and_short() {
        let mut request = but(&[("upgrade", &[])]);
        let long = [b"\x80<script>\t".to_vec(), vec![b'x'; 10_000]].concat();
        request.headers_mut().insert("upgrade", HeaderValue::from_bytes(&long).unwrap());
        let (_, text) = refused(&request, 426, "upgrade-stripped");
        assert!(text.contains(r"\x80") && !text.contains('\t') && text.len() < 1500, "{text}");
    }
}

mod origin {
    use super::*;

    fn pages(policy: &Policy, host: &'static str, proto: &[&'static str], origin: &'static str) -> bool {
        let request = but(&[("host", &[host]), ("x-forwarded-proto", proto), ("origin", &[origin])]);
        policy.judge(&request).is_ok()
    }

    #[test]
    fn the_same_scheme_host_and_port_may_connect() {
        let plain = Policy::default();
        for (host, origin) in [
            ("example.com", "http://example.com"),
            ("Example.COM", "http://example.com"),
            ("example.com:80", "http://example.com"),
            ("example.com:8080", "http://example.com:8080"),
            ("[::1]:8080", "http://[::1]:8080"),
        ] {
            assert!(pages(&plain, host, &[], origin), "{origin} to {host}");
        }
        let mut tls = Policy::default();
        tls.is_tls = true;
        assert!(pages(&tls, "example.com:443", &[], "https://example.com"));
        assert!(!pages(&tls, "example.com", &[], "http://example.com"), "another scheme is another origin");
    }

    #[test]
    fn pages_of_others_are_refused_and_told_both_origins() {
        for origin in [
            "http://evil.example",
            "http://example.com.evil.example",
            "http://sub.example.com",
            "http://example.com:81",
            "ftp://example.com",
        ] {
            let (_, text) = refused(&but(&[("origin", &[origin])]), 403, "origin-not-allowed");
            says(&text, &[origin, "http://example.com"]);
        }
        refused(&but(&[("origin", &["http://example.com", "http://example.com"])]), 403, "origin-not-allowed");
        refused(&but(&[("origin", &["http://example.com, http://evil.example"])]), 403, "origin-not-allowed");
    }

    #[test]
    fn null_is_refused_and_an_absent_origin_is_not() {
        says(&refused(&but(&[("origin", &["null"])]), 403, "origin-not-allowed").1, &["null", "sandboxed"]);
        accepted(&Policy::default(), &good());
    }

    #[test]
    fn every_page_may_connect_where_the_policy_says_so() {
        let mut policy = Policy::default();
        policy.origins = Origins::Any;
        assert!(["null", "http://evil.example", "chrome-extension://abc"].iter().all(|origin| pages(&policy, "example.com", &[], origin)));
    }

    #[test]
    fn pages_that_the_policy_names_may_connect_too() {
        let mut policy = Policy::default();
        policy.origins = Origins::SameAnd(vec![Origin::parse("https://App.example.com").unwrap()]);
        assert!(pages(&policy, "api.example.com", &[], "https://app.example.com"));
        assert!(pages(&policy, "api.example.com", &[], "http://api.example.com"));
        assert!(["http://app.example.com", "https://app.example.com:8443", "null"].iter().all(|origin| !pages(&policy, "a", &[], origin)));
    }

    #[test]
    fn https_that_ended_at_a_proxy_counts() {
        let policy = Policy::default();
        assert!(pages(&policy, "example.com", &["https"], "https://example.com"));
        assert!(pages(&policy, "example.com:8443", &["HTTPS, http"], "https://example.com:8443"));
        assert!(!pages(&policy, "example.com", &["https"], "http://example.com"));
        assert!(!pages(&policy, "example.com", &["http, https"], "https://example.com"), "the first is the client's");
    }

    /// Traefik, and others after it, say `wss` where the request is a WebSocket handshake.
    #[test]
    fn wss_that_ended_at_a_proxy_counts() {
        assert!(pages(&Policy::default(), "example.com", &["wss"], "https://example.com"));
    }

    #[test]
    fn https_that_a_proxy_kept_to_itself_is_named_with_the_cure() {
        let (_, text) = refused(&but(&[("origin", &["https://example.com"])]), 403, "origin-not-allowed");
        says(&text, &["proxy_set_header X-Forwarded-Proto $scheme;"]);
        let (_, text) = refused(&but(&[("origin", &["https://evil.example"])]), 403, "origin-not-allowed");
        assert!(!text.contains("X-Forwarded-Proto"), "a stranger's page is another matter: {text}");
    }

    /// Extensions and apps have origins too, and are neither sandboxed nor files.
    #[test]
    fn an_origin_of_another_scheme_is_not_told_that_it_is_null() {
        let (_, text) = refused(&but(&[("origin", &["chrome-extension://abcdef"])]), 403, "origin-not-allowed");
        assert!(!text.contains("`null`"), "{text}");
    }
}

mod acceptance {
    use super::*;

    fn speaking(subprotocols: &[&str]) -> Policy {
        let mut policy = Policy::default();
        policy.subprotocols = subprotocols.iter().map(|name| (*name).to_owned()).collect();
        policy
    }

    fn chosen(policy: &Policy, lines: &[&'static str]) -> Option<String> {
        let accepted = accepted(policy, &but(&[("sec-websocket-protocol", lines)]));
        let header = accepted.response.headers().get("sec-websocket-protocol").map(|line| line.to_str().unwrap_or_default().to_owned());
        assert_eq!(header, accepted.subprotocol);
        header
    }

    #[test]
    fn the_answer_is_the_rfcs_own() {
        let request = but(&[("sec-websocket-extensions", &["permessage-deflate; client_max_window_bits"])]);
        let response = accepted(&Policy::default(), &request).response;
        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
        let expected = [("upgrade", "websocket"), ("connection", "Upgrade"), ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")];
        let expected: HeaderMap =
            expected.into_iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect();
        assert_eq!(response.headers(), &expected, "no subprotocol and no extension among them");
    }

    #[test]
    fn tokens_are_read_over_all_lines_in_any_case() {
        for (connection, upgrade) in [
            (&["keep-alive, Upgrade"][..], &["websocket"][..]),
            (&["keep-alive", "UPGRADE"], &["WebSocket"]),
            (&["foo ,\tupgrade ,"], &["h2c, websocket"]),
            (&["upgrade", "upgrade"], &["h2c", "websocket"]),
        ] {
            accepted(&Policy::default(), &but(&[("connection", connection), ("upgrade", upgrade)]));
        }
    }

    #[test]
    fn the_servers_first_choice_among_all_offers_wins() {
        let policy = speaking(&["v2", "v1"]);
        assert_eq!(chosen(&policy, &["v1, v2"]).as_deref(), Some("v2"));
        assert_eq!(chosen(&policy, &["v1", "v0 , v2"]).as_deref(), Some("v2"));
        assert_eq!(chosen(&policy, &["v1,,v0"]).as_deref(), Some("v1"));
    }

    #[test]
    fn no_subprotocol_in_common_is_no_header() {
        assert_eq!(chosen(&speaking(&["v2"]), &["v1"]), None);
        assert_eq!(chosen(&speaking(&["v2"]), &["V2"]), None, "case counts, RFC 6455, 11.5");
        assert_eq!(chosen(&speaking(&["v2"]), &[]), None);
        assert_eq!(chosen(&speaking(&[]), &["v1"]), None);
    }

    #[test]
    fn a_subprotocol_that_is_no_token_is_refused_and_not_shown() {
        refused(&but(&[("sec-websocket-protocol", &["v1, SECRET-SUBPROTOCOL with spaces"])]), 400, "subprotocol-not-valid");
    }
}
