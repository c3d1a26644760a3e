//! A request to the KMS API.

use attestation::crypto::{CryptoError, fill_random};
use attestation::receipt::{NONCE_HEADER, NONCE_LENGTHS, ReceiptOperation};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use thiserror::Error;

use crate::http1::Fields;

/// Length of the nonce of an attempt, in bytes.
const NONCE_LENGTH: usize = 24;

const TARGET: &str = "x-amz-target";
const TARGET_PREFIX: &str = "TrentService.";

/// A request `POST /` to the KMS API. Its bytes are sent as they are, and only a nonce is added.
#[derive(Debug)]
pub struct Request {
    fields: Fields,
    body: Vec<u8>,
}

/// The reason why a request is not sent.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum InvalidRequest {
    /// A field has an invalid name or value.
    #[error("the field {name:?} has an invalid name or value")]
    Field {
        /// The name of the field.
        name: String,
    },
    /// No receipt covers the operation.
    #[error(
        "no receipt covers this operation, so without TLS its response proves nothing: only \
         GenerateRandom and DescribeCustomKeyStores are possible with an http upstream; use an https \
         upstream"
    )]
    NotCovered,
    /// The nonce of the client is malformed or repeated.
    #[error(
        "{NONCE_HEADER} must occur at most once, with 16 to 32 bytes in canonical base64url without \
         padding"
    )]
    Nonce,
}

/// The reason why an attempt has no nonce.
#[derive(Debug, Error)]
pub(super) enum NonceError {
    /// The client's own nonce is malformed.
    #[error(transparent)]
    Request(#[from] InvalidRequest),
    /// The source of randomness failed.
    #[error(transparent)]
    Random(#[from] CryptoError),
}

/// The nonce of one attempt.
#[derive(Debug)]
pub(super) struct Nonce {
    pub(super) bytes: Vec<u8>,
    /// The value of the field to add. `None` if the client set it.
    pub(super) added: Option<String>,
}

impl Request {
    /// Creates a request with these fields, such as those of a signature. The fields Host and Content-Length
    /// are added if they are missing.
    ///
    /// # Errors
    /// If a name is not a token, or a value contains a control character.
    pub fn new<'a>(
        fields: impl IntoIterator<Item = (&'a str, &'a str)>,
        body: Vec<u8>,
    ) -> Result<Self, InvalidRequest> {
        let mut checked = Fields::default();
        for (name, value) in fields {
            let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.!~*'".contains(&byte);
            let is_valid = !name.is_empty()
                && name.bytes().all(is_token)
                && value.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
            if !is_valid {
                return Err(InvalidRequest::Field { name: name.to_owned() });
            }
            checked.push(name, value.as_bytes());
        }
        if !checked.contains("content-length") {
            checked.push("content-length", body.len().to_string().as_bytes());
        }
        Ok(Self { fields: checked, body })
    }

    /// Returns the request with the fields and the body that a client sent.
    pub(crate) const fn received(fields: Fields, body: Vec<u8>) -> Self {
        Self { fields, body }
    }

    /// Returns the body.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Returns whether the client chose the nonce, so that the request must not be repeated.
    pub fn has_own_nonce(&self) -> bool {
        self.fields.contains(NONCE_HEADER)
    }

    pub(super) const fn fields(&self) -> &Fields {
        &self.fields
    }

    /// Returns the operation, if receipts cover it.
    ///
    /// # Errors
    /// If no receipt covers the operation, or the operation is missing or repeated.
    pub fn operation(&self) -> Result<ReceiptOperation, InvalidRequest> {
        let target = self.fields.single(TARGET);
        let name = target.and_then(|target| target.strip_prefix(TARGET_PREFIX));
        name.and_then(ReceiptOperation::from_name).ok_or(InvalidRequest::NotCovered)
    }

    /// Returns a new nonce, or the client's own.
    pub(super) fn nonce(&self) -> Result<Nonce, NonceError> {
        if !self.has_own_nonce() {
            let mut bytes = vec![0; NONCE_LENGTH];
            fill_random(&mut bytes)?;
            let added = Some(URL_SAFE_NO_PAD.encode(&bytes));
            return Ok(Nonce { bytes, added });
        }
        let own = self.fields.single(NONCE_HEADER);
        let bytes = own.and_then(|nonce| URL_SAFE_NO_PAD.decode(nonce).ok());
        match bytes.filter(|bytes| NONCE_LENGTHS.contains(&bytes.len())) {
            Some(bytes) => Ok(Nonce { bytes, added: None }),
            None => Err(InvalidRequest::Nonce.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(fields: &[(&str, &str)]) -> Request {
        Request::new(fields.iter().copied(), b"{}".to_vec()).unwrap()
    }

    #[test]
    fn attempts_have_different_nonces() {
        let request = request(&[]);
        let (one, other) = (request.nonce().unwrap(), request.nonce().unwrap());
        assert_ne!(one.bytes, other.bytes);
        assert_eq!(URL_SAFE_NO_PAD.decode(one.added.unwrap()).unwrap(), one.bytes);
    }

    #[test]
    fn keeps_own_nonce_and_rejects_malformed_ones() {
        let own = request(&[("X-Attested-Random-Nonce", "AAAAAAAAAAAAAAAAAAAAAA")]);
        let nonce = own.nonce().unwrap();
        assert_eq!((nonce.bytes, nonce.added), (vec![0; 16], None));
        let name = NONCE_HEADER;
        let value = "AAAAAAAAAAAAAAAAAAAAAA";
        for fields in [
            &[(name, "")][..],
            &[(name, "AAAA")],
            &[(name, "AAAAAAAAAAAAAAAAAAAAAA==")],
            &[(name, "AAAAAAAAAAAAAAAAAAAAAB")],
            &[(name, "+AAAAAAAAAAAAAAAAAAAAA")],
            &[(name, value), (name, value)],
        ] {
            let request = request(fields);
            assert!(request.has_own_nonce());
            let error = request.nonce().unwrap_err();
            assert!(
                matches!(error, NonceError::Request(InvalidRequest::Nonce)),
                "{fields:?}: {error}"
            );
        }
    }

    #[test]
    fn finds_the_operations_that_receipts_cover() {
        let target = |name| request(&[("X-Amz-Target", name)]).operation();
        assert_eq!(target("TrentService.GenerateRandom"), Ok(ReceiptOperation::GenerateRandom));
        for name in ["TrentService.Encrypt", "GenerateRandom", "trentservice.GenerateRandom", ""] {
            assert_eq!(target(name), Err(InvalidRequest::NotCovered), "{name}");
        }
        let name = "TrentService.GenerateRandom";
        let twice = request(&[("X-Amz-Target", name), ("x-amz-target", name)]);
        assert_eq!(twice.operation(), Err(InvalidRequest::NotCovered));
    }

    #[test]
    fn rejects_fields_that_would_end_the_head() {
        for (name, value) in [("a", "b\r\nc: d"), ("a:", "b"), ("", "b"), ("a b", "c"), ("a", "\0")]
        {
            let error = Request::new([(name, value)], Vec::new()).unwrap_err();
            assert_eq!(error, InvalidRequest::Field { name: name.to_owned() });
        }
    }
}
