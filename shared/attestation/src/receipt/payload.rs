//! The payload of a receipt: one CBOR map in deterministic encoding (RFC 8949 section 4.2.1).

use std::ops::{Range, RangeInclusive};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;

use crate::cbor::{CborError, Items, Reader};
use crate::crypto::{CryptoError, Es256Key, SHA_256_LENGTH};
use crate::signed_statement::{
    MAP, StatementKind, UNSIGNED, push_byte_string, push_head, push_text,
};
use crate::time::UnixMillis;

/// Receipts as a kind of statement.
pub(super) const RECEIPT: StatementKind = StatementKind {
    content_type: "application/attested-random-receipt+cbor",
    external_aad: b"attested-random receipt v1",
    max_length: MAX_RECEIPT_HEADER_LENGTH / 4 * 3,
};

/// Maximum length of the receipt header, in characters of base64.
pub const MAX_RECEIPT_HEADER_LENGTH: usize = 600;

/// Maximum length of `src`, in bytes. With the longest values of all members, the header then has at most
/// [`MAX_RECEIPT_HEADER_LENGTH`] characters.
pub const MAX_SOURCE_LENGTH: usize = 45;

/// The `src` of bytes that the NSM and the enclave's DRBG produced.
pub const NSM_SOURCE: &str = "nsm";

/// Allowed lengths of a nonce, in bytes.
pub const NONCE_LENGTHS: RangeInclusive<usize> = 16..=32;

/// The version of the payload.
const VERSION: u64 = 1;

/// Length of a request identifier, in characters.
const REQUEST_ID_LENGTH: usize = 36;

/// An operation whose responses have receipts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptOperation {
    /// GenerateRandom.
    GenerateRandom,
    /// DescribeCustomKeyStores.
    DescribeCustomKeyStores,
}

impl ReceiptOperation {
    /// All operations.
    pub const ALL: [Self; 2] = [Self::GenerateRandom, Self::DescribeCustomKeyStores];

    /// Returns the operation's name in the KMS API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::GenerateRandom => "GenerateRandom",
            Self::DescribeCustomKeyStores => "DescribeCustomKeyStores",
        }
    }

    /// Returns the operation with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.name() == name)
    }
}

/// The content of a receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt<'a> {
    /// `id`: the `x-amzn-RequestId` of the response, 36 characters.
    pub request_id: &'a str,
    /// `op`: the operation.
    pub operation: ReceiptOperation,
    /// `cek`: the digest of the content key. Only sealed responses have one.
    pub content_key_digest: Option<[u8; SHA_256_LENGTH]>,
    /// `req`: the SHA-256 digest of the request body.
    pub request_digest: [u8; SHA_256_LENGTH],
    /// `res`: the SHA-256 digest of the response body.
    pub response_digest: [u8; SHA_256_LENGTH],
    /// `seq`: the number of the request's audit record.
    pub sequence: u64,
    /// `src`: [`NSM_SOURCE`] or the ID of a custom key store. Only GenerateRandom has one.
    pub source: Option<&'a str>,
    /// `time`: the time of the response.
    pub time: UnixMillis,
    /// `nonce`: the nonce of the request, or empty.
    pub nonce: &'a [u8],
}

/// The reason why a payload is not that of a receipt.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ReceiptPayloadError {
    /// The payload is not CBOR, or a member has another type.
    #[error("{member}: {error}")]
    Cbor {
        /// The member.
        member: &'static str,
        /// The reason.
        error: CborError,
    },
    /// A member is missing, unknown or in another place.
    #[error("the member {expected} is missing, or another one stands in its place")]
    Member {
        /// The expected member.
        expected: &'static str,
    },
    /// A member has a value that it must not have.
    #[error("the member {member} has a value that a receipt cannot have")]
    Value {
        /// The member.
        member: &'static str,
    },
    /// The payload has the right members, but not the deterministic encoding.
    #[error("the payload is not in deterministic encoding")]
    NotDeterministic,
}

impl<'a> Receipt<'a> {
    /// Signs the receipt with the receipt key. Returns the value of the response header.
    ///
    /// # Errors
    /// If the provider fails.
    pub fn sign(&self, key: &Es256Key) -> Result<String, CryptoError> {
        Ok(STANDARD.encode(RECEIPT.sign(key, &self.to_payload())?))
    }

    /// Returns the payload.
    pub(super) fn to_payload(&self) -> Vec<u8> {
        let Self { request_id, operation, content_key_digest, request_digest, .. } = self;
        let Self { response_digest, sequence, source, time, nonce, .. } = self;
        let members = 8 + u64::from(content_key_digest.is_some()) + u64::from(source.is_some());
        let mut payload = Vec::with_capacity(RECEIPT.max_length);
        push_head(&mut payload, MAP, members);
        push_text(&mut payload, "v");
        push_head(&mut payload, UNSIGNED, VERSION);
        push_text(&mut payload, "id");
        push_text(&mut payload, request_id);
        push_text(&mut payload, "op");
        push_text(&mut payload, operation.name());
        if let Some(digest) = content_key_digest {
            push_text(&mut payload, "cek");
            push_byte_string(&mut payload, digest);
        }
        push_text(&mut payload, "req");
        push_byte_string(&mut payload, request_digest);
        push_text(&mut payload, "res");
        push_byte_string(&mut payload, response_digest);
        push_text(&mut payload, "seq");
        push_head(&mut payload, UNSIGNED, *sequence);
        if let Some(source) = source {
            push_text(&mut payload, "src");
            push_text(&mut payload, source);
        }
        push_text(&mut payload, "time");
        push_head(&mut payload, UNSIGNED, time.as_millis());
        push_text(&mut payload, "nonce");
        push_byte_string(&mut payload, nonce);
        payload
    }

