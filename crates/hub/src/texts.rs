//! Texts that are the same for many sessions, such as the name of a browser: each is held once.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// So many are kept before those are forgotten that no session has any more.
const FEW: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct Texts(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    texts: HashSet<Arc<str>>,
    /// How many there may be until the next look at them.
    look_at: usize,
}

impl Texts {
    /// The text, as those have it who have it already.
    pub(crate) fn shared(&self, text: Arc<str>) -> Arc<str> {
        let mut forgotten = HashSet::new(); // dropped behind the lock
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(text) = known.texts.get(&text) {
            return text.clone();
        }
        if known.texts.len() >= known.look_at.max(FEW) {
            forgotten.extend(known.texts.extract_if(|text| Arc::strong_count(text) == 1));
            known.look_at = known.texts.len() * 2;
            let room = known.look_at;
            known.texts.shrink_to(room);
        }
        known.texts.insert(text.clone());
        drop(known);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_held_once_however_many_have_it() {
        let texts = Texts::default();
        let [one, other] = ["a browser", "a browser"].map(|text| texts.shared(text.into()));
        assert!(Arc::ptr_eq(&one, &other));
        assert_eq!(&*texts.shared("another".into()), "another");
    }

    #[test]
    fn texts_that_nobody_has_any_more_are_forgotten() {
        let texts = Texts::default();
        let stays = texts.shared("stays".into());
        let most = (0..10_000).map(|number| {
            texts.shared(format!("text {number}").into());
            texts.0.lock().unwrap().texts.len()
        });
        assert!(most.max().unwrap() <= FEW);
        assert!(Arc::ptr_eq(&texts.shared("stays".into()), &stays));
    }
}
