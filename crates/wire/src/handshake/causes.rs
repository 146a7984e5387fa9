//! The table of refusals: for each cause its status, its words and its headers.

use http::header::{ALLOW, CONNECTION, FORWARDED, HOST, HeaderName, ORIGIN, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_VERSION, UPGRADE, VIA};
use http::{HeaderMap, HeaderValue, StatusCode, Version};

use super::Refusal;
use super::fields::{printable, shown};
use super::origin::Origin;
use super::server::Head;

const NGINX: &str =
    "    proxy_http_version 1.1;\n    proxy_set_header Upgrade $http_upgrade;\n    proxy_set_header Connection \"upgrade\";";
const OTHERS: &str = "For Apache httpd: `upgrade=websocket` at the end of its ProxyPass. HAProxy, Caddy and Traefik pass it on, unless a line takes `Upgrade` or \
     `Connection` away.";
const APACHE: &str = "    ProxyPass / http://127.0.0.1:8080/ upgrade=websocket";

pub(super) fn method_not_get(request: Head<'_>) -> Refusal {
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-get", "a WebSocket handshake is a GET request (RFC 6455, 4.1)")
        .arrived(format!("the method {}", printable(request.method.as_str().as_bytes())))
        .cure("connect with a WebSocket client: `new WebSocket(url)` in a browser")
        .header(ALLOW, HeaderValue::from_static("GET"))
}

/// HTTP/1.0, or `Connection: close` behind what a proxy adds: nobody who speaks WebSocket sends that, but some proxies make it so.
pub(super) fn through_a_deaf_proxy(request: Head<'_>) -> Refusal {
    let headers = request.headers;
    let spoke = if request.version < Version::HTTP_11 { "HTTP/1.0" } else { "HTTP/1.1 with `Connection: close`" };
    let arrived =
        format!("{spoke}, `Upgrade` {}, `Connection` {}, {}", shown(headers, UPGRADE), shown(headers, CONNECTION), proxy(headers));
    if wants_websocket(headers) {
        return upgrade_required("proxy-dropped-upgrade", "a proxy in front of this server did not pass the WebSocket upgrade on")
            .arrived(arrived)
            .cure(pass_it_on(request));
    }
    // Nothing says that it was meant as a handshake: it may be a page or a probe, through a proxy that is quite right.
    upgrade_required(
        "upgrade-missing",
        "this address is for WebSocket connections, and the request, as the proxy passed it on, asks for none",
    )
    .arrived(arrived)
    .cure(format!("connect with a WebSocket client. If you did, {}", pass_it_on(request)))
}

pub(super) fn not_an_upgrade(request: Head<'_>) -> Refusal {
    let headers = request.headers;
    let arrived = format!("`Upgrade` {}, `Connection` {}, {}", shown(headers, UPGRADE), shown(headers, CONNECTION), proxy(headers));
    let says = |name: &str, value: &str| headers.get(name).is_some_and(|line| line.as_bytes().eq_ignore_ascii_case(value.as_bytes()));
    let is_page = headers.get("accept").and_then(|line| line.to_str().ok()).is_some_and(|line| line.contains("text/html"));

    if wants_websocket(headers) {
        let title = "the WebSocket headers arrived, but `Upgrade: websocket` and `Connection: Upgrade` did not both arrive";
        return upgrade_required("upgrade-stripped", title).arrived(arrived).cure(format!(
            "if a proxy is in between, it has dropped them: {}\nIf you write the request yourself, send `Connection: Upgrade` and \
             `Upgrade: websocket`",
            pass_it_on(request)
        ));
    }
    if says("sec-fetch-mode", "navigate") || (is_page && !headers.contains_key("sec-fetch-mode")) {
        return upgrade_required("address-bar", "this address is for WebSocket connections, not for pages")
            .arrived(arrived)
            .cure("a page connects to it by `new WebSocket(\"ws://…\")`; there is nothing to see here in the address bar");
    }
    if headers.contains_key("sec-fetch-mode") || headers.contains_key("x-requested-with") {
        return upgrade_required("fetch", "this address is for WebSocket connections, and a script asked for it by `fetch`")
            .arrived(arrived)
            .cure("write `new WebSocket(\"ws://…\")` instead of `fetch` or `XMLHttpRequest`");
    }
    upgrade_required("upgrade-missing", "this address is for WebSocket connections, and the request does not ask for one")
        .arrived(arrived)
        .cure("connect with a WebSocket client; by hand, send `Connection: Upgrade`, `Upgrade: websocket`, `Sec-WebSocket-Version: 13` and a `Sec-WebSocket-Key`")
}

