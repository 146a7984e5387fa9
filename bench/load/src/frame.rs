//! Frames of RFC 6455, section 5.2, made by hand: final ones only.

pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
/// RSV1: the message is compressed (RFC 7692, section 6).
pub(crate) const COMPRESSED: u8 = 0x40;

/// Appends a client's frame.
pub(crate) fn put_masked(to: &mut Vec<u8>, opcode: u8, payload: &[u8], key: [u8; 4]) {
    put_header(to, opcode, payload.len(), 0x80);
    to.extend(key);
    to.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
}

/// Appends a server's frame.
pub(crate) fn put_plain(to: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    put_header(to, opcode, payload.len(), 0);
    to.extend_from_slice(payload);
}

fn put_header(to: &mut Vec<u8>, opcode: u8, length: usize, mask: u8) {
    to.push(0x80 | opcode);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ ..=125), _) => to.push(mask | short),
        (_, Ok(medium)) => {
            to.push(mask | 126);
            to.extend(medium.to_be_bytes());
        }
        _ => {
            to.push(mask | 127);
            to.extend((length as u64).to_be_bytes());
        }
    }
}

/// A server's frame at the beginning of some bytes: its first byte, and where its payload begins and ends.
pub(crate) fn whole(bytes: &[u8]) -> Option<(u8, std::ops::Range<usize>)> {
    let (first, length) = (*bytes.first()?, *bytes.get(1)?);
    let (start, length) = match length & 0x7F {
        126 => (4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        127 => (10, usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?),
        short => (2, usize::from(short)),
    };
    (bytes.len() >= start + length).then_some((first, start..start + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_takes_the_fewest_bytes_and_is_read_back() {
        for (length, header) in [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
            let mut frame = Vec::new();
            put_plain(&mut frame, BINARY, &vec![7; length]);
            assert_eq!(frame.len(), header + length);
            assert_eq!(whole(&frame), Some((0x82, header..header + length)));
            assert_eq!(whole(&frame[..frame.len() - 1]), None);
        }
    }

    #[test]
    fn a_masked_payload_is_plain_once_it_is_unmasked() {
        let mut frame = Vec::new();
        put_masked(&mut frame, TEXT, b"abcdefg", [1, 2, 3, 4]);
        assert_eq!(frame[..2], [0x81, 0x80 | 7]);
        let plain: Vec<u8> = frame[6..].iter().zip(frame[2..6].iter().cycle()).map(|(byte, key)| byte ^ key).collect();
        assert_eq!(plain, b"abcdefg");
    }
}
