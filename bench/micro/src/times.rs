//! The hot parts of the protocol, each against a memcpy of the same bytes.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Buf, BytesMut};
use silverback::wire::{Config, Connection, Event, Role, mask};
use silverback::{Message, Prepared};
use tokio::runtime::Runtime;

use crate::measure::{Row, Times, compare};
use crate::workload::{KEY, ascii, frame, in_fragments, multibyte};
use crate::{Failure, queue, registry};

const MEMCPY: &str = "memcpy";

/// All rows as a table in Markdown.
pub(crate) fn table(runtime: &Runtime) -> Result<String, Failure> {
    let mut rows = [unmask(), parse(), utf8(), encode()?].into_iter().flatten().collect::<Vec<_>>();
    rows.extend(queue::rows(runtime)?);
    rows.extend(registry::rows(runtime)?);
    let mut table = "| part | size | ns | GB/s | floor | ns | ratio |\n| --- | --- | --: | --: | --- | --: | --: |\n".to_owned();
    for Row { part, size, bytes, floor, times: Times { part: ns, floor: floor_ns, ratio } } in rows {
        let rate = bytes.map_or(String::new(), |bytes| format!("{:.2}", bytes as f64 / ns));
        table += &format!("| {part} | {size} | {ns:.1} | {rate} | {floor} | {floor_ns:.1} | {ratio:.2} |\n");
    }
    Ok(table)
}

fn unmask() -> Vec<Row> {
    let row = |(size, bytes): (&str, usize)| {
        let mut payload = vec![7; bytes];
        row("unmask", size, bytes, || mask::apply(black_box(&mut payload), black_box(KEY), 0))
    };
    [("16 B", 16), ("125 B", 125), ("1 KiB", 1024), ("16 KiB", 16 << 10), ("1 MiB", 1 << 20)].map(row).into()
}

/// From a client's frames to messages, with the copy out of the kernel's hands that a read is.
fn parse() -> Vec<Row> {
    let row = |(size, count, bytes): (&str, usize, usize)| {
        let frames = frame(&Message::binary(vec![7; bytes]), Some(KEY)).repeat(count);
        row("parse binary", size, frames.len(), receive(Role::Server, &frames))
    };
    [("16 x 16 B", 16, 16), ("16 x 125 B", 16, 125), ("16 x 1 KiB", 16, 1024), ("16 KiB", 1, 16 << 10), ("1 MiB", 1, 1 << 20)]
        .map(row)
        .into()
}

/// Received by a client, to whom nothing comes masked. The first line is what the others would be without the check.
fn utf8() -> Vec<Row> {
    const SIZE: usize = 16 << 10;
    let kinds = [
        ("receive 16 KiB binary", frame(&Message::binary(vec![b'a'; SIZE]), None)),
        ("receive 16 KiB ASCII", frame(&Message::text(ascii(SIZE)), None)),
        ("receive 16 KiB multibyte", frame(&Message::text(multibyte(SIZE)), None)),
        ("receive 16 KiB binary", in_fragments(&Message::binary(vec![b'a'; SIZE]), 16)),
        ("receive 16 KiB ASCII", in_fragments(&Message::text(ascii(SIZE)), 16)),
        ("receive 16 KiB multibyte", in_fragments(&Message::text(multibyte(SIZE)), 16)),
    ];
    let sizes = ["whole", "whole", "whole", "16 fragments", "16 fragments", "16 fragments"];
    kinds.into_iter().zip(sizes).map(|((part, frames), size)| row(part, size, frames.len(), receive(Role::Client, &frames))).collect()
}

fn receive(role: Role, frames: &[u8]) -> impl FnMut() {
    let now = Instant::now();
    let mut connection = Connection::new(role, Arc::new(Config::default()), now);
    let mut buffer = BytesMut::new();
    move || {
        buffer.reserve(frames.len().max(64 * 1024)); // as the library's link does it
        buffer.extend_from_slice(frames);
        connection.receive(buffer.split(), now);
        let mut messages = 0;
        while let Some(event) = connection.poll_event(now) {
            messages += usize::from(matches!(black_box(event), Event::Message(_)));
        }
        assert_ne!(messages, 0);
    }
}

fn encode() -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for (size, count, bytes) in [("16 x 125 B", 16, 125), ("16 x 1 KiB", 16, 1024), ("16 KiB", 1, 16 << 10)] {
        let message = Message::binary(vec![7; bytes]);
        let (mut connection, answer) = (server(), frame(&message, None).len() * count);
        let send = || {
            for _ in 0..count {
                let _ = black_box(connection.send(message.clone()));
            }
            assert_eq!(take(&mut connection), answer);
        };
        rows.push(row("encode", size, answer, send));
    }
    let message = Message::binary(vec![7; 125]);
    rows.push(row("prepare", "125 B", 127, || drop(black_box(Prepared::new(message.clone())))));
    let (prepared, mut connection) = (Prepared::new(message), server());
    let send = || {
        for _ in 0..16 {
            let _ = black_box(connection.send_prepared(&prepared));
        }
        assert_eq!(take(&mut connection), 16 * 127);
    };
    rows.push(row("encode prepared", "16 x 125 B", 16 * 127, send));
    Ok(rows)
}

pub(crate) fn server() -> Connection {
    Connection::new(Role::Server, Arc::new(Config::default()), Instant::now())
}

/// Takes everything that waits, as a transport would, and tells how much it was.
pub(crate) fn take(connection: &mut Connection) -> usize {
    let mut taken = 0;
    while let Some(out) = connection.poll_transmit() {
        let bytes = black_box(out.chunk()).len();
        out.advance(bytes);
        taken += bytes;
    }
    taken
}

/// How long a line of the cache is. On some processors memcpy is half as fast between other places.
const LINE: usize = 64;

fn row(part: &'static str, size: &str, bytes: usize, act: impl FnMut()) -> Row {
    let (from, mut to) = (vec![7_u8; LINE + bytes], vec![0; LINE + bytes]);
    let [from_line, to_line] = [from.as_ptr(), to.as_ptr()].map(|start| start.align_offset(LINE));
    let (from, to) = (&from[from_line..][..bytes], &mut to[to_line..][..bytes]);
    let times = compare(act, || black_box(&mut *to).copy_from_slice(black_box(from)));
    Row { part, size: size.to_owned(), bytes: Some(bytes), floor: MEMCPY, times }
}