    /// Parses a payload.
    pub(super) fn from_payload(payload: &'a [u8]) -> Result<Self, ReceiptPayloadError> {
        let mut members = Members::new(payload)?;
        if members.unsigned("v")? != VERSION {
            return Err(ReceiptPayloadError::Value { member: "v" });
        }
        let request_id = members.text("id")?;
        let operation = members.text("op")?;
        let operation = ReceiptOperation::from_name(operation)
            .ok_or(ReceiptPayloadError::Value { member: "op" })?;
        let is_random = operation == ReceiptOperation::GenerateRandom;
        let receipt = Self {
            request_id,
            operation,
            content_key_digest: members
                .next_is("cek")
                .then(|| members.digest("cek"))
                .transpose()?,
            request_digest: members.digest("req")?,
            response_digest: members.digest("res")?,
            sequence: members.unsigned("seq")?,
            source: is_random.then(|| members.text("src")).transpose()?,
            time: UnixMillis::new(members.unsigned("time")?),
            nonce: members.bytes("nonce")?,
        };
        receipt.check_values()?;
        // The reader accepts only shortest forms, but also maps of indefinite or wrong length.
        match receipt.to_payload() == payload {
            true => Ok(receipt),
            false => Err(ReceiptPayloadError::NotDeterministic),
        }
    }

    fn check_values(&self) -> Result<(), ReceiptPayloadError> {
        let Self { request_id, operation, content_key_digest, source, nonce, .. } = self;
        let is_graphic = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        let member = if request_id.len() != REQUEST_ID_LENGTH || !is_graphic(request_id) {
            "id"
        } else if content_key_digest.is_some() && *operation != ReceiptOperation::GenerateRandom {
            "cek"
        } else if source.is_some_and(|source| {
            source.is_empty() || source.len() > MAX_SOURCE_LENGTH || !is_graphic(source)
        }) {
            "src"
        } else if !nonce.is_empty() && !NONCE_LENGTHS.contains(&nonce.len()) {
            "nonce"
        } else {
            return Ok(());
        };
        Err(ReceiptPayloadError::Value { member })
    }
}

/// A reader of the members of a payload, in their order.
struct Members<'a> {
    payload: &'a [u8],
    reader: Reader<'a>,
}

impl<'a> Members<'a> {
    fn new(payload: &'a [u8]) -> Result<Self, ReceiptPayloadError> {
        let mut reader = Reader::new(payload, 0..payload.len());
        let items = reader.map();
        let items = items.map_err(|error| ReceiptPayloadError::Cbor { member: "map", error })?;
        match items {
            Items::Left(_) => Ok(Self { payload, reader }),
            Items::UntilBreak => Err(ReceiptPayloadError::NotDeterministic),
        }
    }

    /// Returns whether the next member is `name`.
    fn next_is(&self, name: &str) -> bool {
        let position = self.payload.len() - self.reader.remaining();
        let mut encoded = Vec::new();
        push_text(&mut encoded, name);
        self.payload.get(position..).is_some_and(|rest| rest.starts_with(&encoded))
    }

    fn unsigned(&mut self, member: &'static str) -> Result<u64, ReceiptPayloadError> {
        self.value(member, Reader::unsigned)
    }

    fn bytes(&mut self, member: &'static str) -> Result<&'a [u8], ReceiptPayloadError> {
        let range = self.value(member, Reader::bytes)?;
        Ok(self.slice(range))
    }

    fn text(&mut self, member: &'static str) -> Result<&'a str, ReceiptPayloadError> {
        let range = self.value(member, Reader::text)?;
        // The CBOR reader has checked that the bytes are UTF-8.
        Ok(std::str::from_utf8(self.slice(range)).unwrap_or_default())
    }

    fn digest(
        &mut self,
        member: &'static str,
    ) -> Result<[u8; SHA_256_LENGTH], ReceiptPayloadError> {
        let bytes = self.bytes(member)?;
        bytes.try_into().map_err(|_| ReceiptPayloadError::Value { member })
    }

    fn value<T>(
        &mut self,
        member: &'static str,
        read: impl FnOnce(&mut Reader<'a>) -> Result<T, CborError>,
    ) -> Result<T, ReceiptPayloadError> {
        if !self.next_is(member) {
            return Err(ReceiptPayloadError::Member { expected: member });
        }
        let failed = |error| ReceiptPayloadError::Cbor { member, error };
        self.reader.text().map_err(failed)?;
        read(&mut self.reader).map_err(failed)
    }

    fn slice(&self, range: Range<usize>) -> &'a [u8] {
        self.payload.get(range).unwrap_or_default()
    }
}

#[cfg(test)]
#[path = "payload_tests.rs"]
mod tests;
