//! Disclosure: a recipient publishes the content key of a sealed response, so that others can read the bytes.
//!
//! RSA plays no part in the verification of a disclosure. A recipient that made its own modulus can decrypt one
//! `encryptedKey` to several content keys, but it cannot find two content keys with the digest `cek` of the receipt.

use std::fmt;

use attestation::cms::{OpenError, open_with_content_key};
use attestation::content_key_digest;
use attestation::crypto::AES_256_KEY_LENGTH;
use attestation::receipt::{Receipt, ReceiptError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use thiserror::Error;
use zeroize::Zeroizing;

use super::stored::StoredExchange;
use super::verified::VerifiedExchange;
use crate::recipient::RecipientKey;

/// The content key of one sealed response. Publishing it publishes the bytes of the response.
pub struct ContentKey(Zeroizing<[u8; AES_256_KEY_LENGTH]>);

/// The reason why a content key does not disclose a response.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DisclosureError {
    /// The text is not a content key.
    #[error("a disclosure is a content key: 32 bytes in hexadecimal (64 digits)")]
    Form,
    /// The receipt is malformed.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    /// The response is not sealed.
    #[error("the response is not sealed, so it has no content key to disclose")]
    NotSealed,
    /// The content key is another one.
    #[error(
        "this is not the content key of the response: its digest is not the cek of the receipt"
    )]
    OtherKey,
    /// The request or the response is not JSON of GenerateRandom.
    #[error("the {body} body is not JSON of a sealed GenerateRandom")]
    Body {
        /// `request` or `response`.
        body: &'static str,
    },
    /// The content cannot be decrypted.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The content has another length than the request asks for.
    #[error("the response contains {found} bytes, not NumberOfBytes ({expected}) of the request")]
    Length {
        /// Length of the content, in bytes.
        found: usize,
        /// NumberOfBytes of the request.
        expected: usize,
    },
}

impl ContentKey {
    /// Parses a disclosure: 64 hexadecimal digits, with an optional line end.
    ///
    /// # Errors
    /// If `text` has another form.
    pub fn from_hex(text: &str) -> Result<Self, DisclosureError> {
        let digits = text.trim_ascii_end();
        let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let mut key = Zeroizing::new([0; AES_256_KEY_LENGTH]);
        match const_hex::decode_to_slice(digits, &mut *key) {
            Ok(()) if is_hex => Ok(Self(key)),
            _ => Err(DisclosureError::Form),
        }
    }

    /// Returns the disclosure: 64 lower-case hexadecimal digits.
    pub fn to_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(const_hex::encode(*self.0))
    }

    /// Opens `exchange`, whose receipt is `receipt`.
    fn open(
        &self,
        exchange: &StoredExchange,
        receipt: &Receipt<'_>,
    ) -> Result<Zeroizing<Vec<u8>>, DisclosureError> {
        let expected = receipt.content_key_digest.ok_or(DisclosureError::NotSealed)?;
        if content_key_digest(&self.0) != expected {
            return Err(DisclosureError::OtherKey);
        }
        let request: Request = serde_json::from_slice(exchange.request())
            .map_err(|_| DisclosureError::Body { body: "request" })?;
        let content = open_with_content_key(&exchange.sealed()?, &self.0)?;
        let (found, expected) = (content.len(), request.number_of_bytes);
        match found == expected {
            true => Ok(content),
            false => Err(DisclosureError::Length { found, expected }),
        }
    }
}

impl fmt::Debug for ContentKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ContentKey(..)")
    }
}

impl StoredExchange {
    /// Returns the content key of the sealed response, which the recipient's `key` decrypts. Checks that verifiers
    /// will accept the content key, but does not verify the receipt.
    ///
    /// # Errors
    /// If the response is not sealed to `key`, or verifiers will reject the content key.
    pub fn content_key(&self, key: &RecipientKey) -> Result<ContentKey, DisclosureError> {
        let content_key = ContentKey(key.content_key(&self.sealed()?)?);
        let receipt = self.receipt_bytes()?;
        let receipt = receipt.parse()?;
        content_key.open(self, receipt.dangerous_unverified_content())?;
        Ok(content_key)
    }

    /// Returns the `CiphertextForRecipient` of the response.
    fn sealed(&self) -> Result<Vec<u8>, DisclosureError> {
        let malformed = DisclosureError::Body { body: "response" };
        let response: Response =
            serde_json::from_slice(self.response()).map_err(|_| malformed.clone())?;
        let sealed = response.ciphertext_for_recipient.ok_or(DisclosureError::NotSealed)?;
        STANDARD.decode(sealed).map_err(|_| malformed)
    }
}

impl VerifiedExchange<'_> {
    /// Verifies a disclosure, and returns the bytes that the response contains.
    ///
    /// # Errors
    /// If `content_key` is not the one that the receipt covers, or the content has a wrong padding or length.
    pub fn open(&self, content_key: &ContentKey) -> Result<Zeroizing<Vec<u8>>, DisclosureError> {
        content_key.open(self.exchange(), &self.receipt())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    number_of_bytes: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Response {
    ciphertext_for_recipient: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_64_hexadecimal_digits_only() {
        let digits = "0aF1".repeat(16);
        let key = ContentKey::from_hex(&format!("{digits}\n")).unwrap();
        assert_eq!(*key.to_hex(), digits.to_lowercase());
        assert_eq!(format!("{key:?}"), "ContentKey(..)");
        for text in ["", "0a", &"0x".repeat(32), &format!("{digits}0a"), &format!(" {digits}")] {
            assert_eq!(ContentKey::from_hex(text).unwrap_err(), DisclosureError::Form, "{text}");
        }
    }
}
