//! The head of an HTTP/1.1 message, as bytes (RFC 9112), for handshakes on a bare stream.

use std::time::Duration;

use bytes::{BufMut, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version};

/// More headers than this make a head too large, whatever its bytes.
const MOST_HEADERS: usize = 100;

/// Why the head of a request could not be read.
///
/// ```
/// use silverback_wire::handshake::{HeadError, HeadReader, Refusal};
///
/// let mut reader = HeadReader::new(16 * 1024);
/// reader.buffer().extend_from_slice(b"\x16\x03\x01\x02\x00\x01"); // a client that begins TLS
/// match reader.poll_end() {
///     Err(HeadError::Tls) => assert_eq!(Refusal::from(HeadError::Tls).status(), 400),
///     other => unreachable!("{other:?}"),
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeadError {
    /// It has more bytes than are allowed, or more than 100 headers.
    #[error("the head is larger than {limit} bytes or has more than {MOST_HEADERS} headers")]
    TooLarge {
        /// In bytes.
        limit: usize,
    },
    /// It was not complete in time.
    #[error("the head was not complete within {limit:?}")]
    TooSlow {
        /// The time it had.
        limit: Duration,
    },
    /// It is not well-formed.
    #[error("the head is malformed: {0}")]
    Malformed(&'static str),
    /// The client began a TLS handshake on a port for plain HTTP.
    #[error("a TLS handshake came to a port for plain HTTP")]
    Tls,
}

/// Collects the head of one request from bytes that arrive in any pieces.
///
/// Every byte is looked at once, so that a head in single bytes costs no more than one in a piece. What would hide the end of a line
/// from one reader and show it to another (a lone CR or LF) is refused at once.
///
/// ```
/// use silverback_wire::handshake::HeadReader;
///
/// let mut reader = HeadReader::new(16 * 1024);
/// reader.buffer().extend_from_slice(b"GET /chat HTTP/1.1\r\nHost: exa");
/// assert_eq!(reader.poll_end()?, None);
/// reader.buffer().extend_from_slice(b"mple.com\r\n\r\n\x81");
///
/// let end = reader.poll_end()?.expect("the head is complete");
/// let (request, bytes) = reader.finish(end)?;
/// assert_eq!(request.uri(), "/chat");
/// assert_eq!(&bytes[end..], b"\x81"); // the beginning of a frame
/// # Ok::<(), silverback_wire::handshake::HeadError>(())
/// ```
#[derive(Debug)]
pub struct HeadReader {
    bytes: BytesMut,
    scanned: usize,
    limit: usize,
}

impl HeadReader {
    /// A reader for a head of at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { bytes: BytesMut::with_capacity(1024), scanned: 0, limit }
    }

    /// Where the next bytes are to be read to.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.bytes
    }

    /// Judges what has arrived: the length of the head once it is complete. The bytes stay in the buffer.
    ///
    /// # Errors
    /// [`HeadError`], as soon as no more bytes can make it good.
    pub fn poll_end(&mut self) -> Result<Option<usize>, HeadError> {
        if self.bytes.starts_with(&[0x16, 0x03]) {
            return Err(HeadError::Tls); // a ClientHello record, RFC 8446, 5.1
        }
        // What lies beyond the limit is not looked at: it need not have arrived yet.
        while let Some(&byte) = self.bytes.get(self.scanned).filter(|_| self.scanned < self.limit) {
            let previous = self.scanned.checked_sub(1).and_then(|at| self.bytes.get(at));
            match (previous, byte) {
                (Some(b'\r'), b'\n') if self.bytes[..=self.scanned].ends_with(b"\r\n\r\n") => {
                    return Ok(Some(self.scanned + 1));
                }
                (Some(b'\r'), b'\n') => {}
                (Some(b'\r'), _) => return Err(HeadError::Malformed("a CR without LF")),
                (_, b'\n') => return Err(HeadError::Malformed("an LF without CR")),
                (_, 0) => return Err(HeadError::Malformed("a NUL")),
                _ => {}
            }
            self.scanned += 1;
        }
        if self.bytes.len() >= self.limit { Err(HeadError::TooLarge { limit: self.limit }) } else { Ok(None) }
    }

    /// Reads the head that ends at `end`: the request, and the buffer with everything that arrived, the head in front.
    ///
    /// # Errors
    /// [`HeadError::Malformed`] or [`HeadError::TooLarge`].
    pub fn finish(self, end: usize) -> Result<(Request<()>, BytesMut), HeadError> {
        let request = parse_request(&self.bytes[..end], self.limit)?;
        Ok((request, self.bytes))
    }
}

