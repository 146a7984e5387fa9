//! The section `[proxies]`.

use std::net::IpAddr;

use ipnet::IpNet;
use toml::Value;

use crate::config::{Secrets, Setting, section, words};

section! {
    /// Proxies and balancers in front of this server: docs/limits.md.
    pub(crate) struct Proxies {
        /// The addresses and networks of those that are believed when they say where a client comes from.
        pub(crate) trusted: Networks = Networks::default(), like "[\"10.0.0.0/8\", \"fd00::/8\", \"192.0.2.7\"]";
        /// By which header they say it: `x-forwarded-for`, or `forwarded` (RFC 7239).
        pub(crate) header: ForwardedBy = ForwardedBy::XForwardedFor;
        /// Whether every connection from one of them begins with the PROXY protocol, version 1 or 2.
        pub(crate) protocol: bool = false;
    }
}

/// A header in which a proxy says whom a request is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ForwardedBy {
    XForwardedFor,
    Forwarded,
}

words!(ForwardedBy, "write \"x-forwarded-for\" or \"forwarded\"", {
    "x-forwarded-for" => Self::XForwardedFor,
    "forwarded" => Self::Forwarded,
});

/// Addresses and networks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Networks(Vec<IpNet>);

impl Networks {
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical(); // a socket for both families gives addresses of the old one in the clothes of the new one
        self.0.iter().any(|network| network.contains(&address))
    }
}

impl Setting for Networks {
    const CURE: &'static str = "write a list of addresses and networks, as in [\"10.0.0.0/8\", \"192.0.2.7\"]";

    fn read(value: &Value) -> Option<Self> {
        value.as_array()?.iter().map(|network| parse(network.as_str()?)).collect::<Option<_>>().map(Self)
    }

    fn read_text(text: &str) -> Option<Self> {
        let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
        words.map(parse).collect::<Option<_>>().map(Self)
    }

    fn written(&self, _: Secrets) -> Option<Value> {
        Some(self.0.iter().map(IpNet::to_string).collect::<Vec<_>>().into())
    }
}

fn parse(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_contains_its_addresses_in_whatever_family_they_come() {
        let networks = Networks::read_text("10.0.0.0/8, fd00::/8, 192.0.2.7").unwrap();
        for (address, is_in) in [
            ("10.255.0.1", true),
            ("11.0.0.1", false),
            ("::ffff:10.0.0.1", true),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("fd12::1", true),
            ("fe80::1", false),
        ] {
            assert_eq!(networks.contains(address.parse().unwrap()), is_in, "{address}");
        }
        assert!(Networks::read_text("10.0.0.0/33").is_none());
        assert!(!Networks::default().contains("127.0.0.1".parse().unwrap()), "nobody is trusted unless it is said");
    }
}
