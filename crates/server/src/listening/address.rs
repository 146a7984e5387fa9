//! An address to listen on, as it is written.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use toml::Value;

use crate::config::{Secrets, Setting};

/// What a Unix socket may be used by unless it is said: its owner and its group.
const MODE: u32 = 0o660;

/// The longest path of a Unix socket that every system takes, with room for the name that it has while it is made.
pub(crate) const LONGEST_PATH: usize = 100;

/// `127.0.0.1:8080`, `[::1]:8080`, `unix:/run/silverback.sock` or `unix:/run/silverback.sock?mode=660`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    Tcp(SocketAddr),
    Unix { path: PathBuf, mode: u32 },
}

impl Address {
    /// Whether only this machine reaches it.
    pub(crate) fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().is_loopback(),
            Self::Unix { .. } => true,
        }
    }
}

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some(unix) = text.strip_prefix("unix:") else {
            return text.parse().map(Self::Tcp).map_err(|_| "write an IP address and a port, as in 127.0.0.1:8080, or unix:/path/to.sock");
        };
        let (path, mode) = match unix.split_once("?mode=") {
            Some((path, mode)) => (path, u32::from_str_radix(mode, 8).ok().filter(|mode| *mode <= 0o777)),
            None => (unix, Some(MODE)),
        };
        let mode = mode.ok_or("write the mode of a Unix socket in octal, as in unix:/path/to.sock?mode=660")?;
        match path.len() {
            _ if !Path::new(path).is_absolute() => Err("write the whole path of a Unix socket, as in unix:/run/silverback.sock"),
            1..=LONGEST_PATH => Ok(Self::Unix { path: path.into(), mode }),
            _ => Err("a Unix socket's path has at most 100 bytes: choose a shorter one"),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix { path, mode: MODE } => write!(f, "unix:{}", path.display()),
            Self::Unix { path, mode } => write!(f, "unix:{}?mode={mode:o}", path.display()),
        }
    }
}

/// One or several of them: a text with commas or a list of texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Addresses(pub(crate) Vec<Address>);

impl Default for Addresses {
    fn default() -> Self {
        Self(vec![Address::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)))])
    }
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, address) in self.0.iter().enumerate() {
            write!(f, "{}{address}", if number > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}

impl Addresses {
    /// The first that a URL can name.
    pub(crate) fn url(&self, has_tls: bool) -> Option<String> {
        let scheme = if has_tls { "https" } else { "http" };
        self.0.iter().find_map(|address| match address {
            Address::Tcp(address) => Some(format!("{scheme}://{address}")),
            Address::Unix { .. } => None,
        })
    }
}

impl Setting for Addresses {
    const CURE: &'static str = "write an IP address and a port, as in 127.0.0.1:8080, or unix:/path/to.sock, or a list of them";

    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Array(addresses) => Self::all(addresses.iter().map(Value::as_str)),
            value => Self::read_text(value.as_str()?),
        }
    }

    /// With commas in between.
    fn read_text(text: &str) -> Option<Self> {
        Self::all(text.split(',').map(Some))
    }

    fn written(&self, _: Secrets) -> Option<Value> {
        match &self.0[..] {
            [address] => Some(address.to_string().into()),
            addresses => Some(addresses.iter().map(Address::to_string).collect::<Vec<_>>().into()),
        }
    }
}

impl Addresses {
    fn all<'a>(texts: impl Iterator<Item = Option<&'a str>>) -> Option<Self> {
        let addresses: Option<Vec<_>> = texts.map(|text| text?.trim().parse().ok()).collect();
        addresses.filter(|addresses| !addresses.is_empty()).map(Self)
    }

    pub(crate) fn are_local(&self) -> bool {
        self.0.iter().all(Address::is_local)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_or_several_as_a_text_or_a_list() {
        let read = |toml: &str| Addresses::read(&toml.parse::<toml::Table>().unwrap()["listen"]);
        for (written, addresses) in [
            ("\"127.0.0.1:1\"", "127.0.0.1:1"),
            ("\"127.0.0.1:1, [::1]:2,unix:/x\"", "127.0.0.1:1, [::1]:2, unix:/x"),
            ("[\"0.0.0.0:1\", \"unix:/x?mode=600\"]", "0.0.0.0:1, unix:/x?mode=600"),
        ] {
            let addresses_read = read(&format!("listen = {written}")).unwrap();
            assert_eq!(addresses_read.to_string(), addresses);
            assert_eq!(Addresses::read(&addresses_read.written(Secrets::Masked).unwrap()), Some(addresses_read));
        }
        for bad in ["\"localhost\"", "[\"127.0.0.1:1\", \"\"]", "[]", "8080"] {
            assert_eq!(read(&format!("listen = {bad}")), None, "{bad}");
        }
    }

    #[test]
    fn a_unix_socket_has_an_absolute_path_of_bounded_length_and_a_mode() {
        let unix = |length: usize| format!("unix:/{}", "x".repeat(length - 1)).parse::<Address>();
        assert!(unix(LONGEST_PATH - 1).is_ok() && unix(LONGEST_PATH).is_ok());
        assert!(unix(LONGEST_PATH + 1).unwrap_err().contains("at most 100 bytes"));
        let mode = |text: &str| match format!("unix:/x{text}").parse()? {
            Address::Unix { mode, .. } => Ok(mode),
            Address::Tcp(_) => Err("not TCP"),
        };
        assert_eq!([mode(""), mode("?mode=0600"), mode("?mode=777"), mode("?mode=000")], [Ok(0o660), Ok(0o600), Ok(0o777), Ok(0)]);
        for bad in ["?mode=1000", "?mode=8", "?mode=", "?mode=rw"] {
            assert!(mode(bad).unwrap_err().contains("in octal"), "{bad}");
        }
        assert!("unix:x.sock".parse::<Address>().unwrap_err().contains("the whole path"));
    }

    #[test]
    fn what_only_this_machine_reaches_is_local() {
        for (address, is_local) in
            [("127.9.9.9:1", true), ("[::1]:1", true), ("unix:/x", true), ("0.0.0.0:1", false), ("10.0.0.1:1", false)]
        {
            assert_eq!(address.parse::<Address>().unwrap().is_local(), is_local, "{address}");
        }
    }
}
