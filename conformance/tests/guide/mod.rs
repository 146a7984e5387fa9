//! The files of `docs/proxies/`, and a real proxy with each: as it stands there, or with a mistake in it.
#![allow(dead_code, reason = "not every test needs all of it")]

pub(crate) mod mistakes;

use std::net::SocketAddr;

use silverback_conformance::{Curl, Failure, Issued, Place, Proxy, ProxyKind, RawPeer, Result, Server, Sessions, installed};

use crate::SOON;

/// The guide to one proxy.
#[derive(Debug)]
pub(crate) struct Guide {
    pub(crate) kind: ProxyKind,
    pub(crate) name: &'static str,
    /// The file that users are told to take.
    pub(crate) file: &'static str,
    /// The page that explains it.
    pub(crate) page: &'static str,
    /// What it says about where to listen, of which a test makes its own.
    listens: &'static str,
}

/// Where Silverback is, in each file.
const SILVERBACK: &str = "127.0.0.1:8080";

impl Guide {
    pub(crate) const NGINX: Self = Self {
        kind: ProxyKind::Nginx,
        name: "nginx",
        file: "docs/proxies/nginx.conf",
        page: "docs/proxies/nginx.md",
        listens: "listen 80;",
    };
    pub(crate) const HAPROXY: Self = Self {
        kind: ProxyKind::HaProxy,
        name: "HAProxy",
        file: "docs/proxies/haproxy.cfg",
        page: "docs/proxies/haproxy.md",
        listens: "bind :80\n",
    };
    pub(crate) const CADDY: Self = Self {
        kind: ProxyKind::Caddy,
        name: "Caddy",
        file: "docs/proxies/Caddyfile",
        page: "docs/proxies/caddy.md",
        listens: "your.host {",
    };
    pub(crate) const APACHE: Self = Self {
        kind: ProxyKind::Apache,
        name: "Apache httpd",
        file: "docs/proxies/apache.conf",
        page: "docs/proxies/apache.md",
        listens: "<VirtualHost *:80>",
    };
    pub(crate) const ALL: [Self; 4] = [Self::NGINX, Self::HAPROXY, Self::CADDY, Self::APACHE];

    /// What the file says.
    pub(crate) fn text(&self) -> Result<String> {
        Ok(std::fs::read_to_string(installed::source(self.file))?)
    }

    /// Starts the proxy with its file.
    pub(crate) fn proxy(&self, server: &Server) -> Result<Proxy> {
        self.proxy_with(&self.text()?, server)
    }

    /// Starts the proxy with this file, of which only the two addresses are changed.
    pub(crate) fn proxy_with(&self, site: &str, server: &Server) -> Result<Proxy> {
        self.start(site, server.address, |address| match self.kind {
            ProxyKind::Nginx => format!("listen {address};"),
            ProxyKind::HaProxy => format!("bind {address}\n"),
            ProxyKind::Caddy => format!("http://:{} {{", address.port()),
            ProxyKind::Apache => format!("Listen {address}\n<VirtualHost {address}>"),
        })
    }

    /// As [`proxy_with`](Self::proxy_with), by TLS with this certificate, as the page says, and with HTTP/2 for pages.
    pub(crate) fn proxy_with_tls(&self, site: &str, server: &Server, issued: &Issued) -> Result<Proxy> {
        let (certificate, key, both) = (issued.certificate.display(), issued.key.display(), issued.both.display());
        self.start(site, server.address, |address| match self.kind {
            ProxyKind::Nginx => format!("listen {address} ssl http2; ssl_certificate {certificate}; ssl_certificate_key {key};"),
            ProxyKind::HaProxy => format!("bind {address} ssl crt {both} alpn h2,http/1.1\n"),
            ProxyKind::Caddy => format!("https://:{} {{\n    tls {certificate} {key}", address.port()),
            ProxyKind::Apache => format!(
                "Listen {address}\n<VirtualHost {address}>\n\
                 Protocols h2 http/1.1\nSSLEngine on\nSSLCertificateFile {certificate}\nSSLCertificateKeyFile {key}"
            ),
        })
    }

    fn start(&self, site: &str, server: SocketAddr, listens: impl FnOnce(SocketAddr) -> String) -> Result<Proxy> {
        Proxy::start(self.kind, |address| replace(&replace(site, self.listens, &listens(address))?, SILVERBACK, &server.to_string()))
    }
}

/// Runs this behind each of the four at once, since each mostly waits.
pub(crate) fn behind_each(test: impl Fn(&Guide) -> Result<()> + Sync) -> Result<()> {
    std::thread::scope(|scope| {
        let running = Guide::ALL.each_ref().map(|guide| (guide, scope.spawn(|| test(guide))));
        let failures = running.into_iter().filter_map(|(guide, thread)| match thread.join() {
            Ok(Ok(())) => None,
            Ok(Err(failure)) => Some(format!("behind {:?}: {failure}", guide.kind)),
            Err(_) => Some(format!("behind {:?}: it panicked, see above", guide.kind)),
        });
        match failures.collect::<Vec<_>>() {
            none if none.is_empty() => Ok(()),
            failures => Err(Failure::new(failures.join("\n"))),
        }
    })
}

/// `text` with its one `old` changed, so that a changed file does not pass for tested.
pub(crate) fn replace(text: &str, old: &str, new: &str) -> Result<String> {
    match text.matches(old).count() {
        1 => Ok(text.replace(old, new)),
        count => Err(Failure::new(format!("{old:?} is there {count} times in:\n{text}"))),
    }
}

/// `text` without the directives that begin so.
pub(crate) fn without(text: &str, beginning: &str) -> Result<String> {
    let kept: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with(beginning)).collect();
    if kept.len() == text.lines().count() {
        return Err(Failure::new(format!("no line begins with {beginning:?} in:\n{text}")));
    }
    Ok(kept.join("\n") + "\n")
}

/// A handshake through the proxy, with a token.
pub(crate) fn handshake(proxy: &Proxy, server: &Server) -> Result<Curl> {
    let curl = Curl::new(&Place::Here, "GET", format!("http://{}/ws?token={}", proxy.address, server.token("visitor")?))?;
    Ok(curl.asking_for_a_websocket())
}

/// A connection of this user through the proxy, once the server has it.
pub(crate) fn connect(proxy: &Proxy, server: &Server, user: &str) -> Result<RawPeer> {
    let connected = RawPeer::connect(proxy.address, &format!("/ws?token={}", server.token(user)?));
    let peer = connected.map_err(|failure| proxy.process.failure(failure.to_string()))?;
    server.wait_for_sessions(Sessions::Of(user), 1, SOON)?;
    Ok(peer)
}
