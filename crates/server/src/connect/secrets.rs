//! What must not be shown: credentials in addresses and in headers.

use url::Url;

const MASK: &str = "(masked)";

/// Parts of names whose values are secret.
const SECRET: [&str; 12] = ["auth", "cookie", "token", "secret", "pass", "pwd", "key", "jwt", "sig", "ticket", "session", "credential"];

/// The address without its password and the secrets in its query.
pub(super) fn address(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else { return "the address".to_owned() };
    let _ = url.set_username("");
    let _ = url.set_password(None);
    let masked = url.query().map(query);
    url.set_query(masked.as_deref());
    url.to_string()
}

/// The head of a request or an answer, line by line.
pub(super) fn head(head: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(head);
    let lines = text.trim_end().split("\r\n");
    lines.enumerate().map(|(at, line)| if at == 0 { first_line(line) } else { header(line) }).collect()
}

fn first_line(line: &str) -> String {
    let masked = |target: &str| target.split_once('?').map(|(path, rest)| format!("{path}?{}", query(rest)));
    line.split(' ').map(|word| masked(word).unwrap_or_else(|| word.to_owned())).collect::<Vec<_>>().join(" ")
}

fn header(line: &str) -> String {
    let Some((name, value)) = line.split_once(':') else { return line.to_owned() };
    let (lower, value) = (name.to_ascii_lowercase(), value.trim());
    if lower == "sec-websocket-protocol" {
        let tokens: Vec<_> = value.split(',').map(|token| subprotocol(token.trim())).collect();
        return format!("{name}: {}", tokens.join(", "));
    }
    if lower == "location" {
        return format!(
            "{name}: {}",
            value.split_once('?').map_or_else(|| value.to_owned(), |(path, rest)| format!("{path}?{}", query(rest)))
        );
    }
    if lower.starts_with("sec-websocket-") || !is_secret(&lower) {
        return line.to_owned();
    }
    match value.split_once(' ') {
        Some((scheme, _)) if lower.ends_with("authorization") => format!("{name}: {scheme} {MASK}"),
        _ => format!("{name}: {MASK}"),
    }
}

/// A subprotocol. Browsers have no other place for a token.
pub(super) fn subprotocol(token: &str) -> String {
    let prefix = ["bearer.", "token.", "auth."].iter().find_map(|word| Some(token.to_ascii_lowercase().find(word)? + word.len()));
    match prefix {
        Some(end) => format!("{}{MASK}", &token[..end]),
        None if token.len() > 64 || token.starts_with("eyJ") => MASK.to_owned(),
        None => token.to_owned(),
    }
}

fn query(text: &str) -> String {
    let masked = text.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) if is_secret(&name.to_ascii_lowercase()) || name.eq_ignore_ascii_case("code") => format!("{name}={MASK}"),
        _ => pair.to_owned(),
    });
    masked.collect::<Vec<_>>().join("&")
}

fn is_secret(name: &str) -> bool {
    SECRET.iter().any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_secrets() {
        assert_eq!(
            address("wss://u:hidden@h.test/ws?room=blue&access_token=hidden&x"),
            "wss://h.test/ws?room=blue&access_token=(masked)&x"
        );
    }

    #[test]
    fn a_head_is_shown_without_its_secrets() {
        let lines = head(
            b"GET /ws?token=hidden HTTP/1.1\r\nHost: h\r\nSec-WebSocket-Key: dGhl\r\nAuthorization: Bearer hidden\r\nCookie: a=hidden\r\nX-API-Key: hidden\r\nSec-WebSocket-Protocol: silverback, silverback.bearer.hidden\r\n\r\n",
        );
        assert!(!lines.concat().contains("hidden"), "{lines:?}");
        assert_eq!(lines[0], "GET /ws?token=(masked) HTTP/1.1");
        assert_eq!(lines[2], "Sec-WebSocket-Key: dGhl");
        assert_eq!(lines[3], "Authorization: Bearer (masked)");
        assert_eq!(lines[6], "Sec-WebSocket-Protocol: silverback, silverback.bearer.(masked)");
        assert_eq!(
            head(b"HTTP/1.1 302 Found\r\nLocation: /b?jwt=hidden\r\nSet-Cookie: hidden\r\n\r\n")[1..],
            ["Location: /b?jwt=(masked)", "Set-Cookie: (masked)"]
        );
    }
}
