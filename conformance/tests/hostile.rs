//! Peers that mean harm, against the real `silverback echo`: each is ended, or costs little, and others are served meanwhile.

use std::time::Duration;

use flate2::{Compress, Compression, FlushCompress};
use silverback_conformance::raw_peer::{FIN, RSV1, frame};
use silverback_conformance::{Echo, Failure, Opcode, RawPeer, Result, eventually};

const MIB: u64 = 1 << 20;

/// What a process may grow by when nothing has gone wrong: its limit for a message, twice while a buffer grows, and its first buffers, on each of
/// its threads, for which its allocator takes some MiB at a time.
const LITTLE: u64 = 16 * MIB;

#[test]
fn a_bomb_of_64_mib_meets_the_limit_of_1_mib_while_it_is_inflated() -> Result<()> {
    let echo = Echo::start_with(&["--max-message", "1MiB"])?;
    let bomb = deflated(&vec![0; 64 << 20])?;
    assert!(bomb.len() < 70_000, "deflate cannot do better than 1:1032, and this has {} bytes", bomb.len());
    let mut peer = RawPeer::connect_compressing(echo.address, "/")?;
    others_are_served(&echo)?;

    let before = echo.process.peak_memory()?;
    peer.send_bytes(&frame(FIN | RSV1 | Opcode::Binary as u8, &bomb))?;
    let (code, reason) = peer.close()?;
    assert_eq!(code, 1009, "{reason}");
    others_are_served(&echo)?;
    grew_little(&echo, before)
}

#[test]
fn ten_thousand_empty_fragments_are_a_violation_of_policy() -> Result<()> {
    let echo = Echo::start()?;
    let mut peer = RawPeer::connect(echo.address, "/")?;
    let first = frame(Opcode::Text as u8, b"");
    let more = frame(Opcode::Continuation as u8, b"").repeat(10_000);
    peer.send_bytes(&[first, more].concat())?;
    let (code, reason) = peer.close()?;
    assert_eq!(code, 1008, "{reason}");
    others_are_served(&echo)
}

#[test]
fn a_length_of_8_exabytes_is_too_big_before_its_header_is_complete() -> Result<()> {
    let echo = Echo::start()?;
    let mut peer = RawPeer::connect(echo.address, "/")?;
    peer.send_bytes(&unfinished_header(u64::MAX >> 1))?;
    let (code, reason) = peer.close()?;
    assert_eq!(code, 1009, "{reason}");
    others_are_served(&echo)
}

#[test]
fn a_length_with_its_highest_bit_set_breaks_the_protocol() -> Result<()> {
    let echo = Echo::start()?;
    let mut peer = RawPeer::connect(echo.address, "/")?;
    peer.send_bytes(&unfinished_header(u64::MAX))?;
    let (code, reason) = peer.close()?;
    assert_eq!(code, 1002, "{reason}");
    others_are_served(&echo)
}

#[test]
fn a_flood_of_pings_from_a_peer_that_takes_no_pong_costs_little() -> Result<()> {
    const FLOOD: usize = 64 << 20;
    let echo = Echo::start()?;
    let mut peer = RawPeer::connect(echo.address, "/")?;
    others_are_served(&echo)?;

    let before = echo.process.peak_memory()?;
    let pings = frame(FIN | Opcode::Ping as u8, &[b'!'; 125]).repeat(1000);
    let mut sent = 0;
    eventually(Duration::from_secs(60), "the end of the flood or of the connection", || {
        while sent < FLOOD {
            match peer.send_what_has_room(&pings[sent % pings.len()..]) {
                Ok(0) => return Ok(None),
                Ok(more) => sent += more,
                Err(_) => return Ok(Some(())),
            }
        }
        Ok(Some(()))
    })?;
    others_are_served(&echo)?;
    grew_little(&echo, before)
}

#[test]
fn slow_peers_cost_what_they_have_sent_and_not_what_they_have_announced() -> Result<()> {
    let echo = Echo::start()?;
    others_are_served(&echo)?;
    let mut peers = (0..200).map(|_| RawPeer::connect(echo.address, "/")).collect::<Result<Vec<_>>>()?;

    let before = echo.process.peak_memory()?;
    let large = frame(FIN | Opcode::Text as u8, &vec![b'a'; 1 << 20]);
    let (header, payload) = large.split_at(14);
    for peer in &mut peers {
        peer.send_bytes(header)?;
    }
    for byte in payload.chunks(1).take(20) {
        for peer in &mut peers {
            peer.send_bytes(byte)?;
        }
        others_are_served(&echo)?;
    }
    grew_little(&echo, before)
}

/// A message of another connection comes back.
fn others_are_served(echo: &Echo) -> Result<()> {
    let mut other = RawPeer::connect(echo.address, "/")?;
    other.send(Opcode::Text, b"I am well")?;
    assert_eq!(other.message()?.payload, b"I am well");
    Ok(())
}

fn grew_little(echo: &Echo, before: u64) -> Result<()> {
    let grown = echo.process.peak_memory()?.saturating_sub(before);
    println!("the process grew by {} KiB", grown / 1024);
    assert!(grown <= LITTLE, "the process grew by {grown} bytes, from {before}");
    Ok(())
}

/// A message as permessage-deflate sends it (RFC 7692, 7.2.1).
fn deflated(message: &[u8]) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(1 << 20);
    Compress::new(Compression::best(), false).compress_vec(message, &mut bytes, FlushCompress::Sync)?;
    let tail = bytes.strip_suffix(&[0, 0, 0xff, 0xff]).ok_or_else(|| Failure::new("no flush at the end"))?;
    Ok(tail.to_vec())
}

/// A binary frame's header up to its length, without the mask that belongs behind it.
fn unfinished_header(length: u64) -> Vec<u8> {
    let mut bytes = vec![FIN | Opcode::Binary as u8, 0xff];
    bytes.extend(length.to_be_bytes());
    bytes
}
