//! The PROXY protocol (haproxy.org/download/3.1/doc/proxy-protocol.txt): a header in front of the first byte of a connection, which says whom it is
//! from.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ppp::{v1, v2};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::time::timeout;

/// The longest line of version 1, with its end.
const LONGEST_LINE: usize = 107;

/// The bytes of a header of version 2 that say how long it is.
const FIXED: usize = 16;

/// The most bytes that version 2 may have behind them: addresses and what is said beside.
const LONGEST_REST: usize = 4096;

/// A connection that does not begin as it must.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProtocolError {
    #[error("the connection ended or failed within its PROXY header: {0}")]
    Io(#[from] io::Error),
    #[error("no PROXY header arrived within {0:?}")]
    Slow(Duration),
    #[error("the connection does not begin with the PROXY protocol: switch it on at the balancer, or off here (proxies.protocol)")]
    Missing,
    #[error("the PROXY header is not good: {0}")]
    Malformed(String),
}

/// Reads the header and not a byte more. Gives whom the connection is from, which is the peer itself where the proxy speaks for itself.
///
/// Not cancel-safe: what was read is gone.
pub(crate) async fn introduced<S: AsyncRead + Unpin>(
    stream: &mut S,
    peer: SocketAddr,
    within: Duration,
) -> Result<SocketAddr, ProtocolError> {
    let source = timeout(within, read(stream)).await.map_err(|_| ProtocolError::Slow(within))??;
    Ok(source.unwrap_or(peer))
}

async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Option<SocketAddr>, ProtocolError> {
    let mut header = vec![0; v2::PROTOCOL_PREFIX.len()];
    stream.read_exact(&mut header).await?;
    if header == v2::PROTOCOL_PREFIX {
        binary(stream, header).await
    } else if header.starts_with(v1::PROTOCOL_PREFIX.as_bytes()) {
        text(stream, header).await
    } else {
        Err(ProtocolError::Missing)
    }
}

async fn text<S: AsyncRead + Unpin>(stream: &mut S, mut line: Vec<u8>) -> Result<Option<SocketAddr>, ProtocolError> {
    while !line.ends_with(b"\n") {
        if line.len() == LONGEST_LINE {
            return Err(ProtocolError::Malformed(format!("its line is longer than {LONGEST_LINE} bytes")));
        }
        line.push(stream.read_u8().await?);
    }
    let header = v1::Header::try_from(&*line).map_err(|error| ProtocolError::Malformed(error.to_string()))?;
    Ok(match header.addresses {
        v1::Addresses::Unknown => None,
        v1::Addresses::Tcp4(tcp) => Some(address(tcp.source_address, tcp.source_port)),
        v1::Addresses::Tcp6(tcp) => Some(address(tcp.source_address, tcp.source_port)),
    })
}

async fn binary<S: AsyncRead + Unpin>(stream: &mut S, mut header: Vec<u8>) -> Result<Option<SocketAddr>, ProtocolError> {
    header.resize(FIXED, 0);
    stream.read_exact(&mut header[v2::PROTOCOL_PREFIX.len()..]).await?;
    let rest = usize::from(u16::from_be_bytes([header[FIXED - 2], header[FIXED - 1]]));
    if rest > LONGEST_REST {
        return Err(ProtocolError::Malformed(format!("it has {rest} bytes of addresses and more, and at most {LONGEST_REST} are taken")));
    }
    header.resize(FIXED + rest, 0);
    stream.read_exact(&mut header[FIXED..]).await?;
    let header = v2::Header::try_from(&*header).map_err(|error| ProtocolError::Malformed(error.to_string()))?;
    Ok(match (header.command, header.addresses) {
        (v2::Command::Local, _) => None, // the balancer's own, such as a look whether we live
        (_, v2::Addresses::IPv4(ip)) => Some(address(ip.source_address, ip.source_port)),
        (_, v2::Addresses::IPv6(ip)) => Some(address(ip.source_address, ip.source_port)),
        (_, v2::Addresses::Unspecified | v2::Addresses::Unix(_)) => None,
    })
}

