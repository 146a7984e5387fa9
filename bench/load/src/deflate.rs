//! The client's half of permessage-deflate without context takeover (RFC 7692, section 7.2).

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

use crate::failure::{Context as _, Failure, Result};

/// What a flush ends with, and the sender leaves out.
const TAIL: [u8; 4] = [0, 0, 0xFF, 0xFF];

pub(crate) fn deflated(payload: &[u8]) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(payload.len() + 64);
    Compress::new(Compression::default(), false).compress_vec(payload, &mut out, FlushCompress::Sync).context(|| "deflate".to_owned())?;
    out.strip_suffix(&TAIL[..]).map(<[u8]>::to_vec).ok_or_else(|| Failure::new("deflate: a message did not fit its buffer"))
}

/// `length` is what it has to become: one byte more is noticed.
pub(crate) fn inflated(payload: &[u8], length: usize) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(length + 1);
    let whole = [payload, &TAIL].concat();
    Decompress::new(false).decompress_vec(&whole, &mut out, FlushDecompress::Sync).context(|| "inflate".to_owned())?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_deflated_is_inflated() {
        let text = b"abc abc abc abc abc abc".repeat(40);
        let small = deflated(&text).unwrap();
        assert!(small.len() < text.len() / 4);
        assert_eq!(inflated(&small, text.len()).unwrap(), text);
    }
}
