//! The hash of the canonical request, computed without building the request in memory.

use attestation::crypto::{SHA_256_LENGTH, Sha256};
use hyper::http::HeaderValue;
use hyper::http::request::Parts;

use super::authorization_header::SignedHeaders;

/// Returns the SHA-256 digest of the canonical request, or `None` if a signed header is missing.
///
/// "Create a canonical request", in "Create a signed AWS API request" of the IAM User Guide.
pub(super) fn hash(
    head: &Parts,
    signed_headers: &SignedHeaders<'_>,
    body: &[u8],
) -> Option<[u8; SHA_256_LENGTH]> {
    let mut hash = Sha256::new();
    // The path is hashed as received. Clients have already encoded it. The empty line is the query.
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
    // The digest of the received body. X-Amz-Content-Sha256 is not trusted.
    let digest = Sha256::digest(body);
    hash.update(const_hex::Buffer::<SHA_256_LENGTH>::new().format(&digest).as_bytes());
    Some(hash.finish())
}

/// Hashes a header value as "Trimall" defines: trimmed, with one space in place of several.
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