fn parse_request(head: &[u8], limit: usize) -> Result<Request<()>, HeadError> {
    let mut lines = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut parsed = httparse::Request::new(&mut lines);
    if parsed.parse(head).map_err(|error| malformed(error, limit))?.is_partial() {
        return Err(HeadError::Malformed("the request line"));
    }
    let mut request = Request::new(());
    *request.method_mut() =
        Method::from_bytes(parsed.method.unwrap_or_default().as_bytes()).map_err(|_| HeadError::Malformed("the method"))?;
    *request.uri_mut() = parsed.path.unwrap_or_default().parse::<Uri>().map_err(|_| HeadError::Malformed("the address"))?;
    *request.version_mut() = version(parsed.version);
    *request.headers_mut() = headers(parsed.headers)?;
    Ok(request)
}

/// Reads the head of a response from the front of `bytes`: the response and the head's length, or `None` while it is incomplete.
///
/// # Errors
/// [`HeadError::Malformed`] or [`HeadError::TooLarge`].
///
/// ```
/// use silverback_wire::handshake::parse_response;
///
/// assert!(parse_response(b"HTTP/1.1 403 Forb", 16 * 1024)?.is_none());
/// let (response, end) = parse_response(b"HTTP/1.1 403 Forbidden\r\n\r\nno", 16 * 1024)?.expect("it is complete");
/// assert_eq!((response.status().as_u16(), end), (403, 26));
/// # Ok::<(), silverback_wire::handshake::HeadError>(())
/// ```
pub fn parse_response(bytes: &[u8], limit: usize) -> Result<Option<(Response<()>, usize)>, HeadError> {
    let mut lines = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut parsed = httparse::Response::new(&mut lines);
    let end = match parsed.parse(bytes).map_err(|error| malformed(error, limit))? {
        httparse::Status::Complete(end) if end <= limit => end,
        httparse::Status::Partial if bytes.len() < limit => return Ok(None),
        _ => return Err(HeadError::TooLarge { limit }),
    };
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(parsed.code.unwrap_or_default()).map_err(|_| HeadError::Malformed("the status"))?;
    *response.version_mut() = version(parsed.version);
    *response.headers_mut() = headers(parsed.headers)?;
    Ok(Some((response, end)))
}

/// A request's head as bytes.
///
/// ```
/// use http::Request;
/// use silverback_wire::handshake::encode_request;
///
/// let request = Request::get("ws://example.com/chat?room=1").header("host", "example.com").body(())?;
/// assert_eq!(&encode_request(&request)[..], b"GET /chat?room=1 HTTP/1.1\r\nhost: example.com\r\n\r\n");
/// # Ok::<(), http::Error>(())
/// ```
pub fn encode_request(request: &Request<()>) -> BytesMut {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let mut out = BytesMut::new();
    out.put_slice(format!("{} {path} HTTP/1.1\r\n", request.method()).as_bytes());
    encode_headers(request.headers(), &mut out);
    out
}

/// A response's head as bytes.
///
/// ```
/// use http::Response;
/// use silverback_wire::handshake::encode_response;
///
/// let response = Response::builder().status(503).header("retry-after", "5").body(())?;
/// assert_eq!(&encode_response(&response)[..], b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\n\r\n");
/// # Ok::<(), http::Error>(())
/// ```
pub fn encode_response<B>(response: &Response<B>) -> BytesMut {
    let mut out = BytesMut::with_capacity(256);
    out.put_slice(b"HTTP/1.1 ");
    out.put_slice(response.status().as_str().as_bytes());
    out.put_u8(b' ');
    out.put_slice(response.status().canonical_reason().unwrap_or_default().as_bytes());
    out.put_slice(b"\r\n");
    encode_headers(response.headers(), &mut out);
    out
}

fn encode_headers(headers: &HeaderMap, out: &mut BytesMut) {
    for (name, value) in headers {
        out.put_slice(name.as_str().as_bytes());
        out.put_slice(b": ");
        out.put_slice(value.as_bytes());
        out.put_slice(b"\r\n");
    }
    out.put_slice(b"\r\n");
}

