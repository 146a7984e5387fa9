//! Text for a terminal: coloured where that is wanted, and with nothing in it that would drive the terminal.

use std::fmt::Write as _;

/// How a piece of text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Dim,
    Bold,
    Red,
    Green,
    Yellow,
    Blue,
    Magenta,
    Cyan,
}

impl Style {
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "0",
            Self::Dim => "2",
            Self::Bold => "1",
            Self::Red => "31",
            Self::Green => "32",
            Self::Yellow => "33",
            Self::Blue => "34",
            Self::Magenta => "35",
            Self::Cyan => "36",
        }
    }
}

/// A text that is put together. Whatever goes in, only line ends and tabs of it come out as they are; other control characters, and those that
/// change the direction of writing, come out escaped.
#[derive(Debug, Clone)]
pub(super) struct Ink {
    text: String,
    has_colours: bool,
    style: Style,
}

impl Ink {
    pub(super) fn new(has_colours: bool) -> Self {
        Self { text: String::new(), has_colours, style: Style::Plain }
    }

    pub(super) fn put(&mut self, style: Style, text: &str) -> &mut Self {
        for (at, part) in text.split('\n').enumerate() {
            if at > 0 {
                self.turn(Style::Plain);
                self.text.push('\n');
            }
            for part in part.split_inclusive(is_hostile) {
                let end = part.chars().next_back().filter(|last| is_hostile(*last));
                let good = &part[..part.len() - end.map_or(0, char::len_utf8)];
                if !good.is_empty() {
                    self.turn(style);
                    self.text.push_str(good);
                }
                if let Some(hostile) = end {
                    self.turn(Style::Magenta);
                    escape_into(&mut self.text, hostile);
                }
            }
        }
        self
    }

    pub(super) fn plain(&mut self, text: &str) -> &mut Self {
        self.put(Style::Plain, text)
    }

    pub(super) fn dim(&mut self, text: &str) -> &mut Self {
        self.put(Style::Dim, text)
    }

    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// The text, with an end of line.
    pub(super) fn line(mut self) -> String {
        self.turn(Style::Plain);
        if !self.text.ends_with('\n') {
            self.text.push('\n');
        }
        self.text
    }

    fn turn(&mut self, style: Style) {
        if self.has_colours && self.style != style {
            if self.style != Style::Plain {
                self.text.push_str("\x1b[0m");
            }
            if style != Style::Plain {
                let _ = write!(self.text, "\x1b[{}m", style.code());
            }
            self.style = style;
        }
    }
}

/// The same of a text that stands in an error.
pub(super) fn escaped(text: &str) -> String {
    let mut ink = Ink::new(false);
    ink.plain(text);
    ink.text
}

/// C0 and C1, and what reorders or hides text: a line that reads other than it is.
fn is_hostile(character: char) -> bool {
    match character {
        '\n' | '\t' => false,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => character != '\u{200d}', // joins emoji
        _ => character.is_control(),
    }
}

fn escape_into(text: &mut String, character: char) {
    let _ = match character {
        '\r' => write!(text, "\\r"),
        _ if u32::from(character) < 0x100 => write!(text, "\\x{:02x}", u32::from(character)),
        _ => write!(text, "\\u{{{:x}}}", u32::from(character)),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_drive_a_terminal_is_escaped() {
        assert_eq!(escaped("a\x1b]0;title\x07\r\nb\tc"), "a\\x1b]0;title\\x07\\r\nb\tc");
        assert_eq!(escaped("\u{9b}31m\u{202e}txt\u{2066}"), "\\x9b31m\\u{202e}txt\\u{2066}");
        assert_eq!(escaped("grüße 👩‍🚀"), "grüße 👩‍🚀");
    }

    #[test]
    fn colours_end_with_the_line() {
        let mut ink = Ink::new(true);
        ink.put(Style::Red, "a\nb").plain("c");
        assert_eq!(ink.line(), "\x1b[31ma\x1b[0m\n\x1b[31mb\x1b[0mc\n");
    }
}
