//! Loading: the file, over it the environment, over both the flags. Everything that is wrong is found at once.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::Deserialize as _;
use toml::Spanned;
use toml::Value;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::environment::{PREFIX, is_of_kubernetes, variable};
use super::model::{About, Entries, Section, Slot, Visitor};
use super::problem::{ConfigError, Problem, Source, nearest};
use super::{Config, keys};

/// Where a configuration is taken from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layers {
    pub(crate) file: Option<PathBuf>,
    pub(crate) flags: Vec<Flag>,
}

/// What a flag of the command line says about a key.
#[derive(Debug, Clone)]
pub(crate) struct Flag {
    pub(crate) name: &'static str,
    pub(crate) key: &'static str,
    pub(crate) value: String,
}

/// A configuration, and where each of its values is from.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    pub(crate) sources: Sources,
}

/// By key; what is not in here has its default.
pub(crate) type Sources = BTreeMap<String, Source>;

impl Layers {
    /// A file, if there is one, and the environment.
    pub(crate) fn of(file: Option<PathBuf>) -> Self {
        Self { file, flags: Vec::new() }
    }

    /// Waits for the disk.
    pub(crate) fn load(&self) -> Result<Loaded, ConfigError> {
        self.load_from(std::env::vars_os().map(|(name, value)| (name.to_string_lossy().into_owned(), value)))
    }

    pub(super) fn load_from(&self, environment: impl Iterator<Item = (String, OsString)>) -> Result<Loaded, ConfigError> {
        let read = |file: &Path| std::fs::read_to_string(file).map_err(|error| ConfigError::File(file.display().to_string(), error));
        let text = self.file.as_deref().map(read).transpose()?.unwrap_or_default();
        let name = self.file.as_ref().map(|file| file.display().to_string()).unwrap_or_default();
        let environment = environment.filter(|(name, _)| name.starts_with(PREFIX)).collect();
        let loader = Loader { file: File { name, text: &text }, environment, flags: &self.flags, ..Loader::default() };
        loader.load()
    }
}

/// What a file with this text configures.
#[cfg(test)]
pub(super) fn from_text(name: &str, text: &str) -> Result<Loaded, ConfigError> {
    Loader { file: File { name: name.to_owned(), text }, ..Loader::default() }.load()
}

/// The text of the file, for its lines.
#[derive(Default)]
struct File<'a> {
    name: String,
    text: &'a str,
}

impl File<'_> {
    fn at(&self, offset: usize) -> Source {
        let before = self.text.as_bytes().iter().take(offset);
        Source::Line(self.name.clone(), 1 + before.filter(|byte| **byte == b'\n').count())
    }
}

/// Fills a configuration in.
#[derive(Default)]
struct Loader<'a> {
    file: File<'a>,
    environment: BTreeMap<String, OsString>,
    flags: &'a [Flag],
    /// The sections around what is looked at, the innermost last.
    levels: Vec<Level<'a>>,
    sources: Sources,
    problems: Vec<Problem>,
}

/// A section, while it is filled in.
#[derive(Default)]
struct Level<'a> {
    key: String,
    /// What the file says in it that nobody has asked for yet.
    table: DeTable<'a>,
    names: Vec<&'static str>,
    /// Whether it is in a list, where variables do not reach.
    is_entry: bool,
}

impl<'a> Loader<'a> {
    fn load(mut self) -> Result<Loaded, ConfigError> {
        let mut config = Config::default();
        let (table, errors) = DeTable::parse_recoverable(self.file.text);
        for error in errors {
            let source = self.file.at(error.span().map_or(0, |span| span.start));
            self.problems.push(Problem { source, key: String::new(), text: format!("this is not TOML: {}", error.message()) });
        }
        // What an error leaves of a file is not what was meant.
        if self.problems.is_empty() {
            self.fill(Level { table: table.into_inner(), ..Level::default() }, &mut config);
            self.check_variables();
            let is_read = |problem: &Problem| !self.problems.iter().any(|wrong| section(&wrong.key) == section(&problem.key));
            let more: Vec<_> = config.problems().into_iter().filter(is_read).map(|problem| locate(&self.sources, problem)).collect();
            self.problems.extend(more);
        }
        if self.problems.is_empty() { Ok(Loaded { config, sources: self.sources }) } else { Err(ConfigError::Problems(self.problems)) }
    }

    /// Fills a section with what the file says in it. What the file says beside is unknown.
    fn fill(&mut self, level: Level<'a>, section: &mut dyn Section) {
        self.levels.push(level);
        section.visit(self);
        let Some(Level { key, table, names, .. }) = self.levels.pop() else { return };
        let place = if key.is_empty() { "outside of sections".to_owned() } else { format!("in [{key}]") };
        for unknown in table.keys() {
            let cure = match nearest(unknown.get_ref(), names.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("the keys are {}", names.join(", ")),
            };
            let text = format!("there is no key `{}` {place}: {cure}", unknown.get_ref().escape_debug());
            self.problems.push(Problem { source: self.file.at(unknown.span().start), key: String::new(), text });
        }
    }

