//! The request and its answer, on a stream.

use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, LOCATION, SET_COOKIE, TRANSFER_ENCODING};
use http::{HeaderMap, Request, Response, StatusCode};
use silverback_wire::handshake::{encode_request, has_token, parse_response};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::DialError;
use crate::transport::Stream;

/// The most bytes that an answer's head may have. Refusals by a web server can have long headers.
const HEAD_LIMIT: usize = 64 * 1024;

/// How much of a refusal's body is read.
const BODY_LIMIT: usize = 4 * 1024;

/// How much may arrive for it, in chunks that may be small.
const BODY_RAW_LIMIT: usize = 4 * BODY_LIMIT;

/// How long a refusal's body may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(2);

/// Sends a request and reads its answer, for those who drive a [`wire::Connection`](crate::wire::Connection) themselves or want to see what a server says: the
/// answer, with the beginning of its body (at most 4 KiB) where it is not 101, and what came behind the head of a 101, which is frames.
///
/// Not cancel-safe: dropping this leaves the stream in the middle of something.
///
/// # Errors
/// [`DialError`], of what can happen to a handshake: the stream fails or ends, or what comes is not HTTP.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use silverback::wire::handshake::client::Offer;
/// use silverback::{Upgrader, dialer::ask};
///
/// let (upgrader, (mut ours, theirs)) = (Upgrader::default(), tokio::io::duplex(4096));
/// let offer = Offer::new(&"ws://example.com/chat".parse()?, http::HeaderMap::new())?;
/// let (answer, server) = tokio::join!(ask(&mut ours, offer.request()), upgrader.accept(theirs));
/// let (response, frames) = answer?;
/// assert_eq!(response.status(), 101);
/// offer.judge(&response.map(|_| ()))?;
/// # assert!(frames.is_empty() && server.is_ok());
/// # Ok(())
/// # }
/// ```
pub async fn ask<S: Stream>(stream: &mut S, request: &Request<()>) -> Result<(Response<Bytes>, BytesMut), DialError> {
    let (response, behind_head) = exchange(stream, request).await?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Ok((response.map(|()| Bytes::new()), behind_head));
    }
    let body = body(stream, &response, behind_head, BODY_TIMEOUT).await;
    Ok((response.map(|()| body), BytesMut::new()))
}

/// Sends the request and reads the head of its answer, and what came behind it.
pub(super) async fn exchange<S: Stream>(stream: &mut S, request: &Request<()>) -> Result<(Response<()>, BytesMut), DialError> {
    stream.write_all(&encode_request(request)).await?;
    stream.flush().await?;
    let mut bytes = BytesMut::new();
    loop {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(DialError::Ended);
        }
        if bytes.starts_with(&[0x15, 0x03]) {
            return Err(DialError::SpeaksTls); // an alert about what it took for a broken record, RFC 8446, 6
        }
        while let Some((mut response, end)) = parse_response(&bytes, HEAD_LIMIT)? {
            bytes.advance(end);
            // Interim answers announce the one that counts (RFC 9110, 15.2).
            if !response.status().is_informational() || response.status() == StatusCode::SWITCHING_PROTOCOLS {
                hide_secrets(response.headers_mut());
                return Ok((response, bytes));
            }
        }
    }
}

/// Keeps what may be secret in an answer out of its `Debug`.
fn hide_secrets(headers: &mut HeaderMap) {
    for (name, value) in headers.iter_mut() {
        if *name == SET_COOKIE || *name == LOCATION {
            value.set_sensitive(true);
        }
    }
}

/// The beginning of a refusal's body: at most 4 KiB, and what has come within two seconds.
pub(super) async fn body<S: Stream>(stream: &mut S, response: &Response<()>, mut bytes: BytesMut, left: Duration) -> Bytes {
    let framing = Framing::of(response);
    let reading = async { while framing.wants_more(&bytes) && matches!(stream.read_buf(&mut bytes).await, Ok(1..)) {} };
    let _ = timeout(left.min(BODY_TIMEOUT), reading).await; // what has come is there
    framing.decode(&bytes).0
}

/// How the end of a body is known (RFC 9112, 6.3).
enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
}

impl Framing {
    fn of(response: &Response<()>) -> Self {
        let headers = response.headers();
        if matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
            return Self::Length(0);
        }
        if has_token(headers, TRANSFER_ENCODING, "chunked") {
            return Self::Chunked;
        }
        let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        length.map_or(Self::UntilClose, Self::Length)
    }

    fn wants_more(&self, bytes: &[u8]) -> bool {
        let (body, is_complete) = self.decode(bytes);
        !is_complete && body.len() < BODY_LIMIT && bytes.len() < BODY_RAW_LIMIT
    }

    /// The beginning of the body in what has arrived, and whether that is all of it.
    fn decode(&self, bytes: &[u8]) -> (Bytes, bool) {
        let (mut body, is_complete) = match self {
            Self::Length(length) => (bytes[..bytes.len().min(*length)].to_vec(), bytes.len() >= *length),
            Self::Chunked => chunks(bytes),
            Self::UntilClose => (bytes.to_vec(), false),
        };
        body.truncate(BODY_LIMIT);
        (body.into(), is_complete)
    }
}

/// The content of chunks (RFC 9112, 7.1), and whether the last one is there or nothing more can be read.
fn chunks(mut bytes: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let (head, size) = match httparse::parse_chunk_size(bytes) {
            Ok(httparse::Status::Complete((head, size))) => (head, usize::try_from(size).unwrap_or(usize::MAX)),
            Ok(httparse::Status::Partial) => return (body, false),
            Err(_) => return (body, true),
        };
        if size == 0 {
            return (body, true);
        }
        let data = &bytes[head..];
        body.extend_from_slice(&data[..data.len().min(size)]);
        match data.get(size.saturating_add(2)..) {
            Some(rest) => bytes = rest, // behind the CR LF
            None => return (body, false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_joined_as_far_as_they_have_come() {
        let whole = b"5\r\nhello\r\n7;ext=1\r\n, world\r\n0\r\n\r\n";
        assert_eq!(chunks(whole), (b"hello, world".to_vec(), true));
        for end in 0..whole.len() - 4 {
            let (body, is_complete) = chunks(&whole[..end]);
            assert!(b"hello, world".starts_with(&body) && !is_complete, "{end}");
        }
        assert_eq!(chunks(b"2\r\nhi\r\nnonsense"), (b"hi".to_vec(), true));
        assert_eq!(chunks(b"ffffffffffffffff\r\nhi"), (b"hi".to_vec(), false));
    }
}
