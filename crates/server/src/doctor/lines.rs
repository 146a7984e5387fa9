//! The lines to change: for each kind of cause and each proxy, where they stand and what they are.

use super::proxy::Proxy;

/// What the lines are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Topic {
    /// The headers of the upgrade are to be passed on.
    Upgrade,
    /// The server behind is to be spoken to in HTTP/1.1.
    Version,
    /// How long a connection may be silent.
    Idle,
    /// How large a request's head may be.
    Head,
    /// The certificate.
    Certificate,
    /// `Host` and the scheme, by which a page's origin is judged.
    Origin,
    /// Where the server behind is.
    Upstream,
}

/// Where they belong, and the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lines {
    pub(super) at: &'static str,
    pub(super) lines: &'static str,
}

pub(super) fn lines(topic: Topic, proxy: Proxy) -> Lines {
    let (at, lines) = match proxy {
        Proxy::Nginx => nginx(topic),
        Proxy::Haproxy => haproxy(topic),
        Proxy::Caddy => caddy(topic),
        Proxy::Apache => apache(topic),
        Proxy::Traefik => traefik(topic),
        Proxy::Envoy => envoy(topic),
        Proxy::Alb => alb(topic),
        Proxy::Cloudflare => cloudflare(topic),
    };
    Lines { at, lines }
}

type Said = (&'static str, &'static str);

fn nginx(topic: Topic) -> Said {
    match topic {
        Topic::Upgrade | Topic::Version => (
            "in the location of this address",
            "proxy_http_version 1.1;\nproxy_set_header Upgrade $http_upgrade;\nproxy_set_header Connection \"upgrade\";",
        ),
        Topic::Idle => (
            "in the location of this address (the default is 60s)",
            "proxy_read_timeout 75s;   # longer than the server's pings are apart\nproxy_send_timeout 75s;",
        ),
        Topic::Head => ("in http or server", "large_client_header_buffers 4 16k;"),
        Topic::Certificate => (
            "in the server of this name; then: nginx -s reload",
            "ssl_certificate     /etc/ssl/fullchain.pem;   # with the intermediates\nssl_certificate_key /etc/ssl/privkey.pem;",
        ),
        Topic::Origin => (
            "in the location of this address, beside the other proxy_set_header",
            "proxy_set_header Host $http_host;\nproxy_set_header X-Forwarded-Proto $scheme;",
        ),
        Topic::Upstream => ("in the location of this address", "proxy_pass http://127.0.0.1:8080;   # where the server listens"),
    }
}

fn haproxy(topic: Topic) -> Said {
    match topic {
        Topic::Upgrade => (
            "it passes upgrades on by itself: take away what touches them",
            "# no: http-request del-header Upgrade\n# no: http-request del-header Connection\n# no: http-request set-header Connection close",
        ),
        Topic::Version => ("in the backend: HTTP/1.1 is its default", "server app 127.0.0.1:8080   # without: proto h2"),
        Topic::Idle => ("in defaults or the backend", "timeout tunnel 1h   # for connections that were upgraded"),
        Topic::Head => ("in global", "tune.bufsize 32768\ntune.maxrewrite 1024"),
        Topic::Certificate => {
            ("in the frontend; then: systemctl reload haproxy", "bind :443 ssl crt /etc/haproxy/site.pem   # chain and key in one file")
        }
        Topic::Origin => {
            ("in the frontend", "http-request set-header X-Forwarded-Proto https if { ssl_fc }\n# no: http-request set-header Host")
        }
        Topic::Upstream => ("in the backend", "# where the server listens; without: proto h2\nserver app 127.0.0.1:8080 check"),
    }
}

