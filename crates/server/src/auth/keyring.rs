//! Which keys are tried on a token.

use super::TokenError;
use super::head::{Head, name};
use super::key::Key;

/// Why there is no key to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoKey {
    /// The token names a key that is not there.
    Kid,
    /// No key is for the token's algorithm.
    Algorithm,
}

/// The keys that may have signed a token: those that it names, or else those without a name; of the algorithm that it says, which must be
/// the key's own.
pub(super) fn candidates<'a>(keys: &[&'a Key], head: &Head) -> Result<Vec<&'a Key>, NoKey> {
    let is_for_it = |key: &&&Key| key.algorithm == head.algorithm;
    let Some(kid) = head.kid.as_deref() else {
        let fitting: Vec<_> = keys.iter().filter(is_for_it).copied().collect();
        return if fitting.is_empty() { Err(NoKey::Algorithm) } else { Ok(fitting) };
    };
    let named: Vec<_> = keys.iter().filter(|key| key.kid.as_deref() == Some(kid)).collect();
    if !named.is_empty() {
        let fitting: Vec<_> = named.into_iter().filter(is_for_it).copied().collect();
        return if fitting.is_empty() { Err(NoKey::Algorithm) } else { Ok(fitting) };
    }
    let nameless: Vec<_> = keys.iter().filter(|key| key.kid.is_none()).filter(is_for_it).copied().collect();
    if nameless.is_empty() { Err(NoKey::Kid) } else { Ok(nameless) }
}

impl NoKey {
    pub(super) fn error(self, keys: &[&Key], head: &Head) -> TokenError {
        let mut known: Vec<_> = keys.iter().map(|key| name(key.algorithm)).collect();
        known.sort_unstable();
        known.dedup();
        let asked = name(head.algorithm);
        match self {
            Self::Kid if known.is_empty() || known.contains(&asked) => TokenError::KeyUnknown,
            _ => TokenError::Algorithm { asked, known },
        }
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::Algorithm;

    use super::*;

    fn key(kid: Option<&str>, algorithm: Algorithm) -> Key {
        Key::from_secret(kid.map(str::to_owned), algorithm, b"secret").unwrap()
    }

    fn chosen(keys: &[Key], kid: Option<&str>, algorithm: Algorithm) -> Result<usize, NoKey> {
        let keys: Vec<_> = keys.iter().collect();
        candidates(&keys, &Head { algorithm, kid: kid.map(str::to_owned) }).map(|found| found.len())
    }

    #[test]
    fn a_token_is_tried_with_the_key_it_names_or_with_those_that_have_no_name() {
        let keys =
            [key(Some("a"), Algorithm::HS256), key(Some("b"), Algorithm::HS256), key(None, Algorithm::HS256), key(None, Algorithm::HS512)];
        assert_eq!(chosen(&keys, Some("a"), Algorithm::HS256), Ok(1));
        assert_eq!(chosen(&keys, Some("c"), Algorithm::HS256), Ok(1));
        assert_eq!(chosen(&keys, None, Algorithm::HS256), Ok(3));
        assert_eq!(chosen(&keys, None, Algorithm::HS512), Ok(1));
        assert_eq!(chosen(&keys[..2], Some("c"), Algorithm::HS256), Err(NoKey::Kid));
        assert_eq!(chosen(&[], None, Algorithm::HS256), Err(NoKey::Algorithm));
    }

    #[test]
    fn a_key_is_never_tried_with_another_algorithm_than_its_own() {
        let keys = [key(Some("a"), Algorithm::HS256), key(None, Algorithm::HS512)];
        assert_eq!(chosen(&keys, Some("a"), Algorithm::HS512), Err(NoKey::Algorithm));
        assert_eq!(chosen(&keys, Some("a"), Algorithm::RS256), Err(NoKey::Algorithm));
        assert_eq!(chosen(&keys, None, Algorithm::RS256), Err(NoKey::Algorithm));
    }
}
