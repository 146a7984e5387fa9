//! A message that is arriving in parts.

use bytes::BytesMut;

use crate::{Message, ProtocolError, Text};

/// The parts of one message so far, unmasked. Text is checked as it comes, so that a bad byte is found when it arrives and not
/// when the message ends.
#[derive(Debug)]
pub(crate) struct Assembly {
    is_text: bool,
    bytes: BytesMut,
    /// How many bytes are known to be UTF-8. What follows them is at most the beginning of one character.
    checked: usize,
}

impl Assembly {
    pub(crate) fn new(is_text: bool) -> Self {
        Self { is_text, bytes: BytesMut::new(), checked: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn append(&mut self, part: &[u8]) -> Result<(), ProtocolError> {
        self.bytes.extend_from_slice(part);
        if self.is_text {
            self.check()?;
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<Message, ProtocolError> {
        let bytes = self.bytes.freeze();
        if !self.is_text {
            return Ok(Message::Binary(bytes));
        }
        if self.checked != bytes.len() {
            return Err(ProtocolError::InvalidUtf8); // it ends inside a character
        }
        Ok(Message::Text(Text::checked(bytes)))
    }

    fn check(&mut self) -> Result<(), ProtocolError> {
        match simdutf8::compat::from_utf8(&self.bytes[self.checked..]) {
            Ok(_) => self.checked = self.bytes.len(),
            // No length: the end may yet become a character.
            Err(error) if error.error_len().is_none() => self.checked += error.valid_up_to(),
            Err(_) => return Err(ProtocolError::InvalidUtf8),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn text_in_any_parts_is_judged_as_it_would_be_whole(bytes in prop_oneof![any::<Vec<u8>>(), any::<String>().prop_map(String::into_bytes)], cuts: Vec<prop::sample::Index>) {
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.sort_unstable();
            let mut assembly = Assembly::new(true);
            let mut from = 0;
            let judged = cuts.into_iter().chain([bytes.len()]).try_for_each(|to| {
                let part = &bytes[from..to];
                from = to;
                assembly.append(part)
            });
            let judged = judged.and_then(|()| assembly.finish());
            prop_assert_eq!(judged.is_ok(), std::str::from_utf8(&bytes).is_ok());
            if let Ok(message) = judged {
                prop_assert_eq!(&message.payload()[..], &bytes[..]);
            }
        }
    }

    #[test]
    fn a_byte_that_nothing_can_mend_fails_at_once() {
        let mut assembly = Assembly::new(true);
        assert_eq!(assembly.append(&[0xf4]), Ok(()));
        assert_eq!(assembly.append(&[0x90]), Err(ProtocolError::InvalidUtf8), "0xf4 0x90 is beyond U+10FFFF whatever follows");
    }
}
