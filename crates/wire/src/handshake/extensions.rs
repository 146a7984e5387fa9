//! `Sec-WebSocket-Extensions` (RFC 6455, 9.1): a list of extensions, each a token with parameters.

use std::borrow::Cow;

use http::HeaderMap;
use http::header::SEC_WEBSOCKET_EXTENSIONS;

use super::fields::is_token;

/// One extension as it was offered or accepted.
///
/// ```
/// use silverback_wire::handshake::Extension;
///
/// let offer = Extension { name: "permessage-deflate", parameters: vec![("client_max_window_bits", Some("12".into()))] };
/// let bits = offer.parameters.iter().find_map(|(name, value)| (*name == "client_max_window_bits").then_some(value.as_deref()));
/// assert_eq!(bits, Some(Some("12")));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension<'a> {
    /// Its name, such as `permessage-deflate`.
    pub name: &'a str,
    /// Its parameters in their order, repeated ones too.
    pub parameters: Vec<(&'a str, Option<Cow<'a, str>>)>,
}

/// A header that is no list of extensions, which fails the handshake (RFC 6455, 9.1).
///
/// ```
/// use http::{HeaderMap, HeaderValue};
/// use silverback_wire::handshake::{NotExtensions, extensions};
///
/// let mut headers = HeaderMap::new();
/// headers.insert("sec-websocket-extensions", HeaderValue::from_static("permessage-deflate; ="));
/// assert_eq!(extensions(&headers), Err(NotExtensions));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`Sec-WebSocket-Extensions` must be a list of tokens with parameters (RFC 6455, 9.1)")]
pub struct NotExtensions;

/// The extensions over all lines of the header, in their order. Empty elements of a list are none (RFC 9110, 5.6.1).
///
/// # Errors
/// [`NotExtensions`] for whatever the grammar of RFC 6455, 9.1 does not have.
///
/// ```
/// use http::{HeaderMap, HeaderValue};
/// use silverback_wire::handshake::extensions;
///
/// let mut headers = HeaderMap::new();
/// headers.append("sec-websocket-extensions", HeaderValue::from_static("permessage-deflate; client_max_window_bits, permessage-deflate"));
/// let offers = extensions(&headers)?;
/// assert_eq!(offers.len(), 2); // the better one first
/// assert_eq!(offers[0].parameters, [("client_max_window_bits", None)]);
/// # Ok::<(), silverback_wire::handshake::NotExtensions>(())
/// ```
pub fn extensions(headers: &HeaderMap) -> Result<Vec<Extension<'_>>, NotExtensions> {
    let mut found = Vec::new();
    for line in headers.get_all(SEC_WEBSOCKET_EXTENSIONS) {
        let mut rest = line.to_str().map_err(|_| NotExtensions)?;
        loop {
            rest = rest.trim_start_matches([' ', '\t', ',']);
            if rest.is_empty() {
                break;
            }
            let (extension, behind) = extension(rest)?;
            found.push(extension);
            rest = behind;
        }
    }
    Ok(found)
}

/// One extension in front of a comma or the end, and what is behind it.
fn extension(text: &str) -> Result<(Extension<'_>, &str), NotExtensions> {
    let (name, mut rest) = token(text)?;
    let mut parameters = Vec::new();
    loop {
        match rest.chars().next() {
            None => break,
            Some(',') => break,
            Some(';') => {}
            Some(_) => return Err(NotExtensions),
        }
        let (parameter, behind) = token(skip_blanks(&rest[1..]))?;
        let (value, behind) = match behind.strip_prefix('=').map(skip_blanks) {
            None => (None, behind),
            Some(value) if value.starts_with('"') => {
                let (value, behind) = quoted(value)?;
                (Some(value.into()), behind)
            }
            Some(value) => {
                let (value, behind) = token(value)?;
                (Some(value.into()), behind)
            }
        };
        parameters.push((parameter, value));
        rest = behind;
    }
    Ok((Extension { name, parameters }, rest))
}

/// The token in front, and what is behind it and its blanks.
fn token(text: &str) -> Result<(&str, &str), NotExtensions> {
    let end = text.find([' ', '\t', ',', ';', '=', '"']).unwrap_or(text.len());
    let (token, rest) = text.split_at(end);
    if is_token(token) { Ok((token, skip_blanks(rest))) } else { Err(NotExtensions) }
}

/// The quoted string in front, without its quotes, which must be a token within (RFC 6455, 9.1), and what is behind it.
fn quoted(text: &str) -> Result<(String, &str), NotExtensions> {
    let mut value = String::new();
    let mut characters = text.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '"' if is_token(&value) => return Ok((value, skip_blanks(&text[at + 1..]))),
            '"' => break,
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            character => value.push(character),
        }
    }
    Err(NotExtensions)
}

fn skip_blanks(text: &str) -> &str {
    text.trim_start_matches([' ', '\t'])
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn headers(lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (SEC_WEBSOCKET_EXTENSIONS, HeaderValue::try_from(*line).unwrap())).collect()
    }

    fn shown(lines: &[&str]) -> Option<String> {
        let headers = headers(lines);
        let found = extensions(&headers).ok()?;
        let parameter = |(name, value): &(&str, Option<Cow<'_, str>>)| match value {
            None => format!(";{name}"),
            Some(value) => format!(";{name}={value}"),
        };
        let shown = found.iter().map(|one| format!("{}{}", one.name, one.parameters.iter().map(parameter).collect::<String>()));
        Some(shown.collect::<Vec<_>>().join(","))
    }

    #[test]
    fn a_list_is_read_over_all_lines() {
        for (lines, expected) in [
            (&[][..], ""),
            (&[""][..], ""),
            (&["a"], "a"),
            (&["a, b;c", "d ; e = f"], "a,b;c,d;e=f"),
            (&[" ,, a ,\t,b,"], "a,b"),
            (&["a;b=\"c\" , d"], "a;b=c,d"),
            (&["a;b=\"\\c\\1\""], "a;b=c1"),
            (&["a;b;b;b=1"], "a;b;b;b=1"),
        ] {
            assert_eq!(shown(lines).as_deref(), Some(expected), "{lines:?}");
        }
    }

    #[test]
    fn what_the_grammar_does_not_have_is_refused() {
        for bad in [
            "a b",
            "a;",
            "a;;b",
            "a;b=",
            "a;b=,c",
            "=",
            ";",
            "a=b",
            "a;b=\"",
            "a;b=\"\"",
            "a;b=\"c d\"",
            "a;b=\"c\"d",
            "a;b=c=d",
            "a/b",
            "a;b c",
            "ü",
        ] {
            assert_eq!(shown(&[bad]), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(line in "[ -~\\t]{0,40}") {
            let _ = shown(&[&line]);
        }
    }
}
