//! What a content type makes of bytes: a text message or a binary one.

use http::HeaderValue;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Media {
    Text,
    Binary,
}

/// What the content type makes of a body. Text is what is readable, and what says nothing: `curl --data` calls everything a form.
pub(crate) fn kind(content_type: Option<&HeaderValue>) -> Media {
    let (family, subtype) = halves(content_type);
    let is_text = family == "text"
        || matches!(&*subtype, "json" | "xml" | "x-www-form-urlencoded" | "x-ndjson" | "javascript")
        || subtype.ends_with("+json")
        || subtype.ends_with("+xml");
    if is_text { Media::Text } else { Media::Binary }
}

/// The two halves of a content type, in lower case.
pub(crate) fn halves(content_type: Option<&HeaderValue>) -> (String, String) {
    let line = content_type.map_or("", |line| line.to_str().unwrap_or("application/octet-stream"));
    let media = line.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let (family, subtype) = media.split_once('/').unwrap_or(("text", ""));
    (family.to_owned(), subtype.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_type_decides_between_text_and_binary() {
        let is_text = |line: &'static str| kind(Some(&HeaderValue::from_static(line))) == Media::Text;
        for text in [
            "text/plain",
            "TEXT/plain; charset=utf-8",
            "application/json",
            "application/problem+json",
            "application/x-www-form-urlencoded",
            "nonsense",
        ] {
            assert!(is_text(text), "{text}");
        }
        for binary in ["application/octet-stream", "image/png", "application/cbor", "application/json-seq"] {
            assert!(!is_text(binary), "{binary}");
        }
        assert_eq!(kind(None), Media::Text);
    }
}
