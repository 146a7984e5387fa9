//! What the commands of a client dial: an address, and what to say there.

mod any_certificate;

use std::error::Error;
use std::path::PathBuf;

use clap::Args;
use http::{HeaderName, HeaderValue};
use silverback::Dialer;
use silverback::dialer::{DialerBuilder, Proxy, Trust};
use url::Url;

/// Whom to dial.
#[derive(Debug, Clone, Args)]
pub(crate) struct Target {
    /// The address, as in wss://example.com/ws
    #[arg(value_parser = parse_url)]
    pub(crate) url: Url,
    /// A header to send along, as in 'Cookie: a=b'; may be repeated
    #[arg(short = 'H', long = "header", value_name = "HEADER", value_parser = parse_header)]
    pub(crate) headers: Vec<Header>,
    /// A subprotocol to offer; may be repeated, the best first
    #[arg(long = "subprotocol", value_name = "NAME")]
    pub(crate) subprotocols: Vec<String>,
    /// A token to send as `Authorization: Bearer`, or @FILE to read it from a file, which keeps it out of the list of processes
    #[arg(long, value_name = "TOKEN", value_parser = parse_token)]
    pub(crate) token: Option<Token>,
    /// The origin of the page to be taken for, as in https://app.example.com
    #[arg(long, value_name = "ORIGIN")]
    pub(crate) origin: Option<String>,
    /// Trusts the authorities in this file (PEM) in place of the system's
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    pub(crate) ca: Option<PathBuf>,
    /// Takes any certificate: for trying out only
    #[arg(long)]
    pub(crate) insecure: bool,
    /// Dials straight, whatever proxy the environment names
    #[arg(long)]
    pub(crate) no_proxy: bool,
}

/// A header, whose value is not shown.
#[derive(Debug, Clone)]
pub(crate) struct Header {
    pub(crate) name: HeaderName,
    pub(crate) value: HeaderValue,
}

/// A token, which is not shown.
#[derive(Clone)]
pub(crate) struct Token(HeaderValue);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(token)")
    }
}

impl Target {
    /// A dialer that says what is to be said, for the caller to set the rest.
    pub(crate) fn dialer(&self) -> Result<DialerBuilder, Box<dyn Error>> {
        let mut dialer = Dialer::builder().trust(self.trust()?);
        for Header { name, value } in self.all_headers() {
            dialer = dialer.header(name, value);
        }
        if !self.subprotocols.is_empty() {
            dialer = dialer.subprotocols(self.subprotocols.iter());
        }
        if self.subprotocols.iter().any(|name| name.contains("bearer.")) {
            dialer = dialer.redirects(0); // a token, which would be sent on to wherever one leads
        }
        Ok(if self.no_proxy { dialer.proxy(Proxy::none()) } else { dialer })
    }

    /// What is sent besides the handshake's own headers.
    pub(crate) fn all_headers(&self) -> Vec<Header> {
        let mut headers = self.headers.clone();
        if let Some(origin) = self.origin.as_ref().and_then(|origin| HeaderValue::from_str(origin).ok()) {
            headers.push(Header { name: http::header::ORIGIN, value: origin });
        }
        headers.extend(self.token.clone().map(|Token(value)| Header { name: http::header::AUTHORIZATION, value }));
        headers
    }

    /// Whose certificates are good.
    pub(crate) fn trust(&self) -> Result<Trust, Box<dyn Error>> {
        match &self.ca {
            Some(file) => {
                let pem = std::fs::read(file).map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
                Ok(Trust::pem(&pem).map_err(|error| format!("{}: {error}", file.display()))?)
            }
            None if self.insecure => Self::blind_trust(),
            None => Ok(Trust::system()),
        }
    }

    /// Trust in whatever certificate comes, for looking at it.
    pub(crate) fn blind_trust() -> Result<Trust, Box<dyn Error>> {
        any_certificate::trust()
    }
}

/// What can be dialled.
fn parse_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("this is no address ({error}): write one like wss://example.com/ws"))?;
    match url.scheme() {
        "ws" | "wss" => {}
        "http" | "https" => return Err(format!("write ws{} in place of {}", url.scheme().trim_start_matches("http"), url.scheme())),
        scheme => return Err(format!("the address of a WebSocket begins with ws:// or wss://, and this one with {scheme}:")),
    }
    match url.fragment() {
        Some(_) => Err("it has no fragment (RFC 6455, 3): take away the # and what follows, or write # as %23".to_owned()),
        None => Ok(url),
    }
}

fn parse_header(text: &str) -> Result<Header, String> {
    let (name, value) = text.split_once(':').ok_or("write it as in 'Name: value'")?;
    let name = name.trim().parse().map_err(|_| "its name has a character that a header's must not have")?;
    let mut value = HeaderValue::from_str(value.trim()).map_err(|_| "its value has a character that a header's must not have")?;
    value.set_sensitive(true); // any may be a secret: none is sent on where a redirect leads to another origin
    Ok(Header { name, value })
}

fn parse_token(text: &str) -> Result<Token, String> {
    let read = |file| std::fs::read_to_string(file).map_err(|error| format!("the file {file:?} cannot be read: {error}"));
    let token = text.strip_prefix('@').map_or_else(|| Ok(text.to_owned()), read)?;
    let value = HeaderValue::from_str(&format!("Bearer {}", token.trim()));
    let mut value = value.map_err(|_| "a token has no line breaks and no control characters in it")?;
    value.set_sensitive(true);
    Ok(Token(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_a_name_and_a_value() {
        let Header { name, value } = parse_header("X-Room:  blue: green ").unwrap();
        assert_eq!((name.as_str(), value.to_str().unwrap()), ("x-room", "blue: green"));
        assert!(parse_header("X-Room").is_err());
        assert!(parse_header("X Room: blue").is_err());
        assert!(parse_header("X-Room: bl\nue").is_err());
    }

    #[test]
    fn what_cannot_be_dialled_is_told_with_its_cure() {
        assert_eq!(parse_url("wss://example.com/ws?a=b").unwrap().as_str(), "wss://example.com/ws?a=b");
        for (text, cure) in [
            ("localhost", "like wss://"),
            ("localhost:8080", "begins with ws:// or wss://"),
            ("127.0.0.1:8080", "like wss://"),
            ("ws://", "like wss://"),
            ("http://localhost:8080/ws", "write ws in place of http"),
            ("https://example.com", "write wss in place of https"),
            ("ws://example.com/#room", "%23"),
        ] {
            let error = parse_url(text).unwrap_err();
            assert!(error.contains(cure), "{text}: {error}");
        }
    }

    #[test]
    fn a_token_is_not_shown() {
        let token = parse_token("eyJ.secret.x").unwrap();
        assert_eq!(token.0.to_str().unwrap(), "Bearer eyJ.secret.x");
        assert!(!format!("{token:?}{:?}", token.0).contains("secret"));
        assert!(parse_token("@/nowhere/token").unwrap_err().contains("cannot be read"));
    }
}
