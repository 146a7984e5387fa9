//! `peer SOURCE SERVER TARGET COUNT`: connects so many times from an address, says `holding COUNT`, and stays.
//!
//! It answers pings. It is made to be stopped, killed, and cut off.

use std::thread;

use silverback_conformance::{Failure, RawPeer, Result};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [source, server, target, count] = &arguments[..] else {
        return Err(Failure::new("usage: peer SOURCE SERVER TARGET COUNT"));
    };
    let (source, server, count) = (source.parse()?, server.parse()?, count.parse()?);
    let peers = (0..count).map(|_| RawPeer::connect_from(source, server, target)).collect::<Result<Vec<RawPeer>>>()?;
    println!("holding {count}");
    let holding: Vec<_> = peers.into_iter().map(|peer| thread::spawn(move || peer.hold())).collect();
    for held in holding {
        held.join().map_err(|_| Failure::new("a thread panicked"))??;
    }
    Ok(())
}
