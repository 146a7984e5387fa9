//! JSON for people: on one line where it fits, over several where it does not, and coloured. Names, numbers and their order stay as they came.

use serde::de::IgnoredAny;

use super::ink::{Ink, Style};

/// What is larger is shown as it came.
const LARGEST: usize = 1 << 20;

/// So many lines are shown.
const LINES: usize = 200;

/// Whether it was written in full, in part, or is no JSON object or array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pretty {
    Whole,
    Cut,
    NotJson,
}

/// Writes `text` if it is a JSON object or array, in lines of about `width` columns that begin with `indent` spaces.
pub(super) fn write(ink: &mut Ink, text: &str, width: usize, indent: usize, limit: usize) -> Pretty {
    let text = text.trim_ascii();
    if !text.starts_with(['{', '[']) || text.len() > LARGEST || serde_json::from_str::<IgnoredAny>(text).is_err() {
        return Pretty::NotJson;
    }
    let tokens = tokens(text);
    let inline = inline_lengths(&tokens);
    let (start, mut lines, mut column) = (ink.len(), 1, indent);
    let mut expanded: Vec<bool> = Vec::new();
    let new_line = |ink: &mut Ink, depth: usize| {
        ink.plain("\n").plain(&" ".repeat(indent + 2 * depth));
        indent + 2 * depth
    };
    for (at, token) in tokens.iter().enumerate() {
        if lines > LINES || ink.len() - start > limit {
            return Pretty::Cut;
        }
        column += token.len();
        match token {
            Token::Open(bracket) => {
                let is_empty = matches!(tokens.get(at + 1), Some(Token::Close(_)));
                let expand = !is_empty && column - 1 + inline[at] > width;
                expanded.push(expand);
                ink.dim(bracket);
                if expand {
                    (column, lines) = (new_line(ink, expanded.len()), lines + 1);
                }
            }
            Token::Close(bracket) => {
                if expanded.pop() == Some(true) {
                    (column, lines) = (new_line(ink, expanded.len()) + 1, lines + 1);
                }
                ink.dim(bracket);
            }
            Token::Comma if expanded.last() == Some(&true) => {
                ink.dim(",");
                (column, lines) = (new_line(ink, expanded.len()), lines + 1);
            }
            Token::Comma => {
                ink.dim(", ");
            }
            Token::Colon => {
                ink.dim(": ");
            }
            Token::Text(text) => {
                let is_name = matches!(tokens.get(at + 1), Some(Token::Colon));
                ink.put(if is_name { Style::Cyan } else { Style::Green }, text);
            }
            Token::Word(word) if word.starts_with(['t', 'f', 'n']) => {
                ink.put(Style::Magenta, word);
            }
            Token::Word(word) => {
                ink.put(Style::Yellow, word);
            }
        }
    }
    Pretty::Whole
}

#[derive(Debug)]
enum Token<'a> {
    Open(&'a str),
    Close(&'a str),
    Comma,
    Colon,
    Text(&'a str),
    Word(&'a str),
}

impl Token<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Open(_) | Self::Close(_) => 1,
            Self::Comma | Self::Colon => 2,
            Self::Text(text) | Self::Word(text) => text.chars().count(),
        }
    }
}

/// The tokens of what is known to be JSON.
fn tokens<'a>(text: &'a str) -> Vec<Token<'a>> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (length, token): (usize, fn(&'a str) -> Token<'a>) = match first {
            ' ' | '\n' | '\t' | '\r' => {
                rest = &rest[1..];
                continue;
            }
            '{' | '[' => (1, Token::Open),
            '}' | ']' => (1, Token::Close),
            ',' => (1, |_| Token::Comma),
            ':' => (1, |_| Token::Colon),
            '"' => (text_length(rest), Token::Text),
            _ => (rest.find([',', ':', '}', ']', ' ', '\n', '\t', '\r']).unwrap_or(rest.len()), Token::Word),
        };
        let (own, behind) = rest.split_at(length);
        tokens.push(token(own));
        rest = behind;
    }
    tokens
}

fn text_length(rest: &str) -> usize {
    let mut is_escaped = true; // the first quotation mark does not end it
    for (at, byte) in rest.bytes().enumerate() {
        match byte {
            b'"' if !is_escaped => return at + 1,
            b'\\' => is_escaped = !is_escaped,
            _ => is_escaped = false,
        }
    }
    rest.len()
}

/// For each opening bracket, how many columns all up to its end takes on one line.
fn inline_lengths(tokens: &[Token<'_>]) -> Vec<usize> {
    let (mut lengths, mut open, mut length) = (vec![0; tokens.len()], Vec::new(), 0);
    for (at, token) in tokens.iter().enumerate() {
        if let Token::Open(_) = token {
            open.push((at, length));
        }
        length += token.len();
        if let Token::Close(_) = token
            && let Some((at, before)) = open.pop()
        {
            lengths[at] = length - before;
        }
    }
    lengths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pretty(text: &str, width: usize) -> String {
        let mut ink = Ink::new(false);
        match write(&mut ink, text, width, 2, 10_000) {
            Pretty::Whole => ink.line(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn what_fits_stays_on_one_line_and_the_rest_is_spread() {
        let text = r#"{"b":1.50e3,"a":[1,2,{}],"s":"x\"},","n":null}"#;
        assert_eq!(pretty(text, 80), "{\"b\": 1.50e3, \"a\": [1, 2, {}], \"s\": \"x\\\"},\", \"n\": null}\n");
        assert_eq!(pretty(text, 30), "{\n    \"b\": 1.50e3,\n    \"a\": [1, 2, {}],\n    \"s\": \"x\\\"},\",\n    \"n\": null\n  }\n");
    }

    #[test]
    fn what_is_no_json_is_left_alone_and_what_is_too_long_is_cut() {
        for text in ["hello", "12", "{oops", "[1,]", ""] {
            assert_eq!(pretty(text, 80), "NotJson", "{text}");
        }
        assert_eq!(pretty(&format!("[{}1]", "1,".repeat(1000)), 80), "Cut");
        assert_eq!(pretty(&format!("{}{}", "[".repeat(5000), "]".repeat(5000)), 80), "Cut");
    }
}
