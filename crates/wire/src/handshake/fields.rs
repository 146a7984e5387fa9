//! Header fields that are lists, read as RFC 9110, 5.6.1 says: over all lines of the header, item by item.

use std::borrow::Cow;

use http::header::{AsHeaderName, HeaderMap, HeaderValue};

/// The items of a comma-separated list, over all lines of the header, without the white space around them. Lines that are not ASCII have
/// no items.
pub(crate) fn items(headers: &HeaderMap, name: impl AsHeaderName) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|item| !item.is_empty())
}

/// Whether the list has `token` as a whole item, in any case: `keep-alive, Upgrade` has `upgrade`, and `notupgrade` does not.
///
/// ```
/// use http::{HeaderMap, HeaderValue, header::CONNECTION};
/// use silverback_wire::handshake::has_token;
///
/// let mut headers = HeaderMap::new();
/// headers.insert(CONNECTION, HeaderValue::from_static("keep-alive, Upgrade"));
/// assert!(has_token(&headers, CONNECTION, "upgrade"));
/// assert!(!has_token(&headers, CONNECTION, "keep"));
/// ```
pub fn has_token(headers: &HeaderMap, name: impl AsHeaderName, token: &str) -> bool {
    items(headers, name).any(|item| item.eq_ignore_ascii_case(token))
}

/// The header's value where it stands exactly once.
pub(crate) fn single(headers: &HeaderMap, name: impl AsHeaderName) -> Single<'_> {
    let mut lines = headers.get_all(name).into_iter();
    match (lines.next(), lines.next()) {
        (None, _) => Single::Absent,
        (Some(line), None) => Single::Once(line),
        (Some(_), Some(_)) => Single::Repeated,
    }
}

pub(crate) enum Single<'a> {
    Absent,
    Once(&'a HeaderValue),
    Repeated,
}

/// A header's lines as they can be shown to a person: printable, on one line, and not long.
pub(crate) fn shown(headers: &HeaderMap, name: impl AsHeaderName) -> Cow<'static, str> {
    let mut lines = headers.get_all(name).into_iter().peekable();
    if lines.peek().is_none() {
        return "absent".into();
    }
    let lines: Vec<_> = lines.map(|line| format!("`{}`", printable(line.as_bytes()))).collect();
    lines.join(" and ").into()
}

/// Bytes from outside as text that is safe to print: at most 120 characters, everything beyond printable ASCII escaped.
pub(crate) fn printable(bytes: &[u8]) -> String {
    const MOST: usize = 120;
    let mut text: String = bytes.iter().take(MOST).flat_map(|byte| byte.escape_ascii()).map(char::from).collect();
    if bytes.len() > MOST {
        text.push('…');
    }
    text
}

/// Whether `text` is a token (RFC 9110, 5.6.2), which a subprotocol must be.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use http::header::CONNECTION;

    use super::*;

    fn connection(lines: &[&'static str]) -> HeaderMap {
        lines.iter().map(|line| (CONNECTION, HeaderValue::from_static(line))).collect()
    }

    #[test]
    fn a_token_is_found_on_any_line_and_in_any_case() {
        for lines in [&["Upgrade"][..], &["keep-alive, UPGRADE"], &["keep-alive", "upgrade"], &[" , upgrade ,"], &["a,b", "c ,\tUpgrade"]] {
            assert!(has_token(&connection(lines), CONNECTION, "upgrade"), "{lines:?}");
        }
    }

    #[test]
    fn a_part_of_a_token_is_not_the_token() {
        for lines in [&["notupgrade"][..], &["upgrade-insecure"], &["up", "grade"], &["upgrade;q=1"], &[""], &[]] {
            assert!(!has_token(&connection(lines), CONNECTION, "upgrade"), "{lines:?}");
        }
    }
}
