//! Masking: the XOR of a payload with a four-byte key (RFC 6455, 5.3).
//!
//! ```
//! use silverback_wire::mask;
//!
//! let (mut payload, key) = (*b"Hello", [0x37, 0xfa, 0x21, 0x3d]);
//! mask::apply(&mut payload, key, 0);
//! assert_eq!(payload, *b"\x7f\x9f\x4d\x51\x58"); // as in RFC 6455, 5.7
//! mask::apply(&mut payload, key, 0);
//! assert_eq!(payload, *b"Hello");
//! ```

/// Masks or unmasks `payload` in place; the two are the same. `offset` is how many bytes of the same frame came before, so that
/// a payload can be treated in parts.
///
/// ```
/// # use silverback_wire::mask;
/// # let (mut payload, key) = (*b"Hello", [0x37, 0xfa, 0x21, 0x3d]);
/// mask::apply(&mut payload[..3], key, 0);
/// mask::apply(&mut payload[3..], key, 3); // the rest has come
/// # assert_eq!(payload, *b"\x7f\x9f\x4d\x51\x58");
/// ```
#[inline]
pub fn apply(payload: &mut [u8], key: [u8; 4], offset: usize) {
    let word = u32::from_le_bytes(key).rotate_right(8 * (offset % 4) as u32);
    let wide = u128::from(word) * 0x1_0000_0001_0000_0001_0000_0001;
    // Sixteen bytes at a time with a fixed pattern: the compiler makes vector instructions of it. Then what halves of that are left.
    let (blocks, tail) = payload.as_chunks_mut::<16>();
    for block in blocks {
        *block = (u128::from_le_bytes(*block) ^ wide).to_le_bytes();
    }
    let (eights, tail) = tail.as_chunks_mut::<8>();
    for eight in eights {
        *eight = (u64::from_le_bytes(*eight) ^ wide as u64).to_le_bytes();
    }
    let (fours, tail) = tail.as_chunks_mut::<4>();
    for four in fours {
        *four = (u32::from_le_bytes(*four) ^ word).to_le_bytes();
    }
    for (byte, key) in tail.iter_mut().zip(word.to_le_bytes()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_the_definition_in_any_parts(payload: Vec<u8>, key: [u8; 4], cut in 0usize..100) {
            let expected: Vec<u8> = payload.iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]).collect();
            let mut masked = payload.clone();
            let cut = cut.min(masked.len());
            let (head, tail) = masked.split_at_mut(cut);
            super::apply(head, key, 0);
            super::apply(tail, key, cut);
            prop_assert_eq!(masked, expected);
        }
    }
}
