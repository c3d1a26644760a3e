//! Reads the body of a request. There are limits on its length, on the time to receive it, and on the memory of all
//! bodies.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::http::HeaderValue;
use hyper::http::request::Parts;
use hyper::{Uri, Version, header};
use tokio::sync::{Semaphore, SemaphorePermit};
use transport::limits::{
    BODY_DISCARD_LENGTH, LARGE_BODIES_LENGTH, MAX_BODY_LENGTH, SMALL_BODY_LENGTH,
};

use super::error::HttpError;
use super::timeouts::BODY_READ_TIMEOUT;
use crate::clock::timeout;

/// The reason for a missing body.
#[derive(Debug)]
pub(super) enum BodyError {
    /// The request is rejected. The client receives a response, and then the server closes the connection.
    Rejected(HttpError),
    /// The client disconnected or was too slow, so there is no response.
    Incomplete,
}

impl From<HttpError> for BodyError {
    fn from(error: HttpError) -> Self {
        Self::Rejected(error)
    }
}

/// The memory that all large bodies share. The body of every request that can succeed is small. A client can
/// announce a large body and stop in the middle. Without the limit, a few thousand such clients would exhaust
/// the enclave's memory.
#[derive(Debug)]
pub(super) struct LargeBodies(Semaphore);

impl LargeBodies {
    pub(super) fn new() -> Self {
        Self(Semaphore::new(LARGE_BODIES_LENGTH))
    }

    /// Waits for memory for a body of `length` bytes. A small body needs no permit.
    async fn reserve(&self, length: usize) -> Option<SemaphorePermit<'_>> {
        let length = if length > SMALL_BODY_LENGTH { length } else { 0 };
        self.0.acquire_many(u32::try_from(length).unwrap_or(u32::MAX)).await.ok()
    }
}

/// A body, with its permit for the shared memory.
#[derive(Debug)]
pub(super) struct ReadBody<'a> {
    pub(super) bytes: Bytes,
    _permit: Option<SemaphorePermit<'a>>,
}

pub(super) async fn read<'a>(
    head: &Parts,
    body: Incoming,
    large_bodies: &'a LargeBodies,
) -> Result<ReadBody<'a>, BodyError> {
    // KMS clients always send Content-Length. Rejecting Transfer-Encoding prevents request smuggling.
    if head.headers.contains_key(header::TRANSFER_ENCODING) {
        return Err(HttpError::TransferEncoding.into());
    }
    check_host(head)?;
    let length = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if length > MAX_BODY_LENGTH {
        discard_if_sent(head, body).await;
        return Err(HttpError::BodyTooLong.into());
    }
    let read = async {
        let permit = large_bodies.reserve(length).await;
        Ok(ReadBody { bytes: collect(body, length).await?, _permit: permit })
    };
    timeout(BODY_READ_TIMEOUT, read).await.unwrap_or(Err(BodyError::Incomplete))
}

/// Checks the Host header. A proxy and a server could interpret an ambiguous Host header differently.
///
/// RFC 9112, section 3.2: a server must respond with 400 to an HTTP/1.1 request without a Host header, and to
/// any request with more than one Host header.
fn check_host(head: &Parts) -> Result<(), HttpError> {
    let mut hosts = head.headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) if matches_target(host, &head.uri) => Ok(()),
        (Some(_), None) => Err(HttpError::HostOfTarget),
        (None, _) if head.version == Version::HTTP_10 => Ok(()),
        _ => Err(HttpError::Host),
    }
}

/// Returns whether Host matches a request target in absolute form. A signature covers Host, but not the
/// authority of the target. Without this check, the authority would not be signed.
///
/// RFC 9112, sections 3.2 and 3.2.2: a server uses the authority of the target. A client sends the same authority,
/// without user information, in Host.
fn matches_target(host: &HeaderValue, target: &Uri) -> bool {
    let (Some(_), Some(authority)) = (target.scheme(), target.authority()) else { return true };
    let authority = authority.as_str();
    let authority = authority.rsplit_once('@').map_or(authority, |(_, authority)| authority);
    host.as_bytes().eq_ignore_ascii_case(authority.as_bytes())
}