fn caddy(topic: Topic) -> Said {
    match topic {
        Topic::Upgrade => (
            "it passes upgrades on by itself: take away what touches them",
            "# no: header_up -Upgrade, header_up Connection …\nreverse_proxy 127.0.0.1:8080",
        ),
        Topic::Version => ("in the site: http://, not h2c://", "reverse_proxy 127.0.0.1:8080"),
        Topic::Idle => (
            "in the site (by itself it has none)",
            "reverse_proxy 127.0.0.1:8080 {\n    transport http {\n        read_timeout 0   # or longer than the server's pings are apart\n    }\n}",
        ),
        Topic::Head => ("in the global options", "servers {\n    max_header_size 32KiB\n}"),
        Topic::Certificate => {
            ("in the site; without a tls line it gets and renews one by itself", "tls /etc/ssl/fullchain.pem /etc/ssl/privkey.pem")
        }
        Topic::Origin => (
            "in the site: it passes both on by itself",
            "# no: header_up Host …, header_up -X-Forwarded-Proto\nreverse_proxy 127.0.0.1:8080",
        ),
        Topic::Upstream => ("in the site", "# where the server listens; http://, not h2c://\nreverse_proxy 127.0.0.1:8080"),
    }
}

fn apache(topic: Topic) -> Said {
    match topic {
        Topic::Upgrade => (
            "in the VirtualHost (2.4.47 or later; a2enmod proxy_http)",
            "ProxyPass \"/ws\" \"http://127.0.0.1:8080/ws\" upgrade=websocket\n# no: RequestHeader unset Upgrade",
        ),
        Topic::Version => (
            "in the VirtualHost",
            "# no: SetEnv force-proxy-request-1.0 1\nProxyPass \"/ws\" \"http://127.0.0.1:8080/ws\" upgrade=websocket",
        ),
        Topic::Idle => ("in the server or the VirtualHost (ProxyTimeout is another one)", "Timeout 300"),
        Topic::Head => ("in the VirtualHost", "LimitRequestFieldSize 16384\nLimitRequestLine 16384"),
        Topic::Certificate => (
            "in the VirtualHost; then: apachectl graceful",
            "SSLCertificateFile    /etc/ssl/fullchain.pem   # with the intermediates\nSSLCertificateKeyFile /etc/ssl/privkey.pem",
        ),
        Topic::Origin => {
            ("in the VirtualHost (a2enmod headers)", "ProxyPreserveHost On\nRequestHeader set X-Forwarded-Proto expr=%{REQUEST_SCHEME}")
        }
        Topic::Upstream => {
            ("in the VirtualHost", "# where the server listens\nProxyPass \"/ws\" \"http://127.0.0.1:8080/ws\" upgrade=websocket")
        }
    }
}

fn traefik(topic: Topic) -> Said {
    match topic {
        Topic::Upgrade => (
            "it passes upgrades on by itself: take away the middleware that touches them",
            "# no, in a headers middleware:\n#   customRequestHeaders: { Upgrade: \"\", Connection: \"\" }",
        ),
        Topic::Version | Topic::Upstream => (
            "in the service: http://, not h2c://",
            "loadBalancer:\n  servers:\n    - url: http://127.0.0.1:8080   # where the server listens",
        ),
        Topic::Idle => (
            "by itself it has no time-out for WebSockets: look at what stands before it, or at",
            "entryPoints:\n  websecure:\n    transport:\n      respondingTimeouts:\n        readTimeout: 0s",
        ),
        Topic::Head => ("in the static configuration", "entryPoints:\n  websecure:\n    http:\n      maxHeaderBytes: 1048576"),
        Topic::Certificate => (
            "in the dynamic configuration, or a certificatesResolver",
            "tls:\n  certificates:\n    - certFile: /etc/ssl/fullchain.pem\n      keyFile: /etc/ssl/privkey.pem",
        ),
        Topic::Origin => ("in the service (true is its default)", "loadBalancer:\n  passHostHeader: true"),
    }
}