    fn path(&self, name: &str) -> String {
        let section = self.levels.last().map_or("", |level| &level.key);
        if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") }
    }

    /// What the file says of a name in this section.
    fn take(&mut self, name: &'static str) -> Option<Spanned<DeValue<'a>>> {
        let level = self.levels.last_mut()?;
        level.names.push(name);
        level.table.remove(name)
    }

    fn is_entry(&self) -> bool {
        self.levels.last().is_some_and(|level| level.is_entry)
    }

    fn wrong(&mut self, key: &str, source: Source, cure: &str) {
        self.problems.push(Problem { source, key: key.to_owned(), text: format!("is not good: {cure}") });
    }

    /// Names in the environment that set nothing. Kubernetes puts some there for a service that is called `silverback`.
    fn check_variables(&mut self) {
        let known: Vec<_> = keys().into_iter().filter(|key| key.is_scalar).map(|key| variable(&key.path)).collect();
        for name in self.environment.keys().filter(|name| !known.contains(name) && !is_of_kubernetes(name)) {
            let distinct = |name: &'_ str| name.get(PREFIX.len()..).unwrap_or_default().to_owned();
            let endings: Vec<_> = known.iter().map(|name| distinct(name)).collect();
            let cure = match nearest(&distinct(name), endings.iter().map(String::as_str)) {
                Some(meant) => format!("did you mean {PREFIX}{meant}?"),
                None => "`silverback config example` shows them all".to_owned(),
            };
            let text = format!("there is no setting {} (a variable of the environment): {cure}", name.escape_debug());
            self.problems.push(Problem { source: Source::Variable(name.clone()), key: String::new(), text });
        }
    }
}

impl<'a> Visitor for Loader<'a> {
    fn setting(&mut self, about: &About, slot: &mut dyn Slot) {
        let key = self.path(about.name);
        let mut source = Source::Default;
        let mut is_good = true;
        if let Some(value) = self.take(about.name) {
            source = self.file.at(value.span().start);
            is_good = Value::deserialize(ValueDeserializer::from(value)).is_ok_and(|value| slot.set(&value));
        }
        if !self.is_entry() && slot.is_scalar() {
            let name = variable(&key);
            if let Some(value) = self.environment.get(&name) {
                is_good = value.to_str().is_some_and(|value| slot.set_text(value));
                source = Source::Variable(name);
            }
        }
        for flag in self.flags.iter().filter(|flag| flag.key == key) {
            is_good &= slot.add_text(&flag.value);
            source = Source::Flag(flag.name);
        }
        if !is_good {
            self.wrong(&key, source.clone(), slot.cure());
        }
        if source != Source::Default {
            self.sources.insert(key, source);
        }
    }

    fn section(&mut self, about: &About, section: &mut dyn Section) {
        let key = self.path(about.name);
        let table = match self.take(about.name).map(|value| (value.span(), value.into_inner())) {
            Some((_, DeValue::Table(table))) => table,
            Some((span, _)) => {
                self.wrong(&key, self.file.at(span.start), &format!("write a section [{key}], or {} = {{ … }}", about.name));
                DeTable::default()
            }
            None => DeTable::default(),
        };
        self.fill(Level { key, table, is_entry: self.is_entry(), ..Level::default() }, section);
    }

    fn entries(&mut self, about: &About, entries: &mut dyn Entries) {
        let key = self.path(about.name);
        let Some(value) = self.take(about.name) else { return };
        let source = self.file.at(value.span().start);
        let list = match value.into_inner() {
            DeValue::Array(list) if list.iter().all(|entry| entry.get_ref().is_table()) => list,
            _ => return self.wrong(&key, source, &format!("write [[{key}]] and its keys, as `silverback config example` shows")),
        };
        entries.resize(list.len());
        let mut tables = list.iter().enumerate();
        entries.each(&mut |entry| {
            let Some((index, table)) = tables.next() else { return };
            self.sources.insert(number(&key, index), self.file.at(table.span().start));
            if let DeValue::Table(table) = table.get_ref() {
                self.fill(Level { key: key.clone(), table: table.clone(), is_entry: true, ..Level::default() }, entry);
            }
        });
        self.sources.insert(key, source);
    }
}

/// How an entry of a list is called.
pub(crate) fn number(key: &str, index: usize) -> String {
    format!("{key} number {}", index + 1)
}

fn section(key: &str) -> &str {
    key.split_once('.').map_or("", |(section, _)| section)
}

/// Where the key's value is from or, if it is a default that does not go with another, that of the other.
fn locate(sources: &Sources, problem: Problem) -> Problem {
    let of_section = || sources.iter().find(|(key, _)| section(key) == section(&problem.key)).map(|(_, source)| source);
    let source = sources.get(&problem.key).or_else(of_section).cloned().unwrap_or(Source::Default);
    Problem { source, ..problem }
}