/// Whether the client meant a handshake: its end-to-end headers survive a proxy that drops the hop-by-hop ones (RFC 9110, 7.6.1).
fn wants_websocket(headers: &HeaderMap) -> bool {
    headers.contains_key("sec-websocket-key") || headers.get("sec-fetch-mode").is_some_and(|mode| mode == "websocket")
}

pub(super) fn version_not_13(request: Head<'_>) -> Refusal {
    upgrade_required("version-not-13", "this server speaks version 13 of the WebSocket protocol (RFC 6455)")
        .arrived(format!("`Sec-WebSocket-Version` {}", shown(request.headers, SEC_WEBSOCKET_VERSION)))
        .cure("send `Sec-WebSocket-Version: 13`, once")
        .header(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"))
}

pub(super) fn key_not_valid(request: Head<'_>) -> Refusal {
    let lines = request.headers.get_all("sec-websocket-key");
    let arrived = match (lines.iter().count(), lines.iter().next()) {
        (0, _) => "no `Sec-WebSocket-Key`".to_owned(),
        (1, Some(key)) => format!("`Sec-WebSocket-Key: {}`", printable(key.as_bytes())),
        (count, _) => format!("{count} `Sec-WebSocket-Key` headers"),
    };
    bad_request("key-not-valid", "`Sec-WebSocket-Key` must be 16 bytes in base64, once (RFC 6455, 4.1)")
        .arrived(arrived)
        .cure("send 16 random bytes in base64, which are 24 characters that end in `==`")
}

pub(super) fn host_not_single(request: Head<'_>) -> Refusal {
    bad_request("host-missing", "a request needs exactly one `Host` header (RFC 9112, 3.2)")
        .arrived(format!("`Host` {}", shown(request.headers, HOST)))
        .cure("send the name and port of this server as `Host`; a proxy does it with, for nginx, `proxy_set_header Host $http_host;`")
}

pub(super) fn has_body() -> Refusal {
    bad_request("request-body", "a WebSocket handshake has no request body")
        .arrived("a `Content-Length` above 0 or a `Transfer-Encoding`")
        .cure("send what you have to say as a message after the handshake")
}

pub(super) fn subprotocol_not_token() -> Refusal {
    bad_request("subprotocol-not-valid", "`Sec-WebSocket-Protocol` must be a list of tokens (RFC 6455, 4.1)")
        .arrived("an item with a character that a token cannot have") // which may be part of a secret: not shown
        .cure("use letters, digits and -._~ in names of subprotocols, and no spaces or slashes")
}

pub(super) fn extensions_not_valid(request: Head<'_>) -> Refusal {
    bad_request("extensions-not-valid", "`Sec-WebSocket-Extensions` must be a list of tokens with parameters (RFC 6455, 9.1)")
        .arrived(format!("`Sec-WebSocket-Extensions` {}", shown(request.headers, SEC_WEBSOCKET_EXTENSIONS)))
        .cure("write `permessage-deflate; client_max_window_bits`, or leave the header out")
}

pub(super) fn origin_not_allowed(request: Head<'_>, origin: Option<&Origin>, own: Option<&Origin>) -> Refusal {
    let headers = request.headers;
    let (tell_scheme, keep_host) = match is_apache(headers) {
        true => ("Apache httpd: `RequestHeader set X-Forwarded-Proto expr=%{REQUEST_SCHEME}`", "Apache httpd: `ProxyPreserveHost On`"),
        false => ("nginx: `proxy_set_header X-Forwarded-Proto $scheme;`", "nginx: `proxy_set_header Host $http_host;`"),
    };
    let cure = match (origin, own) {
        (Some(origin), Some(own)) if origin.is_https_of(own) => {
            format!("the page came by https and the proxy in front of this server did not say so. For {tell_scheme}")
        }
        (Some(origin), _) => format!(
            "if pages of {} should connect, allow that origin in this server's configuration. If the page is this server's own, a proxy \
             has changed `Host`. For {keep_host}",
            printable(origin.to_string().as_bytes())
        ),
        (None, _) if headers.get(ORIGIN).is_none_or(|line| line != "null") => {
            "send the origin as browsers do: once, as scheme, host and port".to_owned()
        }
        (None, _) => "a page in a sandboxed frame or from a file has the origin `null`: open it from a web server".to_owned(),
    };
    let own = own.map_or("unknown".to_owned(), |own| printable(own.to_string().as_bytes()));
    Refusal::new(StatusCode::FORBIDDEN, "origin-not-allowed", "pages of this origin may not connect here")
        .arrived(format!("`Origin` {}, while this server is {own} by its `Host` {}", shown(headers, ORIGIN), shown(headers, HOST)))
        .cure(cure)
}

pub(super) fn head_malformed(what: &str) -> Refusal {
    bad_request("head-malformed", "the request's head is not well-formed HTTP/1.1 (RFC 9112)")
        .arrived(what.to_owned())
        .cure("end every line with CR LF, and have neither of the two inside one; give each header one line `Name: value`")
}

pub(super) fn head_too_large(limit: usize) -> Refusal {
    let title = format!("the request's head is larger than {limit} bytes");
    Refusal::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "head-too-large", title)
        .arrived("a request line and headers beyond that limit")
        .cure("large cookies are the usual cause: connect to a host name or path that they are not sent to")
}