fn envoy(topic: Topic) -> Said {
    match topic {
        Topic::Upgrade => ("in the http_connection_manager", "upgrade_configs:\n  - upgrade_type: websocket"),
        Topic::Version => (
            "in the cluster's HttpProtocolOptions",
            "explicit_http_config:\n  http_protocol_options: {}   # HTTP/1.1, not http2_protocol_options",
        ),
        Topic::Idle => (
            "in the route, and in the http_connection_manager (the default is 5 minutes)",
            "route: { timeout: 0s, idle_timeout: 3600s }\n\nstream_idle_timeout: 3600s",
        ),
        Topic::Head => ("in the http_connection_manager", "max_request_headers_kb: 96"),
        Topic::Certificate => (
            "in the listener's DownstreamTlsContext",
            "tls_certificates:\n  - certificate_chain: { filename: /etc/ssl/fullchain.pem }\n    private_key: { filename: /etc/ssl/privkey.pem }",
        ),
        Topic::Origin => ("in the route: it passes Host on by itself", "# no: host_rewrite_literal, auto_host_rewrite"),
        Topic::Upstream => ("in the cluster", "- endpoint:\n    address:\n      socket_address: { address: 127.0.0.1, port_value: 8080 }"),
    }
}

fn alb(topic: Topic) -> Said {
    match topic {
        Topic::Upgrade => (
            "it passes upgrades on by itself, but for a target group of HTTP/2 or gRPC, and not where a rule answers or redirects",
            "# to be HTTP1\naws elbv2 describe-target-groups \\\n  --query 'TargetGroups[].ProtocolVersion'",
        ),
        Topic::Version => (
            "a target group's version is chosen when it is made",
            "aws elbv2 create-target-group --protocol HTTP \\\n  --protocol-version HTTP1 …",
        ),
        Topic::Idle => (
            "an attribute of the load balancer (the default is 60)",
            "aws elbv2 modify-load-balancer-attributes --load-balancer-arn ARN \\\n  --attributes Key=idle_timeout.timeout_seconds,Value=300",
        ),
        Topic::Head => ("its limits are fixed (16 K a line, 64 K all)", "# make cookies smaller, or use another host name"),
        Topic::Certificate => {
            ("the listener's certificate, of ACM", "aws elbv2 modify-listener --listener-arn ARN \\\n  --certificates CertificateArn=ARN")
        }
        Topic::Origin => (
            "an attribute of the load balancer",
            "aws elbv2 modify-load-balancer-attributes --load-balancer-arn ARN \\\n  --attributes Key=routing.http.preserve_host_header.enabled,Value=true",
        ),
        Topic::Upstream => ("are its targets healthy?", "aws elbv2 describe-target-health --target-group-arn ARN"),
    }
}

fn cloudflare(topic: Topic) -> Said {
    match topic {
        Topic::Upgrade => ("in the dashboard", "Network > WebSockets: on"),
        Topic::Version => ("in the dashboard", "Speed > Settings > HTTP/2 to Origin: off"),
        Topic::Idle => (
            "about 100 s, which only its Enterprise plan changes: ping more often at the server",
            "[heartbeat]\nping_after = \"20s\"   # in silverback.toml; this is the default",
        ),
        Topic::Head => ("its limit is fixed (128 KB)", "# look at the server behind it"),
        Topic::Certificate => ("in the dashboard", "SSL/TLS > Edge Certificates\nSSL/TLS > Overview: Full (strict)"),
        Topic::Origin => ("in the dashboard: it passes Host on, unless a rule changes it", "Rules > Origin Rules: no Host header override"),
        Topic::Upstream => (
            "in the dashboard; 521 to 523: the server is not reached, 525 and 526: its certificate",
            "DNS > Records: the server's address\nSSL/TLS > Overview: Full (strict)",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_proxy_has_lines_for_every_topic_that_fit_into_a_terminal() {
        use Topic::{Certificate, Head, Idle, Origin, Upgrade, Upstream, Version};
        for proxy in Proxy::ALL {
            for topic in [Upgrade, Version, Idle, Head, Certificate, Origin, Upstream] {
                let Lines { at, lines } = lines(topic, proxy);
                assert!(!at.is_empty() && !lines.is_empty(), "{proxy:?} {topic:?}");
                assert!(lines.lines().all(|line| line.chars().count() <= 72), "{proxy:?} {topic:?}: {lines}");
            }
        }
    }
}
