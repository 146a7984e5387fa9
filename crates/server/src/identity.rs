//! Who asks: the token of a request, and the user in it.

use std::borrow::Cow;

use http::Request;
use http::header::{AUTHORIZATION, COOKIE, HeaderMap, SEC_WEBSOCKET_PROTOCOL};

/// The subprotocol that this server selects where a client offers it. A browser's `WebSocket` needs one that is selected beside the token, or
/// it gives the connection up.
pub(crate) const SUBPROTOCOL: &str = "silverback";

const SUBPROTOCOL_TOKEN: &str = "silverback.bearer.";
const COOKIE_NAME: &str = "silverback_token";
const QUERY_NAME: &str = "token";

/// A token and the place where it was found.
#[derive(PartialEq, Eq)]
pub(crate) struct Presented {
    pub(crate) token: String,
    pub(crate) source: &'static str,
}

/// The token of a request: from `Authorization`, the subprotocols, the cookie or the query, in that order. The first one counts, so that a
/// bad one is not made good by another.
pub(crate) fn presented<B>(request: &Request<B>) -> Option<Presented> {
    let headers = request.headers();
    let found = |token: &str, source| Presented { token: token.to_owned(), source };
    bearer(headers)
        .map(|token| found(token, "header"))
        .or_else(|| from_subprotocol(headers).map(|token| found(token, "subprotocol")))
        .or_else(|| from_cookie(headers).map(|token| found(token, "cookie")))
        .or_else(|| from_query(request.uri().query()).map(|token| found(&token, "query")))
}

/// The token in `Authorization: Bearer TOKEN` (RFC 6750, 2.1).
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let line = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = line.split_once(' ').unwrap_or((line, "")); // no token is a bad one, and not the next place's turn
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Whether the only subprotocols that are offered are tokens, which a browser does not forgive.
pub(crate) fn offers_only_a_token(headers: &HeaderMap) -> bool {
    let mut offered = subprotocols(headers).peekable();
    offered.peek().is_some() && offered.all(|offer| offer.starts_with(SUBPROTOCOL_TOKEN))
}

fn from_subprotocol(headers: &HeaderMap) -> Option<&str> {
    subprotocols(headers).find_map(|offer| offer.strip_prefix(SUBPROTOCOL_TOKEN))
}

fn subprotocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(SEC_WEBSOCKET_PROTOCOL).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

/// Cookies of others may hold any bytes; they hide nothing.
fn from_cookie(headers: &HeaderMap) -> Option<&str> {
    let pairs = headers.get_all(COOKIE).into_iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    let name = format!("{COOKIE_NAME}=");
    let token = pairs.map(<[u8]>::trim_ascii).find_map(|pair| pair.strip_prefix(name.as_bytes()))?;
    Some(std::str::from_utf8(token).unwrap_or_default())
}

fn from_query(query: Option<&str>) -> Option<Cow<'_, str>> {
    form_urlencoded::parse(query?.as_bytes()).find(|(name, _)| name == QUERY_NAME).map(|(_, token)| token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(uri: &str, headers: &[(&'static str, &str)]) -> Request<()> {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    fn found(uri: &str, headers: &[(&'static str, &str)]) -> Option<(String, &'static str)> {
        presented(&request(uri, headers)).map(|presented| (presented.token, presented.source))
    }

    #[test]
    fn a_token_is_found_in_each_of_its_places() {
        let some = |source| Some(("a.b.c".to_owned(), source));
        assert_eq!(found("/ws", &[("authorization", "bearer a.b.c")]), some("header"));
        assert_eq!(found("/ws", &[("sec-websocket-protocol", "chat, silverback.bearer.a.b.c")]), some("subprotocol"));
        assert_eq!(
            found("/ws", &[("sec-websocket-protocol", "chat"), ("sec-websocket-protocol", "silverback.bearer.a.b.c")]),
            some("subprotocol")
        );
        assert_eq!(found("/ws", &[("cookie", "a=b; silverback_token=a.b.c")]), some("cookie"));
        assert_eq!(found("/ws?x=1&token=a.b.c", &[]), some("query"));
        assert_eq!(found("/ws?x=1", &[("authorization", "Basic a.b.c"), ("cookie", "token=x")]), None);
    }

    #[test]
    fn the_first_place_counts_even_when_its_token_is_bad() {
        let headers = [("authorization", "Bearer 1"), ("sec-websocket-protocol", "silverback.bearer.2"), ("cookie", "silverback_token=3")];
        for (skip, source) in ["header", "subprotocol", "cookie", "query"].into_iter().enumerate() {
            let expected = Some(((skip + 1).to_string(), source));
            assert_eq!(found("/ws?token=4", headers.get(skip..).unwrap_or_default()), expected);
        }
    }

    #[test]
    fn a_token_alone_among_the_subprotocols_is_noticed() {
        let headers = |line| request("/", &[("sec-websocket-protocol", line)]).headers().clone();
        assert!(offers_only_a_token(&headers("silverback.bearer.x")));
        assert!(!offers_only_a_token(&headers("silverback, silverback.bearer.x")));
        assert!(!offers_only_a_token(&HeaderMap::new()));
    }
}
