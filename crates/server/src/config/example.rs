//! `config example`: a file with every key, its default and what it is for, made of the model.

use std::fmt::Write as _;

use super::model::{About, Entries, Secrets, Section, Slot, Visitor};
use super::print::written;
use super::{Config, variable};

const HEAD: &str = "\
# Silverback's configuration: every key, with its default. Keys that have none are commented out.
# Made by `silverback config example`. Check yours with `silverback config check --config FILE`.
#
# What is marked \"(restart)\" is read when the server starts; all else also when it gets SIGHUP.
";

pub(super) fn text() -> String {
    let mut example = Example { section: String::new(), is_entry: false, text: HEAD.to_owned() };
    Config::default().visit(&mut example);
    example.text
}

struct Example {
    section: String,
    is_entry: bool,
    text: String,
}

impl Example {
    fn about(&mut self, about: &About, is_scalar: bool) {
        for line in about.doc {
            let _ = writeln!(self.text, "#{line}");
        }
        let variable = (is_scalar && !self.is_entry).then(|| variable(&format!("{}{}", self.section, about.name)));
        let notes: Vec<_> = variable.into_iter().chain(about.needs_restart.then(|| "(restart)".to_owned())).collect();
        if !notes.is_empty() {
            let _ = writeln!(self.text, "# {}", notes.join(" "));
        }
    }
}

impl Visitor for Example {
    fn setting(&mut self, about: &About, slot: &mut dyn Slot) {
        self.text.push('\n');
        self.about(about, slot.is_scalar());
        let mark = if self.is_entry { "#" } else { "" };
        let value = slot.written(Secrets::Masked).map(|value| written(&value));
        let _ = match (about.like, value) {
            (Some(like), None) => writeln!(self.text, "#{} = {like}", about.name),
            (Some(like), Some(value)) if !self.is_entry => writeln!(self.text, "{} = {value} # as in {like}", about.name),
            (Some(like), _) => writeln!(self.text, "#{} = {like}", about.name),
            (None, value) => writeln!(self.text, "{mark}{} = {}", about.name, value.unwrap_or_default()),
        };
    }

    fn section(&mut self, about: &About, section: &mut dyn Section) {
        let inner = format!("{}{}.", self.section, about.name);
        self.text.push('\n');
        for line in section.doc() {
            let _ = writeln!(self.text, "#{line}");
        }
        let _ = writeln!(self.text, "[{}]", inner.trim_end_matches('.'));
        let outer = std::mem::replace(&mut self.section, inner);
        section.visit(self);
        self.section = outer;
    }

    fn entries(&mut self, about: &About, entries: &mut dyn Entries) {
        self.text.push('\n');
        self.about(about, false);
        let _ = writeln!(self.text, "#[[{}{}]]", self.section, about.name);
        let outer = std::mem::replace(&mut self.is_entry, true);
        entries.resize(1);
        entries.each(&mut |entry| entry.visit(self));
        self.is_entry = outer;
    }
}
