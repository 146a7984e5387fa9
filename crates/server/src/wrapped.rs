//! Text for a terminal, in lines that are broken between words.

use std::io::{IsTerminal as _, stderr};

/// What a line of an explanation has at most, however wide the terminal is.
const WIDEST: usize = 100;

/// Lines of at most so many letters, broken between words where that is possible.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split(' ').filter(|word| !word.is_empty()) {
            let mut word = word;
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
                lines.push(std::mem::take(&mut line));
            }
            while word.chars().count() > width {
                let end = word.char_indices().nth(width).map_or(word.len(), |(end, _)| end);
                lines.push(word[..end].to_owned());
                word = &word[end..];
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        if !line.is_empty() {
            lines.push(line);
        }
    }
    lines
}

/// An error as standard error shows it: on a terminal in lines that fit, each with what it goes on with under its beginning; elsewhere as it is.
pub(crate) fn for_stderr(text: &str) -> String {
    let width = rustix::termios::tcgetwinsize(stderr()).ok().filter(|_| stderr().is_terminal()).map(|size| usize::from(size.ws_col));
    width.filter(|width| *width > 0).map_or_else(|| text.to_owned(), |width| hanging(text, width.min(WIDEST)))
}

/// Later lines of a paragraph begin two letters further to the right than its first, or where its second column does.
fn hanging(text: &str, width: usize) -> String {
    let mut lines = Vec::new();
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        let column = line.trim_start().find("  ").map(|end| &line[indent + end..]);
        let column = column.map(|rest| line.len() - rest.trim_start().len()).filter(|column| *column < width / 2);
        let (first, rest) = line.split_at(column.unwrap_or(indent));
        let hang = column.unwrap_or(indent + 2);
        let parts = wrapped(rest, width.saturating_sub(hang).max(20));
        let mut lead = first.to_owned();
        for part in parts {
            lines.push(format!("{lead}{part}"));
            lead = " ".repeat(hang);
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_between_words_or_where_there_is_no_other_way() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrapped("", 4), [""; 0]);
    }

    #[test]
    fn what_an_error_goes_on_with_stands_under_its_beginning() {
        let text = "silverback: the server refused it with many words\n  cure     ask somebody who knows about that";
        let shown = "silverback: the server refused it\n  with many words\n  cure     ask somebody who knows\n           about that";
        assert_eq!(hanging(text, 36), shown);
        assert!(hanging("ä  ö ü", 1).contains('ü'));
    }
}
