//! `X-Forwarded-For` and `Forwarded` (RFC 7239): the addresses that a request has passed, the nearest last.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use http::header::{FORWARDED, HeaderName};

use super::settings::{ForwardedBy, Proxies};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The most addresses that are looked at: nobody has so many proxies.
const FARTHEST: usize = 32;

/// Goes from the peer, which is trusted, back from proxy to proxy, to the first address that is not a trusted proxy's. Where somebody says what is
/// no address, the one that says it is the client.
pub(super) fn client(proxies: &Proxies, peer: SocketAddr, headers: &HeaderMap) -> SocketAddr {
    let mut client = peer;
    for said in said(proxies.header, headers).into_iter().rev().take(FARTHEST) {
        let Some(address) = address(&said) else { return client };
        client = address;
        if !proxies.trusts(address.ip()) {
            return client;
        }
    }
    client
}

/// The header by which somebody says whom a request is from, if there is one.
pub(super) fn named(headers: &HeaderMap) -> Option<HeaderName> {
    [X_FORWARDED_FOR, FORWARDED].into_iter().find(|name| headers.contains_key(name))
}

/// Each of them as it stands, the nearest last.
fn said(by: ForwardedBy, headers: &HeaderMap) -> Vec<String> {
    let lines = |name| headers.get_all(name).into_iter().map(|line| line.to_str().unwrap_or_default().to_owned());
    match by {
        ForwardedBy::XForwardedFor => {
            lines(X_FORWARDED_FOR).flat_map(|line| line.split(',').map(|node| node.trim().to_owned()).collect::<Vec<_>>()).collect()
        }
        ForwardedBy::Forwarded => lines(FORWARDED).flat_map(|line| elements(&line)).collect(),
    }
}

/// The `for` of each element of a line; empty where an element has none.
fn elements(line: &str) -> Vec<String> {
    split(line, ',').into_iter().map(|element| node(&element).unwrap_or_default()).collect()
}

fn node(element: &str) -> Option<String> {
    let pairs = split(element, ';').into_iter();
    let value = pairs.into_iter().find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then(|| value.trim().to_owned())
    })?;
    Some(match value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(quoted) => quoted.replace('\\', ""),
        None => value,
    })
}

/// Splits where no quotes are around.
fn split(text: &str, separator: char) -> Vec<String> {
    let (mut parts, mut is_quoted, mut is_escaped) = (vec![String::new()], false, false);
    for letter in text.chars() {
        if letter == separator && !is_quoted {
            parts.push(String::new());
            continue;
        }
        is_quoted ^= letter == '"' && !is_escaped;
        is_escaped = is_quoted && letter == '\\' && !is_escaped;
        if let Some(part) = parts.last_mut() {
            part.push(letter);
        }
    }
    parts
}

