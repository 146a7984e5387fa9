//! `Sec-WebSocket-Key` and `Sec-WebSocket-Accept` (RFC 6455, 4.2.2).

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, PAD, STANDARD};
use http::HeaderValue;
use sha1::{Digest, Sha1};

const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Some devices fill the last character with noise; its unused bits change nothing.
const LENIENT: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, PAD.with_decode_allow_trailing_bits(true));

/// Whether `key` is 16 bytes of base64.
pub(crate) fn is_valid(key: &[u8]) -> bool {
    key.len() == 24 && LENIENT.decode(key).is_ok_and(|bytes| bytes.len() == 16)
}

/// A new key from 16 unpredictable bytes.
pub(crate) fn generate() -> String {
    STANDARD.encode(rand::random::<[u8; 16]>())
}

/// The answer that proves that a WebSocket server has read `key`.
#[expect(clippy::expect_used, reason = "base64 is a valid header value")]
pub(crate) fn accept(key: &[u8]) -> HeaderValue {
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    HeaderValue::try_from(STANDARD.encode(digest)).expect("base64 is printable ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rfcs_example_gives_the_rfcs_answer() {
        assert_eq!(accept(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn a_key_is_sixteen_bytes_of_base64() {
        assert!(is_valid(b"dGhlIHNhbXBsZSBub25jZQ=="));
        assert!(is_valid(b"dGhlIHNhbXBsZSBub25jZR=="), "unused bits may be anything");
        assert!(is_valid(generate().as_bytes()));
        for bad in [
            "",
            "SGVsbG8sIHdvcmxkIQ==",
            "dGhlIHNhbXBsZSBub25jZQ",
            "dGhlIHNhbXBsZSBub25jZQ==x",
            "dGhlIHNhbXBsZSBub25jZ!==",
            "AAAAAAAAAAAAAAAAAAAAAAA=",
        ] {
            assert!(!is_valid(bad.as_bytes()), "{bad:?}");
        }
    }
}
