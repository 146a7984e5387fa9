//! Mistakes that people make with a proxy, each made in the file of its guide.

use silverback_conformance::{ProxyKind, Result};

use super::{Guide, replace, without};

/// A mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// The headers that ask for the upgrade are not passed on.
    NoUpgrade,
    /// What is spoken to the server has no upgrade: HTTP/1.0, or HTTP/2 where a proxy cannot do that.
    OldHttp,
    /// A connection may be silent for five seconds only.
    ShortTimeOut,
    /// A request's head has to be small: see [`Guide::small_head`].
    SmallHead,
    /// The certificate has expired. It is in no file: see [`Guide::proxy_with_tls`].
    ExpiredCertificate,
}

impl Mistake {
    /// What the table of `docs/proxies/README.md` calls it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::NoUpgrade => "no Upgrade headers",
            Self::OldHttp => "HTTP/1.0 to the server",
            Self::ShortTimeOut => "a time-out of 5 s",
            Self::SmallHead => "a limit of the head",
            Self::ExpiredCertificate => "an expired certificate",
        }
    }

    /// The guide's file with this mistake in it.
    pub(crate) fn in_the_file_of(self, guide: &Guide) -> Result<String> {
        let text = guide.text()?;
        match (self, guide.kind) {
            (Self::NoUpgrade, ProxyKind::Nginx) => without(&without(&text, "proxy_set_header Upgrade")?, "proxy_set_header Connection"),
            (Self::NoUpgrade, ProxyKind::HaProxy) => {
                replace(&text, "option forwardfor\n", "option forwardfor\n    http-request del-header Upgrade\n")
            }
            (Self::NoUpgrade, ProxyKind::Caddy) => with_block(&text, "header_up -Upgrade"),
            (Self::NoUpgrade, ProxyKind::Apache) => replace(&text, " upgrade=websocket", ""),

            (Self::OldHttp, ProxyKind::Nginx) => without(&text, "proxy_http_version"),
            (Self::OldHttp, ProxyKind::HaProxy) => replace(&text, "127.0.0.1:8080\n", "127.0.0.1:8080 proto h2\n"),
            (Self::OldHttp, ProxyKind::Caddy) => replace(&text, "reverse_proxy ", "reverse_proxy h2c://"),
            (Self::OldHttp, ProxyKind::Apache) => replace(&text, "    Timeout", "    SetEnv force-proxy-request-1.0 1\n    Timeout"),

            (Self::ShortTimeOut, _) => impatient(guide, "5s"),

            (Self::SmallHead, ProxyKind::Nginx) => Ok(format!("client_header_buffer_size 1k;\nlarge_client_header_buffers 4 2k;\n{text}")),
            (Self::SmallHead, ProxyKind::HaProxy) => Ok(format!("global\n    tune.bufsize 4096\n    tune.maxrewrite 2048\n{text}")),
            (Self::SmallHead, ProxyKind::Caddy) => Ok(format!("{{\n\tservers {{\n\t\tmax_header_size 1KB\n\t}}\n}}\n{text}")),
            (Self::SmallHead, ProxyKind::Apache) => Ok(format!("LimitRequestFieldSize 2048\n{text}")),

            (Self::ExpiredCertificate, _) => Ok(text),
        }
    }
}

impl Guide {
    /// How large a cookie is that [`Mistake::SmallHead`] keeps out. Caddy adds 4 KiB to the limit that it is given.
    pub(crate) fn small_head(&self) -> usize {
        if self.kind == ProxyKind::Caddy { 9000 } else { 3000 }
    }
}

/// The guide's file with another time-out for what is silent, such as `5s`.
pub(crate) fn impatient(guide: &Guide, time_out: &str) -> Result<String> {
    let text = guide.text()?;
    match guide.kind {
        ProxyKind::Nginx => replace(&text, "proxy_read_timeout 60s;", &format!("proxy_read_timeout {time_out};")),
        ProxyKind::HaProxy => replace(&text, "timeout tunnel 60s", &format!("timeout tunnel {time_out}")),
        ProxyKind::Caddy => with_block(&text, &format!("transport http {{\n\t\t\tread_timeout {time_out}\n\t\t}}")),
        ProxyKind::Apache => replace(&text, "Timeout 60\n", &format!("Timeout {}\n", time_out.trim_end_matches('s'))),
    }
}

/// Caddy's file with this in a block of its `reverse_proxy`.
fn with_block(text: &str, directive: &str) -> Result<String> {
    replace(text, "127.0.0.1:8080\n", &format!("127.0.0.1:8080 {{\n\t\t{directive}\n\t}}\n"))
}
