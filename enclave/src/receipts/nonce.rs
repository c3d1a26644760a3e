//! The nonce of a request, which its receipt repeats.

use std::fmt;

use attestation::receipt::{self, NONCE_LENGTHS};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::HeaderMap;
use hyper::header::HeaderName;
use thiserror::Error;

/// The request header with the nonce.
pub(super) const NONCE_HEADER: HeaderName = HeaderName::from_static(receipt::NONCE_HEADER);

/// Length of the longest nonce in base64url without padding, in characters: 32 bytes.
const MAX_HEADER_LENGTH: usize = 43;

/// The nonce of a request: 16 to 32 bytes.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Nonce(Vec<u8>);

/// A nonce header that is malformed or repeated.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error(
    "{NONCE_HEADER} must occur at most once, with 16 to 32 random bytes in base64url without padding: use \
     a new nonce for each attempt"
)]
pub(crate) struct InvalidNonce;

impl Nonce {
    /// Returns the nonce in the headers of a request. `None` if the request has no such header.
    ///
    /// # Errors
    /// If the header occurs more than once, or is not canonical base64url of 16 to 32 bytes without padding.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Result<Option<Self>, InvalidNonce> {
        let mut values = headers.get_all(NONCE_HEADER).iter();
        let value = match (values.next(), values.next()) {
            (None, _) => return Ok(None),
            (Some(value), None) if value.len() <= MAX_HEADER_LENGTH => value,
            (Some(_), _) => return Err(InvalidNonce),
        };
        let nonce = URL_SAFE_NO_PAD.decode(value).map_err(|_| InvalidNonce)?;
        match NONCE_LENGTHS.contains(&nonce.len()) {
            true => Ok(Some(Self(nonce))),
            false => Err(InvalidNonce),
        }
    }

    /// Returns the bytes.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Nonce({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn nonce(values: &[&[u8]]) -> Result<Option<Vec<u8>>, InvalidNonce> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(NONCE_HEADER, HeaderValue::from_bytes(value).unwrap());
        }
        Nonce::from_headers(&headers).map(|nonce| nonce.map(|Nonce(bytes)| bytes))
    }

    #[test]
    fn accepts_16_to_32_bytes_in_base64url() {
        assert_eq!(nonce(&[]), Ok(None));
        for length in 16..=32 {
            let bytes = vec![0xfb; length];
            let text = URL_SAFE_NO_PAD.encode(&bytes);
            assert!(text.contains('-') || text.contains('_'), "{text}");
            assert_eq!(nonce(&[text.as_bytes()]), Ok(Some(bytes)));
        }
    }

    #[test]
    fn rejects_other_forms_and_repetitions() {
        let valid = URL_SAFE_NO_PAD.encode([0xfb; 16]);
        let valid = valid.as_str();
        let standard = valid.replace('-', "+").replace('_', "/");
        assert_ne!(standard, valid);
        // The last character of 16 bytes has four unused bits.
        let truncated = valid.strip_suffix('w').unwrap();
        let not_canonical = format!("{truncated}x");
        for text in [
            "",
            &URL_SAFE_NO_PAD.encode([0xfb; 15]),
            &URL_SAFE_NO_PAD.encode([0xfb; 33]),
            &format!("{valid}=="),
            &format!("{valid} "),
            &format!("\"{valid}\""),
            &format!("{valid},{valid}"),
            &standard,
            &not_canonical,
            truncated,
        ] {
            assert_eq!(nonce(&[text.as_bytes()]), Err(InvalidNonce), "{text:?}");
        }
        assert_eq!(nonce(&[b"\xff".repeat(22).as_slice()]), Err(InvalidNonce));
        assert_eq!(nonce(&[valid.as_bytes(), valid.as_bytes()]), Err(InvalidNonce));
        assert_eq!(nonce(&[valid.as_bytes(), b""]), Err(InvalidNonce));
    }
}
