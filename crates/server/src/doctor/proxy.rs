//! Which proxy it is: by its own words, and by the shape of its error pages.

use clap::ValueEnum;
use http::{HeaderMap, StatusCode};
use serde_json::Value;

/// Proxies whose lines to change are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Proxy {
    Nginx,
    Haproxy,
    Caddy,
    Apache,
    Traefik,
    Envoy,
    Alb,
    Cloudflare,
}

impl Proxy {
    pub(super) const ALL: [Self; 8] =
        [Self::Nginx, Self::Haproxy, Self::Caddy, Self::Apache, Self::Traefik, Self::Envoy, Self::Alb, Self::Cloudflare];

    /// What `--for` calls it.
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Caddy => "caddy",
            Self::Apache => "apache",
            Self::Traefik => "traefik",
            Self::Envoy => "envoy",
            Self::Alb => "alb",
            Self::Cloudflare => "cloudflare",
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Haproxy => "HAProxy",
            Self::Caddy => "Caddy",
            Self::Apache => "Apache httpd",
            Self::Traefik => "Traefik",
            Self::Envoy => "Envoy",
            Self::Alb => "AWS ALB",
            Self::Cloudflare => "Cloudflare",
        }
    }

    /// By the headers and the body of an answer, and by what the server behind has seen.
    pub(super) fn recognised(
        status: Option<StatusCode>,
        headers: Option<&HeaderMap>,
        body: &[u8],
        arrived: Option<&Value>,
    ) -> Option<Self> {
        let said = |name: &str| headers.and_then(|headers| headers.get(name)).and_then(|line| line.to_str().ok()).unwrap_or_default();
        let (server, via) = (said("server").to_ascii_lowercase(), said("via").to_ascii_lowercase());
        let has = |name: &str| headers.is_some_and(|headers| headers.contains_key(name));
        let by_header = [
            (has("cf-ray") || server.contains("cloudflare"), Self::Cloudflare),
            (server.contains("awselb") || has("x-amzn-trace-id"), Self::Alb),
            (server.contains("nginx") || server.contains("openresty"), Self::Nginx),
            (server.contains("caddy") || via.contains("caddy"), Self::Caddy),
            (server.contains("apache") || via.contains("apache"), Self::Apache),
            (server.contains("envoy") || has("x-envoy-upstream-service-time"), Self::Envoy),
            (server.contains("haproxy") || via.contains("haproxy"), Self::Haproxy),
            (server.contains("traefik"), Self::Traefik),
            // It answers for the handshake, whatever the server behind it said: nobody else does that.
            (status == Some(StatusCode::UPGRADE_REQUIRED) && has("sec-websocket-accept"), Self::Haproxy),
        ];
        let by_header = by_header.into_iter().find_map(|(is_it, proxy)| is_it.then_some(proxy));
        by_header.or_else(|| by_body(&String::from_utf8_lossy(body))).or_else(|| by_arrival(arrived?))
    }
}

fn by_body(body: &str) -> Option<Proxy> {
    [
        ("<center>nginx", Proxy::Nginx),
        ("<center>openresty", Proxy::Nginx),
        ("<center>cloudflare", Proxy::Cloudflare),
        ("<address>Apache", Proxy::Apache),
        ("The proxy server received an invalid\nresponse from an upstream server", Proxy::Apache),
        ("No server is available to handle this request.", Proxy::Haproxy),
        ("The server returned an invalid or incomplete response.", Proxy::Haproxy),
        ("The server didn't respond in time.", Proxy::Haproxy),
        ("Your browser sent an invalid request.", Proxy::Haproxy),
        ("Request forbidden by administrative rules.", Proxy::Haproxy),
        ("upstream connect error or disconnect/reset before headers", Proxy::Envoy),
        ("no healthy upstream", Proxy::Envoy),
    ]
    .into_iter()
    .find_map(|(words, proxy)| body.contains(words).then_some(proxy))
}

/// By the headers that only one of them adds to a request.
fn by_arrival(arrived: &Value) -> Option<Proxy> {
    let headers = arrived["headers"].as_object()?;
    let line = |name: &str| headers.get(name).and_then(|lines| lines[0].as_str()).unwrap_or_default().to_ascii_lowercase();
    let via = line("via");
    [
        (headers.contains_key("cf-ray"), Proxy::Cloudflare),
        (headers.contains_key("x-amzn-trace-id"), Proxy::Alb),
        (headers.keys().any(|name| name.starts_with("x-envoy-")), Proxy::Envoy),
        (via.contains("caddy"), Proxy::Caddy),
        (via.contains("haproxy"), Proxy::Haproxy),
        (via.contains("nginx"), Proxy::Nginx),
        (headers.contains_key("x-forwarded-server") && headers.contains_key("x-real-ip"), Proxy::Traefik),
        (headers.contains_key("x-forwarded-server"), Proxy::Apache),
        (line("accept-encoding") == "(present, 4 bytes)" && headers.contains_key("x-forwarded-host"), Proxy::Caddy), // gzip, by itself
    ]
    .into_iter()
    .find_map(|(is_it, proxy)| is_it.then_some(proxy))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_proxy_is_known_by_its_words_its_pages_and_what_it_adds() {
        let by_server = |server: &'static str| {
            let headers = HeaderMap::from_iter([(http::header::SERVER, http::HeaderValue::from_static(server))]);
            Proxy::recognised(None, Some(&headers), b"", None)
        };
        assert_eq!(by_server("nginx/1.22.1"), Some(Proxy::Nginx));
        assert_eq!(by_server("Apache/2.4.62 (Debian)"), Some(Proxy::Apache));
        assert_eq!(by_server("awselb/2.0"), Some(Proxy::Alb));
        assert_eq!(by_server("Werkzeug/3.0"), None);
        let page = b"<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this request.\n</body></html>\n";
        assert_eq!(Proxy::recognised(None, None, page, None), Some(Proxy::Haproxy));
        let arrived = json!({ "headers": { "x-forwarded-server": ["edge"] } });
        assert_eq!(Proxy::recognised(None, None, b"", Some(&arrived)), Some(Proxy::Apache));
    }
}