fn version(minor: Option<u8>) -> Version {
    if minor == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 }
}

fn headers(lines: &[httparse::Header<'_>]) -> Result<HeaderMap, HeadError> {
    let mut headers = HeaderMap::with_capacity(lines.len());
    for line in lines {
        let name = HeaderName::from_bytes(line.name.as_bytes()).map_err(|_| HeadError::Malformed("a header's name"))?;
        let value = HeaderValue::from_bytes(line.value).map_err(|_| HeadError::Malformed("a header's value"))?;
        headers.append(name, value);
    }
    Ok(headers)
}

fn malformed(error: httparse::Error, limit: usize) -> HeadError {
    match error {
        httparse::Error::HeaderName => HeadError::Malformed("a header's name, or a line that continues the one before"),
        httparse::Error::HeaderValue => HeadError::Malformed("a header's value"),
        httparse::Error::NewLine => HeadError::Malformed("the end of a line"),
        httparse::Error::Status => HeadError::Malformed("the status line"),
        httparse::Error::Token => HeadError::Malformed("the request line"),
        httparse::Error::TooManyHeaders => HeadError::TooLarge { limit },
        httparse::Error::Version => HeadError::Malformed("the HTTP version, which must be 1.0 or 1.1"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], limit: usize) -> Result<Option<usize>, HeadError> {
        let mut whole = HeadReader::new(limit);
        whole.buffer().put_slice(bytes);
        let whole = whole.poll_end();
        let mut pieces = HeadReader::new(limit);
        let mut in_pieces = Ok(None);
        for byte in bytes {
            pieces.buffer().put_u8(*byte);
            in_pieces = pieces.poll_end();
            if in_pieces != Ok(None) {
                break;
            }
        }
        assert_eq!(in_pieces, whole, "a head in single bytes is judged as one in a piece");
        whole
    }

    #[test]
    fn the_end_of_a_head_is_found_and_what_follows_is_left() {
        assert_eq!(read(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n\x81\x00", 100), Ok(Some(27)));
        assert_eq!(read(b"GET / HTTP/1.1\r\nHost: a\r\n", 100), Ok(None));
    }

    #[test]
    fn a_head_of_just_the_limit_is_good_and_one_byte_more_is_too_large() {
        let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        assert_eq!(read(head, head.len() + 1), Ok(Some(head.len())));
        assert_eq!(read(head, head.len()), Ok(Some(head.len())));
        assert_eq!(read(head, head.len() - 1), Err(HeadError::TooLarge { limit: head.len() - 1 }));
    }

    #[test]
    fn a_lone_cr_or_lf_or_a_nul_is_refused_at_once() {
        assert_eq!(read(b"GET / HTTP/1.1\nHost: a\r\n", 100), Err(HeadError::Malformed("an LF without CR")));
        assert_eq!(read(b"GET / HTTP/1.1\r\nX: a\rb", 100), Err(HeadError::Malformed("a CR without LF")));
        assert_eq!(read(b"GET / HTTP/1.1\r\nX: a\0", 100), Err(HeadError::Malformed("a NUL")));
    }

    #[test]
    fn a_tls_hello_is_called_by_its_name() {
        assert_eq!(read(&[0x16, 0x03, 0x01, 0x02, 0x00], 100), Err(HeadError::Tls));
    }

    #[test]
    fn tricks_inside_a_line_are_malformed() {
        for head in [
            "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
            "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
            "GET / HTTP/2.0\r\n\r\n",
            "GET /\x7f HTTP/1.1\r\n\r\n",
            "\r\n\r\n",
        ] {
            let mut reader = HeadReader::new(100);
            reader.buffer().put_slice(head.as_bytes());
            let end = reader.poll_end().unwrap().unwrap();
            assert!(matches!(reader.finish(end), Err(HeadError::Malformed(_))), "{head:?}");
        }
    }

    #[test]
    fn a_hundred_headers_are_good_and_one_more_is_too_large() {
        for (count, good) in [(MOST_HEADERS, true), (MOST_HEADERS + 1, false)] {
            let mut reader = HeadReader::new(10_000);
            reader.buffer().put_slice(format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(count)).as_bytes());
            let end = reader.poll_end().unwrap().unwrap();
            assert_eq!(reader.finish(end).is_ok(), good, "{count}");
        }
    }
}
