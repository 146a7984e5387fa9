//! Redirects (RFC 9110, 15.4; RFC 6455, 4.1 lets a client follow them).

use http::header::LOCATION;
use http::{HeaderMap, Response, StatusCode};

use super::address::{Address, AddressError};

/// Why a redirect was not followed.
///
/// ```
/// # fn example(error: silverback::DialError) {
/// use silverback::{DialError, dialer::RedirectError};
///
/// match error {
///     DialError::Redirect(RedirectError::TooMany { limit, to }) => println!("{limit} redirects, and the next leads to {to}"),
///     DialError::Redirect(RedirectError::Downgrade { to }) => println!("{to} would be in the clear"),
///     other => println!("{other}"),
/// }
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedirectError {
    /// There were more than are allowed.
    #[error("more than {limit} redirects, the last one to {to}: dial the final address, or mend what redirects in a circle")]
    TooMany {
        /// How many are allowed.
        limit: u32,
        /// The scheme, host and port of the one too many.
        to: String,
    },
    /// From `wss` to `ws`, which would show in the clear what was meant to be secret.
    #[error("a redirect from TLS to {to}, without TLS: let the server redirect to wss:// or https://")]
    Downgrade {
        /// The scheme, host and port that it leads to.
        to: String,
    },
    /// It leads to no address of a WebSocket.
    #[error("a redirect to what cannot be dialled: {0}")]
    Address(#[from] AddressError),
}

/// Where a response sends the client, if it is a redirect.
pub(super) fn location(response: &Response<()>) -> Option<&[u8]> {
    const REDIRECTS: [StatusCode; 5] = [
        StatusCode::MOVED_PERMANENTLY,
        StatusCode::FOUND,
        StatusCode::SEE_OTHER,
        StatusCode::TEMPORARY_REDIRECT,
        StatusCode::PERMANENT_REDIRECT,
    ];
    let location = response.headers().get(LOCATION).filter(|_| REDIRECTS.contains(&response.status()))?;
    Some(location.as_bytes())
}

/// The address that `location` leads to from `address`.
pub(super) fn follow(address: &Address, location: &[u8]) -> Result<Address, RedirectError> {
    let next = address.join(&String::from_utf8_lossy(location))?;
    if address.is_secure() && !next.is_secure() {
        return Err(RedirectError::Downgrade { to: next.to_string() });
    }
    Ok(next)
}

/// Takes away what another origin must not see. `Authorization` and `Cookie` are always marked.
pub(super) fn drop_credentials(headers: &mut HeaderMap) {
    let sensitive: Vec<_> = headers.iter().filter(|(_, value)| value.is_sensitive()).map(|(name, _)| name.clone()).collect();
    for name in sensitive {
        headers.remove(name);
    }
}
