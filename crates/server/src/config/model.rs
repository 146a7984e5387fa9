//! How a section of the configuration is described: once, by its struct. Everything else (loading, variables, `config print`, the example,
//! what a hang-up changes) is a [`Visitor`] of that description.

use toml::Value;

/// What is told of a key.
#[derive(Debug)]
pub(crate) struct About {
    pub(crate) name: &'static str,
    /// The lines of the field's doc comment.
    pub(crate) doc: &'static [&'static str],
    /// How a value is written in TOML, for a key that has none by default.
    pub(crate) like: Option<&'static str>,
    /// Whether a hang-up leaves it as it was.
    pub(crate) needs_restart: bool,
}

/// The type of a key's value.
pub(crate) trait Setting: Sized {
    /// What to write, as in "write a size, as in 1MiB", for whoever wrote something else.
    const CURE: &'static str;
    /// Whether a variable of the environment can set it.
    const IS_SCALAR: bool = true;

    fn read(value: &Value) -> Option<Self>;

    /// As a variable of the environment has it.
    fn read_text(text: &str) -> Option<Self> {
        Self::read(&Value::String(text.to_owned()))
    }

    /// Adds what a flag says, for lists; what is no list is replaced.
    fn add(&mut self, text: &str) -> bool {
        let read = Self::read_text(text);
        let is_good = read.is_some();
        if let Some(read) = read {
            *self = read;
        }
        is_good
    }

    /// `None` where nothing is set.
    fn written(&self, secrets: Secrets) -> Option<Value>;

    /// What is written as nothing.
    fn unset() -> Option<Self> {
        None
    }
}

/// Whether what is secret is written out. Only for comparing is it ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Secrets {
    Masked,
    Compared,
}

/// A key's place in the configuration, whatever its type.
pub(crate) trait Slot {
    fn set(&mut self, value: &Value) -> bool;
    fn set_text(&mut self, text: &str) -> bool;
    fn add_text(&mut self, text: &str) -> bool;
    /// Sets what another of its kind has written.
    fn restore(&mut self, written: Option<&Value>);
    fn written(&self, secrets: Secrets) -> Option<Value>;
    fn cure(&self) -> &'static str;
    fn is_scalar(&self) -> bool;
}

/// Keys that belong together.
pub(crate) trait Section {
    /// Shows every key, in the order of the example.
    fn visit(&mut self, visitor: &mut dyn Visitor);

    /// The lines of its doc comment.
    fn doc(&self) -> &'static [&'static str];
}

/// A list of sections, as in `[[api.keys]]`.
pub(crate) trait Entries {
    /// Takes all out, and puts as many in that have nothing set.
    fn resize(&mut self, count: usize);
    fn each(&mut self, see: &mut dyn FnMut(&mut dyn Section));
}

/// What is done with a configuration, key by key.
pub(crate) trait Visitor {
    fn setting(&mut self, about: &About, slot: &mut dyn Slot);
    fn section(&mut self, about: &About, section: &mut dyn Section);
    fn entries(&mut self, about: &About, entries: &mut dyn Entries);
}

/// A field of a section: a setting, a section, or a list of sections.
pub(crate) trait Field {
    fn show(&mut self, about: &About, visitor: &mut dyn Visitor);
}

impl<T: Setting> Field for T {
    fn show(&mut self, about: &About, visitor: &mut dyn Visitor) {
        visitor.setting(about, self);
    }
}

impl<S: Section + Default> Entries for Vec<S> {
    fn resize(&mut self, count: usize) {
        self.clear();
        self.resize_with(count, S::default);
    }

    fn each(&mut self, see: &mut dyn FnMut(&mut dyn Section)) {
        self.iter_mut().for_each(|entry| see(entry));
    }
}

impl<T: Setting> Slot for T {
    fn set(&mut self, value: &Value) -> bool {
        let read = T::read(value);
        read.map(|value| *self = value).is_some()
    }

    fn set_text(&mut self, text: &str) -> bool {
        T::read_text(text).map(|value| *self = value).is_some()
    }

    fn add_text(&mut self, text: &str) -> bool {
        self.add(text)
    }

    fn restore(&mut self, written: Option<&Value>) {
        if let Some(value) = written.map_or_else(T::unset, T::read) {
            *self = value;
        }
    }

    fn written(&self, secrets: Secrets) -> Option<Value> {
        Setting::written(self, secrets)
    }

    fn cure(&self) -> &'static str {
        T::CURE
    }

    fn is_scalar(&self) -> bool {
        T::IS_SCALAR
    }
}

/// Describes a section: its fields, their defaults, and what there is to say of them. The first doc comment is the section's.
///
/// `like "…"` shows how a value is written where there is none by default; `=> restart` marks what a hang-up cannot change.
macro_rules! section {
    (
        $(#[doc = $section_doc:literal])*
        $(#[derive($($derive:ident),*)])?
        $vis:vis struct $section:ident {
            $(
                $(#[doc = $doc:literal])*
                $field_vis:vis $field:ident: $type:ty = $default:expr $(, like $like:literal)? $(=> $restart:ident)?;
            )*
        }
    ) => {
        $(#[doc = $section_doc])*
        #[derive(Debug, Clone $($(, $derive)*)?)]
        $vis struct $section {
            $($(#[doc = $doc])* $field_vis $field: $type,)*
        }

        impl Default for $section {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl $crate::config::Section for $section {
            fn visit(&mut self, visitor: &mut dyn $crate::config::Visitor) {
                $({
                    const ABOUT: $crate::config::About = $crate::config::About {
                        name: stringify!($field),
                        doc: &[$($doc),*],
                        like: $crate::config::section!(@like $($like)?),
                        needs_restart: $crate::config::section!(@restart $($restart)?),
                    };
                    $crate::config::Field::show(&mut self.$field, &ABOUT, visitor);
                })*
            }

            fn doc(&self) -> &'static [&'static str] {
                &[$($section_doc),*]
            }
        }

        impl $crate::config::Field for $section {
            fn show(&mut self, about: &$crate::config::About, visitor: &mut dyn $crate::config::Visitor) {
                visitor.section(about, self);
            }
        }

        impl $crate::config::Field for Vec<$section> {
            fn show(&mut self, about: &$crate::config::About, visitor: &mut dyn $crate::config::Visitor) {
                visitor.entries(about, self);
            }
        }
    };
    (@like) => { None };
    (@like $like:literal) => { Some($like) };
    (@restart) => { false };
    (@restart restart) => { true };
}
pub(crate) use section;
