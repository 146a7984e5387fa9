//! Writes `seeds/`: where the runs begin. Made from the RFCs' own examples, each behind the numbers that its target reads first.

use std::fs;
use std::io;
use std::path::Path;

use flate2::{Compress, Compression, FlushCompress};
use silverback_fuzz::{RSV1, frame};
use silverback_wire::Role;

/// A choice without compression.
const NONE: [u8; 2] = [0, 0];
/// Compression with windows of 15 bits, of all messages, with nothing carried from one to the next.
const PLAIN: [u8; 2] = [0x29, 0x6e];
/// The same, with context takeover both ways.
const TAKEOVER: [u8; 2] = [0x2f, 0x6e];
/// Pieces of these lengths.
const WHOLE: [u8; 4] = [0; 4];
const SMALL: [u8; 4] = [1, 2, 3, 5];
/// Every other piece is read into lent room.
const LENT: [u8; 1] = [0xaa];

fn main() -> io::Result<()> {
    connections()?;
    compressed_messages()?;
    handshakes()?;
    for number in 1..=4 {
        write("both_ends", &format!("noise-{number}"), &[&TAKEOVER, &TAKEOVER, &noise(number, 300 << number)])?;
    }
    Ok(())
}

fn connections() -> io::Result<()> {
    for (is_client, name, sender) in [(0, "to-a-server", Role::Client), (1, "to-a-client", Role::Server)] {
        let frames = frames(sender);
        for (what, bytes) in &frames {
            for (kind, choice, part_size) in [("whole", NONE, 0), ("deflate", TAKEOVER, 0), ("parts", PLAIN, 3)] {
                let setting = setting(is_client, 1000, part_size, choice);
                let name = format!("{what}-{name}-{kind}");
                write("cuts", &name, &[&setting, &SMALL, &LENT, bytes])?;
                write("frames", &name, &[&setting, &[0], &SMALL, &LENT, &[255, 0, 255, 0], bytes])?;
            }
        }
        // More than is inflated at a time, whose rest arrives before that was taken.
        let large = frame(sender, 0x81 | RSV1, &deflated(&text(50_000))).repeat(2);
        write("cuts", &format!("large-{name}"), &[&setting(is_client, 60_000, 255, PLAIN), &SMALL, &LENT, &large])?;
        write("cuts", &format!("large-{name}-takeover"), &[&setting(is_client, 60_000, 255, TAKEOVER), &[60, 9, 9, 9], &LENT, &large])?;
        // Enough of a large message that room is lent for its rest.
        let begun = &frame(sender, 0x82, &[7; 60_000])[..2500];
        write("cuts", &format!("begun-{name}"), &[&setting(is_client, 60_000, 0, NONE), &[150, 1, 60, 9], &LENT, begun])?;
        write(
            "frames",
            &format!("begun-{name}"),
            &[&setting(is_client, 60_000, 0, NONE), &[0], &SMALL, &[255], &[255, 0, 255, 23], begun],
        )?;
        // A transport that takes nothing; one that takes little, from a peer that pauses, until the application closes; times that end.
        let pings = frame(sender, 0x89, b"Hello").repeat(10);
        write("frames", &format!("flood-{name}"), &[&setting(is_client, 1000, 0, NONE), &[0], &WHOLE, &LENT, &[0, 0, 255, 255], &pings])?;
        let all: Vec<u8> = frames.into_iter().flat_map(|(_, bytes)| bytes).collect();
        write("frames", &format!("slow-{name}"), &[&setting(is_client, 1000, 0, NONE), &[8], &SMALL, &LENT, &[1, 25, 4, 1], &all])?;
        write(
            "frames",
            &format!("deadlines-{name}"),
            &[&setting(is_client, 1000, 0, NONE), &[15], &SMALL, &LENT, &[255, 5, 255, 0], &all],
        )?;
    }
    Ok(())
}

fn compressed_messages() -> io::Result<()> {
    for (kind, choice) in [("plain", PLAIN), ("takeover", TAKEOVER)] {
        let setting = setting(0, 1000, 0, choice);
        let numbers = |times: u16, messages: u8| [&[1][..], &times.to_le_bytes(), &[messages, 0, 0, 0, 3, 0]].concat();
        for (name, payload) in DEFLATED {
            write("inflate", &format!("{name}-{kind}"), &[&setting, &WHOLE, &numbers(0, 1), payload])?;
        }
        write("inflate", &format!("text-{kind}"), &[&setting, &SMALL, &numbers(3, 2), b"Hello, Hello, Hello"])?;
        write("inflate", &format!("bomb-{kind}"), &[&setting, &WHOLE, &numbers(u16::MAX, 0), &[b'x'; 20]])?;
    }
    Ok(())
}

fn handshakes() -> io::Result<()> {
    let limit = &1000u16.to_le_bytes();
    for (name, head) in REQUESTS {
        for (kind, rules) in [("open", [2, 1, 0]), ("strict", [0, 0, 1])] {
            write("request", &format!("{name}-{kind}"), &[&rules, &TAKEOVER, &SMALL, limit, head.replace('\n', "\r\n").as_bytes()])?;
        }
    }
    for (name, head) in RESPONSES {
        write("response", name, &[&TAKEOVER, &SMALL, limit, head.replace('\n', "\r\n").as_bytes()])?;
    }
    for (name, lines) in EXTENSIONS {
        write("extensions", name, &[&TAKEOVER, &TAKEOVER, &[0], lines.as_bytes()])?;
        write("extensions", &format!("{name}-and-our-own"), &[&PLAIN, &PLAIN, &[1], lines.as_bytes()])?;
    }
    Ok(())
}

