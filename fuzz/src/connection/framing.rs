//! Splits a connection into requests and responses (RFC 9112), independently of hyper. The crate
//! `httparse` parses the heads, as in hyper. This module determines the length of the bodies.

use transport::limits::MAX_HEADERS;

/// The parts of a request that determine its response.
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    /// Request target, as sent.
    target: &'a str,
    headers: Vec<httparse::Header<'a>>,
    pub(crate) body: &'a [u8],
}

impl<'a> Request<'a> {
    pub(crate) fn is_head(&self) -> bool {
        self.method == "HEAD"
    }

    pub(crate) fn has_query(&self) -> bool {
        self.uri().contains('?')
    }

    /// Returns the path of the request target, without the query and without the first slash.
    pub(crate) fn path(&self) -> &'a str {
        let path = self.uri().split('?').next().unwrap_or_default();
        match path.split_once("://") {
            Some((_, after)) => after.split_once('/').map_or("", |(_, path)| path),
            None => path.strip_prefix('/').unwrap_or(path),
        }
    }

    /// Returns the request target without a fragment. RFC 9112 section 3.2 allows no fragment, and hyper
    /// ignores a fragment.
    fn uri(&self) -> &'a str {
        self.target.split('#').next().unwrap_or_default()
    }

    /// Returns the names of the headers in lower case.
    pub(crate) fn names(&self) -> impl Iterator<Item = String> {
        self.headers.iter().map(|header| header.name.to_lowercase())
    }

    /// Returns the values of a header, in order.
    pub(crate) fn values(&self, name: &str) -> Vec<&'a [u8]> {
        values(&self.headers, name)
    }
}

/// A response, as received.
pub(crate) struct Response<'a> {
    pub(crate) status: u16,
    pub(crate) content_type: Option<&'a str>,
    pub(crate) request_id: Option<&'a str>,
    pub(crate) closes: bool,
    pub(crate) body: &'a [u8],
}

type Headers<'h, 'b> = &'h [httparse::Header<'b>];

fn values<'b>(headers: Headers<'_, 'b>, name: &str) -> Vec<&'b [u8]> {
    let named = headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
    named.map(|header| header.value).collect()
}

fn content_length(headers: Headers<'_, '_>) -> Option<usize> {
    let value = values(headers, "content-length").first().copied().unwrap_or(b"0");
    str::from_utf8(value).ok()?.parse().ok()
}

/// Returns the requests that can have a response, and the remaining bytes. The remaining bytes are empty
/// or start with an invalid request. The body of the last request may be truncated.
pub(crate) fn requests(mut sent: &[u8]) -> (Vec<Request<'_>>, &[u8]) {
    let mut requests = Vec::new();
    loop {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut head = httparse::Request::new(&mut headers);
        let Ok(httparse::Status::Complete(length)) = head.parse(sent) else {
            return (requests, sent);
        };
        let rest = &sent[length..];
        // The connection closes after a request with a Transfer-Encoding, so this request is the
        // last.
        let chunked = !values(head.headers, "transfer-encoding").is_empty();
        let claimed = if chunked { Some(0) } else { content_length(head.headers) };
        let Some(claimed) = claimed else { return (requests, sent) };
        let (body, after) = rest.split_at(claimed.min(rest.len()));
        requests.push(Request {
            method: head.method.expect("the head is complete"),
            target: head.path.expect("the head is complete"),
            headers: head.headers.to_vec(),
            body,
        });
        if chunked || body.len() < claimed {
            return (requests, after);
        }
        sent = after;
    }
}

/// Returns whether the connection closes after a message. By default, an HTTP/1.0 connection closes and
/// an HTTP/1.1 connection stays open (RFC 9112 section 9.3).
fn closes(is_http_1_1: bool, headers: Headers<'_, '_>) -> bool {
    let has_option = |option: &[u8]| values(headers, "connection").contains(&option);
    if is_http_1_1 { has_option(b"close") } else { !has_option(b"keep-alive") }
}

/// Returns the responses in `received`, except interim responses. `received` must contain no other
/// bytes. `is_head` returns whether the request with this index is a HEAD request, whose response has no
/// body.
pub(crate) fn responses(mut received: &[u8], is_head: impl Fn(usize) -> bool) -> Vec<Response<'_>> {
    let mut responses = Vec::new();
    while !received.is_empty() {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut head = httparse::Response::new(&mut headers);
        let parsed = head.parse(received).expect("a response");
        let rest = &received[parsed.unwrap()..];
        let status = head.code.expect("the head is complete");
        if status == 100 {
            received = rest;
            continue;
        }
        assert!(values(head.headers, "transfer-encoding").is_empty());
        assert!(values(head.headers, "content-length").len() <= 1);
        let length = content_length(head.headers).expect("a length");
        let length = if is_head(responses.len()) { 0 } else { length };
        assert!(length <= rest.len(), "the response is truncated");
        let (body, after) = rest.split_at(length);
        let text = |name| {
            let value = values(head.headers, name).first().copied();
            value.map(|value| str::from_utf8(value).expect("ASCII"))
        };
        responses.push(Response {
            status,
            content_type: text("content-type"),
            request_id: text("x-amzn-requestid"),
            closes: closes(head.version == Some(1), head.headers),
            body,
        });
        received = after;
    }
    responses
}
