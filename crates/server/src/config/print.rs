//! `config print`: what is in effect, as TOML, each value with where it is from.

use std::fmt::Write as _;

use toml::{Table, Value};

use super::load::{Loaded, Sources};
use super::model::{About, Entries, Secrets, Section, Slot, Visitor};
use super::problem::Source;

/// Secrets are masked.
pub(super) fn printed(loaded: &Loaded) -> String {
    let mut printer = Printer { sources: &loaded.sources, section: String::new(), text: String::new() };
    loaded.config.clone().visit(&mut printer);
    printer.text
}

struct Printer<'a> {
    sources: &'a Sources,
    section: String,
    text: String,
}

impl Printer<'_> {
    fn line(&mut self, about: &About, value: Option<Value>) {
        let key = format!("{}{}", self.section, about.name);
        let source = self.sources.get(&key).unwrap_or(&Source::Default);
        let _ = match value {
            Some(value) => writeln!(self.text, "{} = {} # {source}", about.name, written(&value)),
            None => writeln!(self.text, "# {} is not set", about.name),
        };
    }
}

impl Visitor for Printer<'_> {
    fn setting(&mut self, about: &About, slot: &mut dyn Slot) {
        self.line(about, slot.written(Secrets::Masked));
    }

    fn section(&mut self, about: &About, section: &mut dyn Section) {
        let inner = format!("{}{}.", self.section, about.name);
        let _ = writeln!(self.text, "\n[{}]", inner.trim_end_matches('.'));
        let outer = std::mem::replace(&mut self.section, inner);
        section.visit(self);
        self.section = outer;
    }

    fn entries(&mut self, about: &About, entries: &mut dyn Entries) {
        self.line(about, Some(inline(entries, Secrets::Masked)));
    }
}

/// A list of sections as one value.
pub(super) fn inline(entries: &mut dyn Entries, secrets: Secrets) -> Value {
    let mut list = Vec::new();
    entries.each(&mut |entry| {
        let mut inner = Inline { secrets, table: Table::new() };
        entry.visit(&mut inner);
        list.push(Value::Table(inner.table));
    });
    Value::Array(list)
}

struct Inline {
    secrets: Secrets,
    table: Table,
}

impl Visitor for Inline {
    fn setting(&mut self, about: &About, slot: &mut dyn Slot) {
        if let Some(value) = slot.written(self.secrets) {
            self.table.insert(about.name.to_owned(), value);
        }
    }

    fn section(&mut self, about: &About, section: &mut dyn Section) {
        let mut inner = Self { secrets: self.secrets, table: Table::new() };
        section.visit(&mut inner);
        self.table.insert(about.name.to_owned(), Value::Table(inner.table));
    }

    fn entries(&mut self, about: &About, entries: &mut dyn Entries) {
        self.table.insert(about.name.to_owned(), inline(entries, self.secrets));
    }
}

/// A value on one line.
pub(super) fn written(value: &Value) -> String {
    value.to_string()
}
