//! The hash of the canonical request. The canonical request is hashed part by part, and never in memory as a whole.

use attestation::crypto::{SHA_256_LENGTH, Sha256};
use hyper::http::HeaderValue;
use hyper::http::request::Parts;

use super::authorization_header::SignedHeaders;

/// Returns the SHA-256 digest of the canonical request, or `None` if a signed header is missing.
///
/// Source: "Create a canonical request", in "Create a signed AWS API request" of the IAM User Guide.
pub(super) fn hash(
    head: &Parts,
    signed_headers: &SignedHeaders<'_>,
    body: &[u8],
) -> Option<[u8; SHA_256_LENGTH]> {
    let mut hash = Sha256::new();
    // The path is hashed as received, because clients have already encoded the path. The query line is empty:
    // `headers::authorization_header` has rejected requests with a query.
    for part in [head.method.as_str(), "\n", head.uri.path(), "\n\n"] {
        hash.update(part.as_bytes());
    }
    for name in signed_headers.names() {
        let mut values = head.headers.get_all(name).iter();
        let first = values.next()?;
        hash.update(name.as_bytes());
        hash.update(b":");
        hash_value(&mut hash, first);
        for value in values {
            hash.update(b",");
            hash_value(&mut hash, value);
        }
        hash.update(b"\n");
    }
    hash.update(b"\n");
    hash.update(signed_headers.as_str().as_bytes());
    hash.update(b"\n");
    // This digest is computed over the received body. X-Amz-Content-Sha256 is not trusted.
    let digest = Sha256::digest(body);
    hash.update(const_hex::Buffer::<SHA_256_LENGTH>::new().format(&digest).as_bytes());
    Some(hash.finish())
}

/// Hashes a header value without spaces at its ends, and with one space in place of several. The AWS documentation
/// calls this function "Trimall".
fn hash_value(hash: &mut Sha256, value: &HeaderValue) {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let words = value.as_bytes().split(is_space).filter(|word| !word.is_empty());
    for (index, word) in words.enumerate() {
        if index > 0 {
            hash.update(b" ");
        }
        hash.update(word);
    }
}