pub(super) fn head_too_slow(seconds: f32) -> Refusal {
    let title = format!("the request's head was not complete within {seconds} s");
    Refusal::new(StatusCode::REQUEST_TIMEOUT, "head-too-slow", title)
        .arrived("a part of a request, or nothing")
        .cure("send the whole head at once; if you did, look for what holds it back on the way")
}

fn bad_request(cause: &'static str, title: &'static str) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, cause, title)
}

fn upgrade_required(cause: &'static str, title: &'static str) -> Refusal {
    Refusal::new(StatusCode::UPGRADE_REQUIRED, cause, title)
        .header(UPGRADE, HeaderValue::from_static("websocket"))
        .header(CONNECTION, HeaderValue::from_static("Upgrade"))
}

/// Headers by which a proxy says that it was there.
const PROXY_HEADERS: [HeaderName; 7] = [
    VIA,
    FORWARDED,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("cf-ray"),
];

pub(super) fn has_proxy(headers: &HeaderMap) -> bool {
    PROXY_HEADERS.iter().any(|name| headers.contains_key(name))
}

/// The lines that let a proxy pass the upgrade on, for the one that is recognised.
fn pass_it_on(request: Head<'_>) -> String {
    if !is_apache(request.headers) {
        return format!("let the proxy pass the upgrade on. For nginx, in the location of this address:\n{NGINX}\n{OTHERS}");
    }
    let old = if request.version < Version::HTTP_11 { ", and without `SetEnv force-proxy-request-1.0`" } else { "" };
    format!("let Apache httpd pass the upgrade on (2.4.47 or later){old}:\n{APACHE}")
}

/// It sends `X-Forwarded-Server` whether told to or not. So does Traefik, with `X-Real-Ip`.
fn is_apache(headers: &HeaderMap) -> bool {
    headers.contains_key("x-forwarded-server") && !headers.contains_key("x-real-ip")
}

/// The proxy by its own words.
fn proxy(headers: &HeaderMap) -> String {
    if headers.contains_key(VIA) {
        return format!("through the proxy that calls itself {}", shown(headers, VIA));
    }
    match PROXY_HEADERS.iter().find(|name| headers.contains_key(*name)) {
        Some(name) => format!("through a proxy that added `{name}`"),
        None => "no header that a proxy adds (nginx adds none unless told to)".to_owned(),
    }
}
