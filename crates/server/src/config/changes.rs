//! What is different in a configuration that was loaded again.

use std::collections::BTreeMap;

use toml::Value;

use super::Config;
use super::model::{About, Entries, Secrets, Section, Slot, Visitor};
use super::print::inline;

/// A key that has another value now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) key: String,
    /// Whether the server goes on with the value from before.
    pub(crate) needs_restart: bool,
}

/// Every key that is different.
pub(crate) fn changes(before: &Config, after: &Config) -> Vec<Change> {
    let (before, after) = (Values::of(before), Values::of(after));
    let pairs = before.0.iter().zip(&after.0);
    let changed = pairs.filter(|((_, before), (_, after))| before.value != after.value);
    changed.map(|((key, before), _)| Change { key: key.clone(), needs_restart: before.needs_restart }).collect()
}

/// Takes back in a new configuration what only a restart can change.
pub(crate) fn keep_what_needs_a_restart(config: &mut Config, before: &Config) {
    config.visit(&mut Keep { section: String::new(), values: Values::of(before) });
}

struct Keep {
    section: String,
    values: Values,
}

impl Visitor for Keep {
    fn setting(&mut self, about: &About, slot: &mut dyn Slot) {
        if about.needs_restart {
            let key = format!("{}{}", self.section, about.name);
            slot.restore(self.values.0.get(&key).and_then(|known| known.value.as_ref()));
        }
    }

    fn section(&mut self, about: &About, section: &mut dyn Section) {
        let inner = format!("{}{}.", self.section, about.name);
        let outer = std::mem::replace(&mut self.section, inner);
        section.visit(self);
        self.section = outer;
    }

    /// A list can always be changed.
    fn entries(&mut self, _: &About, _: &mut dyn Entries) {}
}

/// Every value by its key. Both maps have the same keys, which is all that the type says of a configuration.
struct Values(BTreeMap<String, Known>);

struct Known {
    value: Option<Value>,
    needs_restart: bool,
}

impl Values {
    fn of(config: &Config) -> Self {
        let mut walk = Walk { section: String::new(), values: Self(BTreeMap::new()) };
        config.clone().visit(&mut walk);
        walk.values
    }
}

struct Walk {
    section: String,
    values: Values,
}

impl Walk {
    fn add(&mut self, about: &About, value: Option<Value>) {
        let key = format!("{}{}", self.section, about.name);
        self.values.0.insert(key, Known { value, needs_restart: about.needs_restart });
    }
}

impl Visitor for Walk {
    fn setting(&mut self, about: &About, slot: &mut dyn Slot) {
        self.add(about, slot.written(Secrets::Compared));
    }

    fn section(&mut self, about: &About, section: &mut dyn Section) {
        let inner = format!("{}{}.", self.section, about.name);
        let outer = std::mem::replace(&mut self.section, inner);
        section.visit(self);
        self.section = outer;
    }

    fn entries(&mut self, about: &About, entries: &mut dyn Entries) {
        self.add(about, Some(inline(entries, Secrets::Compared)));
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Secret, keys};
    use super::*;

    #[test]
    fn what_has_changed_is_told_key_by_key() {
        let before = Config::default();
        assert_eq!(changes(&before, &before.clone()), []);
        let mut after = before.clone();
        after.listen.0[0] = "127.0.0.1:1".parse().unwrap();
        after.limits.message = bytesize::ByteSize::kib(1);
        after.api.key = Some(Secret::new("one".to_owned()));
        let change = |key: &str, needs_restart| Change { key: key.to_owned(), needs_restart };
        let expected = [change("api.key", false), change("limits.message", false), change("listen", true)];
        assert_eq!(changes(&before, &after), expected);
        let mut other = after.clone();
        other.api.key = Some(Secret::new("two".to_owned()));
        assert_eq!(changes(&after, &other), [change("api.key", false)], "secrets are compared, not their masks");
    }

    #[test]
    fn what_needs_a_restart_stays_as_it_was() {
        let before = Config::default();
        let mut after = before.clone();
        after.listen.0[0] = "127.0.0.1:1".parse().unwrap();
        after.limits.message = bytesize::ByteSize::kib(1);
        keep_what_needs_a_restart(&mut after, &before);
        assert_eq!((&after.listen, after.limits.message), (&before.listen, bytesize::ByteSize::kib(1)));
    }

    #[test]
    fn every_key_is_looked_at() {
        assert_eq!(Values::of(&Config::default()).0.len(), keys().len());
    }
}