async fn collect(mut body: Incoming, length: usize) -> Result<Bytes, BodyError> {
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| BodyError::Incomplete)?.into_data() else { continue };
        if data.len() == length {
            // Nearly every body arrives in one frame. This frame is used without a copy.
            first = data;
        } else {
            all.reserve(length.saturating_sub(all.len()));
            all.extend_from_slice(&data);
        }
    }
    Ok(if first.is_empty() { all.freeze() } else { first })
}

/// Discards a body that is too long. Does nothing if the client waits for `100 Continue` before it sends the body.
async fn discard_if_sent(head: &Parts, body: Incoming) {
    if !expects_continue(head) {
        // The response is the same if the discard times out.
        drop(timeout(BODY_READ_TIMEOUT, discard(body)).await);
    }
}

/// Returns whether the client sends its body only after `100 Continue`. hyper writes `100 Continue` at the
/// first read of the body. Like this function, hyper checks the HTTP version and the last Expect field.
fn expects_continue(head: &Parts) -> bool {
    let expectation = head.headers.get_all(header::EXPECT).iter().next_back();
    head.version > Version::HTTP_10
        && expectation.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// Reads and drops the body, up to a limit. If the server closed a connection with unread bytes, the kernel
/// would reset the connection, and the client would not receive the response.
async fn discard(mut body: Incoming) {
    let mut discarded = 0;
    while let Some(Ok(frame)) = body.frame().await {
        discarded += frame.data_ref().map_or(0, Bytes::len);
        if discarded > BODY_DISCARD_LENGTH {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn large_bodies_share_bounded_memory() {
        let large_bodies = LargeBodies::new();
        let mut held = Vec::new();
        for _ in 0..LARGE_BODIES_LENGTH / MAX_BODY_LENGTH {
            held.push(large_bodies.reserve(MAX_BODY_LENGTH).await.unwrap());
        }
        let soon = Duration::from_secs(1);
        assert!(timeout(soon, large_bodies.reserve(SMALL_BODY_LENGTH + 1)).await.is_err());
        assert!(timeout(soon, large_bodies.reserve(SMALL_BODY_LENGTH)).await.is_ok());
        held.pop();
        assert!(timeout(soon, large_bodies.reserve(MAX_BODY_LENGTH)).await.is_ok());
    }

    #[test]
    fn host_must_match_the_authority_of_the_target() {
        let matches = |target: &'static str, host: &'static str| {
            matches_target(&HeaderValue::from_static(host), &Uri::from_static(target))
        };
        for (target, host) in [
            ("/", "kms.example"),
            ("*", "kms.example"),
            // Authority form, which no KMS operation uses.
            ("kms.example:443", "other.example"),
            ("http://kms.example", "kms.example"),
            ("http://kms.example/", "KMS.Example"),
            ("http://KMS.example:80/", "kms.example:80"),
            ("http://user:a@kms.example/", "kms.example"),
            ("http://[::1]:80/", "[::1]:80"),
        ] {
            assert!(matches(target, host), "{target} {host}");
        }
        for (target, host) in [
            ("http://other.example/", "kms.example"),
            ("http://kms.example:80/", "kms.example"),
            ("http://kms.example/", "kms.example:80"),
            ("http://user@kms.example/", "user@kms.example"),
            ("http://kms.example/", ""),
        ] {
            assert!(!matches(target, host), "{target} {host}");
        }
    }

    #[test]
    fn longest_document_fits_a_small_body() {
        let base64 = attestation::MAX_DOCUMENT_LENGTH.div_ceil(3) * 4;
        assert!(base64 + 1024 < SMALL_BODY_LENGTH);
    }
}