/// RFC 6455, 1.2, and what goes wrong with it.
const REQUESTS: [(&str, &str); 5] = [
    (
        "example",
        "GET /chat HTTP/1.1\nHost: server.example.com\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n\
         Origin: http://example.com\nSec-WebSocket-Protocol: chat, superchat\nSec-WebSocket-Version: 13\n\n",
    ),
    (
        "page",
        "GET / HTTP/1.1\nHost: a:8080\nUpgrade: websocket\nConnection: keep-alive, Upgrade\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n\
         Origin: https://a:8080\nX-Forwarded-Proto: https\nSec-WebSocket-Version: 13\n\
         Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\n\n",
    ),
    ("proxied", "GET / HTTP/1.0\nHost: a\nConnection: close\nVia: 1.1 b\nSec-WebSocket-Key: x\nAccept: application/json\n\n"),
    ("fetch", "GET / HTTP/1.1\nHost: a\nSec-Fetch-Mode: cors\nAccept: text/html\n\n"),
    ("post", "POST / HTTP/1.1\nHost: a\nContent-Length: 1\nTransfer-Encoding: chunked\n\nx"),
];

/// RFC 6455, 1.2. The target puts the right key where it says so.
const RESPONSES: [(&str, &str); 3] = [
    (
        "example",
        "HTTP/1.1 101 Switching Protocols\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Accept: right\nSec-WebSocket-Protocol: chat\n\n",
    ),
    (
        "compressing",
        "HTTP/1.1 101 \nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Accept: right\n\
         Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10; client_max_window_bits=9\n\n\u{1}\u{2}",
    ),
    ("refused", "HTTP/1.1 403 Forbidden\nContent-Length: 2\n\nno"),
];

/// RFC 7692, 7.1, and RFC 6455, 9.1.
const EXTENSIONS: [(&str, &str); 6] = [
    ("bare", "permessage-deflate"),
    ("any-window", "permessage-deflate; client_max_window_bits; server_max_window_bits=10"),
    ("two-offers", "permessage-deflate; client_max_window_bits; server_max_window_bits=8, permessage-deflate; client_max_window_bits"),
    ("largest-windows", "permessage-deflate; server_max_window_bits=15; client_max_window_bits=15"),
    ("no-takeover", "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits=\"12\""),
    ("lines", "foo, bar; baz=2\nmux; max-channels=4; flow-control, deflate-stream\nprivate-extension"),
];

/// RFC 7692, 7.2.3.
const DEFLATED: [(&str, &[u8]); 6] = [
    ("hello", &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]),
    ("hello-again", &[0xf2, 0x00, 0x11, 0x00, 0x00]),
    ("stored", &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00]),
    ("last-block", &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00]),
    ("two-blocks", &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00]),
    ("empty", &[0x00]),
];

/// RFC 6455, 5.7, and RFC 7692, 7.2.3, as this end sends them.
fn frames(sender: Role) -> Vec<(&'static str, Vec<u8>)> {
    let hello = frame(sender, 0x81, b"Hello");
    let in_fragments = [frame(sender, 0x01, b"Hel"), frame(sender, 0x89, b"Hello"), frame(sender, 0x80, b"lo")].concat();
    let compressed = DEFLATED.iter().flat_map(|(_, payload)| frame(sender, 0x81 | RSV1, payload)).collect();
    let compressed_in_fragments = [frame(sender, 0x01 | RSV1, &DEFLATED[0].1[..3]), frame(sender, 0x80, &DEFLATED[0].1[3..])].concat();
    vec![
        ("hello", [hello.clone(), hello].concat()),
        ("fragments", in_fragments),
        ("pings", [frame(sender, 0x89, b"Hello"), frame(sender, 0x8a, b"Hello"), frame(sender, 0x89, b"")].concat()),
        ("binary", [frame(sender, 0x82, &[0; 256]), frame(sender, 0x82, &[7; 1001])].concat()),
        ("compressed", compressed),
        ("compressed-fragments", compressed_in_fragments),
        ("close", [frame(sender, 0x82, b"last"), frame(sender, 0x88, b"\x03\xe8bye"), frame(sender, 0x89, b"")].concat()),
        ("not-utf8", frame(sender, 0x81, "κόσμε\u{fffd}".as_bytes()).into_iter().chain(frame(sender, 0x81, b"\xf4\x90")).collect()),
    ]
}

/// Text that shrinks to a hundredth.
fn text(length: usize) -> Vec<u8> {
    b"Hello, Hello! ".iter().chain(&[b'x'; 500]).copied().cycle().take(length).collect()
}

/// As a peer compresses (RFC 7692, 7.2.1).
fn deflated(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 100);
    let outcome = Compress::new(Compression::best(), false).compress_vec(payload, &mut out, FlushCompress::Sync);
    assert!(outcome.is_ok() && out.ends_with(&[0, 0, 0xff, 0xff]), "zlib compresses any bytes");
    out.truncate(out.len() - 4);
    out
}

/// Bytes that look like chance and are the same every time.
fn noise(seed: u32, length: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// The bytes of a `Setting`.
fn setting(is_client: u8, message_limit: u16, part_size: u8, choice: [u8; 2]) -> Vec<u8> {
    [&[is_client][..], &message_limit.to_le_bytes(), &[part_size], &choice, &choice].concat()
}

fn write(target: &str, name: &str, parts: &[&[u8]]) -> io::Result<()> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    fs::create_dir_all(&directory)?;
    fs::write(directory.join(name), parts.concat())
}