/// An address with a port or without one (then it is 0), an IPv6 address in brackets or not.
fn address(said: &str) -> Option<SocketAddr> {
    let bare = said.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(said);
    let with_port = said.parse::<SocketAddr>().ok();
    let address = with_port.or_else(|| bare.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, 0)))?;
    Some(SocketAddr::new(address.ip().to_canonical(), address.port()))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::super::settings::Networks;
    use super::*;
    use crate::config::Setting;

    fn proxies(header: ForwardedBy) -> Proxies {
        Proxies { trusted: Networks::read_text("10.0.0.0/8, fd00::/8").unwrap(), header, ..Proxies::default() }
    }

    fn of(header: ForwardedBy, peer: &str, lines: &[(&'static str, &str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, line) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_str(line).unwrap());
        }
        proxies(header).client(SocketAddr::new(peer.parse().unwrap(), 7), &headers).ip().to_string()
    }

    #[test]
    fn the_client_is_the_nearest_address_that_is_no_trusted_proxy() {
        let x = |peer, line| of(ForwardedBy::XForwardedFor, peer, &[("x-forwarded-for", line)]);
        for (peer, line, client) in [
            ("10.0.0.1", "203.0.113.7", "203.0.113.7"),
            ("10.0.0.1", "203.0.113.7:1234", "203.0.113.7"),
            ("10.0.0.1", "198.51.100.1, 203.0.113.7", "203.0.113.7"), // what stands further left is what the client itself says
            ("10.0.0.1", "203.0.113.7, 10.1.1.1 ,10.2.2.2", "203.0.113.7"),
            ("10.0.0.1", "2001:db8::1, fd00::2", "2001:db8::1"),
            ("10.0.0.1", "[2001:db8::1]:443", "2001:db8::1"),
            ("10.0.0.1", "::ffff:203.0.113.7", "203.0.113.7"),
            ("10.0.0.1", "10.9.9.9", "10.9.9.9"),
            ("10.0.0.1", "203.0.113.7, unknown, 10.1.1.1", "10.1.1.1"),
            ("10.0.0.1", "", "10.0.0.1"),
            ("10.0.0.1", "203.0.113.7,", "10.0.0.1"),
            ("203.0.113.9", "198.51.100.1", "203.0.113.9"), // forged
            ("::ffff:10.0.0.1", "203.0.113.7", "203.0.113.7"),
        ] {
            assert_eq!(x(peer, line), client, "{peer} says {line:?}");
        }
        let two = [("x-forwarded-for", "198.51.100.1"), ("x-forwarded-for", "203.0.113.7")];
        assert_eq!(of(ForwardedBy::XForwardedFor, "10.0.0.1", &two), "203.0.113.7");
    }

    #[test]
    fn forwarded_is_read_as_rfc_7239_writes_it() {
        let by = |line| of(ForwardedBy::Forwarded, "10.0.0.1", &[("forwarded", line)]);
        for (line, client) in [
            ("for=203.0.113.7", "203.0.113.7"),
            ("For=\"203.0.113.7:4711\"; proto=https;by=10.0.0.1", "203.0.113.7"),
            ("for=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
            ("for=198.51.100.1, for=203.0.113.7, for=10.0.0.9", "203.0.113.7"),
            ("proto=https;for=\"203.0.113.7\"", "203.0.113.7"),
            ("for=203.0.113.7, for=_hidden", "10.0.0.1"),
            ("for=203.0.113.7, proto=https", "10.0.0.1"),
            ("for=\"a,b\", for=203.0.113.7", "203.0.113.7"),
            ("by=\"x;for=198.51.100.1\";for=203.0.113.7", "203.0.113.7"),
            ("for=unknown", "10.0.0.1"),
        ] {
            assert_eq!(by(line), client, "{line:?}");
        }
    }

    #[test]
    fn only_the_header_that_is_configured_counts() {
        let lines = [("x-forwarded-for", "203.0.113.1"), ("forwarded", "for=203.0.113.2")];
        assert_eq!(of(ForwardedBy::XForwardedFor, "10.0.0.1", &lines), "203.0.113.1");
        assert_eq!(of(ForwardedBy::Forwarded, "10.0.0.1", &lines), "203.0.113.2");
    }

    #[test]
    fn a_chain_has_a_longest_length() {
        for (proxies, client) in [(31, "203.0.113.7"), (32, "10.0.0.2")] {
            let line = format!("203.0.113.7{}", ", 10.0.0.2".repeat(proxies));
            assert_eq!(of(ForwardedBy::XForwardedFor, "10.0.0.1", &[("x-forwarded-for", &line)]), client);
        }
    }

    proptest! {
        #[test]
        fn whatever_is_said_there_is_a_client_and_whoever_is_not_trusted_is_not_believed(line in "[ -~]{0,80}") {
            for (header, name) in [(ForwardedBy::XForwardedFor, "x-forwarded-for"), (ForwardedBy::Forwarded, "forwarded")] {
                prop_assert_eq!(of(header, "203.0.113.9", &[(name, &line)]), "203.0.113.9");
                of(header, "10.0.0.1", &[(name, &line)]);
            }
        }
    }
}