fn address(ip: impl Into<IpAddr>, port: u16) -> SocketAddr {
    SocketAddr::new(ip.into().to_canonical(), port)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PEER: &str = "10.0.0.1:99";

    /// What is made of these bytes, and what is left of them.
    fn read(mut bytes: &[u8]) -> (Result<String, ProtocolError>, &[u8]) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let read = runtime.block_on(introduced(&mut bytes, PEER.parse().unwrap(), Duration::from_secs(60)));
        (read.map(|address| address.to_string()), bytes)
    }

    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [v2::PROTOCOL_PREFIX, &[command, family], &length, rest].concat()
    }

    #[test]
    fn version_1_says_the_address_and_nothing_behind_it_is_read() {
        for (line, source) in [
            ("PROXY TCP4 203.0.113.7 10.0.0.1 4711 80\r\n", "203.0.113.7:4711"),
            ("PROXY TCP6 2001:db8::1 2001:db8::2 4711 80\r\n", "[2001:db8::1]:4711"),
            ("PROXY UNKNOWN\r\n", PEER),
        ] {
            let bytes = [line.as_bytes(), b"GET /"].concat();
            let (read, left) = read(&bytes);
            assert_eq!((read.unwrap().as_str(), left), (source, &b"GET /"[..]), "{line:?}");
        }
    }

    #[test]
    fn version_2_says_the_address_and_nothing_behind_it_is_read() {
        let v4 = [203, 0, 113, 7, 10, 0, 0, 1, 0x12, 0x67, 0, 80];
        let with_more = [&v4[..], &[0x04, 0, 3, 1, 2, 3]].concat();
        let mut v6 = vec![0x20, 0x01, 0x0d, 0xb8];
        v6.resize(32, 0);
        v6.extend([0x12, 0x67, 0, 80]);
        for (header, source) in [
            (v2(0x21, 0x11, &v4), "203.0.113.7:4711"),
            (v2(0x21, 0x11, &with_more), "203.0.113.7:4711"),
            (v2(0x21, 0x21, &v6), "[2001:db8::]:4711"),
            (v2(0x20, 0x00, &[]), PEER),
            (v2(0x20, 0x11, &v4), PEER),
        ] {
            let bytes = [&header[..], b"GET /"].concat();
            let (read, left) = read(&bytes);
            assert_eq!((read.unwrap().as_str(), left), (source, &b"GET /"[..]), "{header:?}");
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        for bad in [
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            b"PROXY TCP4 203.0.113.7\r\n",
            b"PROXY TCP4 a.b.c.d 10.0.0.1 1 2\r\n",
            b"PROXY",
            b"",
            &[v2::PROTOCOL_PREFIX, &[0x31, 0x11, 0, 0]].concat(),
            &[v2::PROTOCOL_PREFIX, &[0x21, 0x11, 0, 2, 1, 1]].concat(),
        ] {
            let (read, _) = read(bad);
            assert!(read.is_err(), "{bad:?}: {read:?}");
        }
    }

    #[test]
    fn a_header_has_a_longest_length() {
        for length in [LONGEST_LINE - 1, LONGEST_LINE, LONGEST_LINE + 1] {
            let line = format!("PROXY UNKNOWN {}\r\n", "x".repeat(length - "PROXY UNKNOWN \r\n".len()));
            assert_eq!(read(line.as_bytes()).0.is_ok(), length <= LONGEST_LINE, "{length}");
        }
        for rest in [LONGEST_REST - 1, LONGEST_REST, LONGEST_REST + 1] {
            let header = v2(0x20, 0x00, &vec![0; rest]);
            assert_eq!(read(&header).0.is_ok(), rest <= LONGEST_REST, "{rest}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_header_that_does_not_come_is_not_waited_for_for_ever() {
        let (mut ours, _theirs) = tokio::io::duplex(64);
        let read = introduced(&mut ours, PEER.parse().unwrap(), Duration::from_secs(10)).await;
        assert!(matches!(read, Err(ProtocolError::Slow(_))), "{read:?}");
    }

    proptest! {
        #[test]
        fn whatever_arrives_is_no_panic(begin in 0_usize..3, bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let begin: &[u8] = [&b""[..], v2::PROTOCOL_PREFIX, b"PROXY "][begin];
            let _ = read(&[begin, &bytes].concat());
        }
    }
}
