//! The records of a spool's file.
//!
//! ```text
//!   ┌────────┬────────┬──────┬──────────┬───────────┐
//!   │ length │ CRC-32 │ kind │ sequence │ event …   │   length: of kind, sequence and event; CRC-32: over the same
//!   │ u32    │ u32    │ u8   │ u64      │           │   all little-endian
//!   └────────┴────────┴──────┴──────────┴───────────┘
//! ```

/// An event's number. A later event has a greater one.
pub(crate) type Sequence = u64;

const HEAD: usize = 8;
const FIXED: usize = 9;

/// The largest event, in bytes: what is longer was never written, so its length is damaged.
const LARGEST: usize = 1 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Record<'a> {
    Event(Sequence, &'a [u8]),
    /// The back end has it; it is kept for the sake of another.
    Delivered(Sequence),
    /// It is needed no more.
    Removed(Sequence),
}

impl<'a> Record<'a> {
    pub(super) fn write(self, to: &mut Vec<u8>) {
        let (kind, sequence, event) = match self {
            Self::Event(sequence, event) => (b'E', sequence, event),
            Self::Delivered(sequence) => (b'D', sequence, &[][..]),
            Self::Removed(sequence) => (b'R', sequence, &[][..]),
        };
        let start = to.len();
        to.extend_from_slice(&[0; HEAD]);
        to.push(kind);
        to.extend_from_slice(&sequence.to_le_bytes());
        to.extend_from_slice(event);
        let (length, sum) = (to.len() - start - HEAD, crc32fast::hash(&to[start + HEAD..]));
        to[start..start + 4].copy_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
        to[start + 4..start + HEAD].copy_from_slice(&sum.to_le_bytes());
    }

    /// The record at the beginning of these bytes and its length in all; `None` where none is whole and sound.
    pub(super) fn read(bytes: &'a [u8]) -> Option<(Self, usize)> {
        let length = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
        let sum = u32::from_le_bytes(bytes.get(4..HEAD)?.try_into().ok()?);
        if !(FIXED..=FIXED + LARGEST).contains(&length) {
            return None;
        }
        let body = bytes.get(HEAD..HEAD + length)?;
        if crc32fast::hash(body) != sum {
            return None;
        }
        let sequence = Sequence::from_le_bytes(body.get(1..FIXED)?.try_into().ok()?);
        let record = match body.first()? {
            b'E' => Self::Event(sequence, body.get(FIXED..)?),
            b'D' => Self::Delivered(sequence),
            b'R' => Self::Removed(sequence),
            _ => return None,
        };
        Some((record, HEAD + length))
    }

    /// How many bytes an event of this length takes.
    pub(super) fn size(event: usize) -> u64 {
        (HEAD + FIXED + event) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(records: &[Record<'_>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        records.iter().for_each(|record| record.write(&mut bytes));
        bytes
    }

    #[test]
    fn records_are_read_as_they_were_written() {
        let records = [Record::Event(7, b"{}\nhello"), Record::Delivered(7), Record::Removed(u64::MAX), Record::Event(8, b"")];
        let bytes = written(&records);
        let mut rest = &bytes[..];
        for record in records {
            let (read, length) = Record::read(rest).unwrap();
            assert_eq!(read, record);
            rest = &rest[length..];
        }
        assert_eq!(Record::read(rest), None);
    }

    #[test]
    fn a_record_that_is_cut_or_changed_anywhere_is_none() {
        let bytes = written(&[Record::Event(7, b"hello")]);
        for cut in 0..bytes.len() {
            assert_eq!(Record::read(&bytes[..cut]), None, "cut at {cut}");
        }
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                assert_eq!(Record::read(&changed), None, "bit {bit} of byte {at}");
            }
        }
    }

    #[test]
    fn the_largest_event_is_read_and_a_larger_one_is_damage() {
        for (length, is_read) in [(LARGEST - 1, true), (LARGEST, true), (LARGEST + 1, false)] {
            let event = vec![0; length];
            let bytes = written(&[Record::Event(1, &event)]);
            assert_eq!(Record::read(&bytes).is_some(), is_read, "{length}");
            assert_eq!(bytes.len() as u64, Record::size(length));
        }
    }
}
