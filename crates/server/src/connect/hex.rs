//! Bytes for people.

use std::fmt::Write as _;

/// So many bytes of a message are shown.
pub(super) const SHOWN: usize = 256;

/// The beginning of these bytes in rows of sixteen, 76 columns wide.
pub(super) fn dump(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (row, sixteen) in bytes[..bytes.len().min(SHOWN)].chunks(16).enumerate() {
        let _ = write!(text, "{:06x} ", row * 16);
        for at in 0..16 {
            let gap = if at % 8 == 0 { " " } else { "" };
            let _ = match sixteen.get(at) {
                Some(byte) => write!(text, "{gap}{byte:02x} "),
                None => write!(text, "{gap}   "),
            };
        }
        let printable = |byte: &u8| if matches!(byte, b' '..=b'~') { char::from(*byte) } else { '.' };
        let _ = writeln!(text, " {}", sixteen.iter().map(printable).collect::<String>());
    }
    text
}

/// Reads bytes as people write them: `00 ff`, `00ff`, `0x00 0xFF`, `00:ff`.
pub(super) fn parse(text: &str) -> Result<Vec<u8>, String> {
    let words = text.split([' ', ',', ':']).map(|word| word.trim_start_matches("0x"));
    let digits: String = words.collect();
    if digits.is_empty() || !digits.len().is_multiple_of(2) {
        return Err("write two digits for each byte, as in /hex 00 ff".to_owned());
    }
    if let Some(other) = digits.chars().find(|digit| !digit.is_ascii_hexdigit()) {
        return Err(format!("{other:?} is no hexadecimal digit: write bytes as in /hex 00 ff"));
    }
    Ok((0..digits.len()).step_by(2).filter_map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_as_people_write_them() {
        for text in ["00ff10", "00 ff 10", "0x00, 0xFF, 0x10", "00:ff:10"] {
            assert_eq!(parse(text), Ok(vec![0, 255, 16]), "{text}");
        }
        for text in ["", "0", "0g", "é1"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_row_has_sixteen_bytes_and_what_they_read_as() {
        assert_eq!(
            dump(b"0123456789\x1b\xffABCDE"),
            "000000  30 31 32 33 34 35 36 37  38 39 1b ff 41 42 43 44  0123456789..ABCD\n000010  45                                                E\n"
        );
        assert_eq!(dump(&[0; 100_000]).lines().count(), SHOWN / 16);
    }
}
