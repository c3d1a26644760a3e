//! Signed digests of an enclave's audit trail.
//!
//! The records of one process of an enclave are a stream: the receipt key names it, and each record has a number,
//! from 1. A digest covers the records since the digest before. Its `head` is the end of a hash chain over the
//! lines of all records so far ([`AuditChain`]), and its `prev` is the SHA-256 digest of the statement before.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;

use crate::cbor::{CborError, Items, Reader};
use crate::crypto::{CryptoError, Es256Key, P256_POINT_LENGTH, SHA_256_LENGTH, Sha256};
use crate::signed_statement::{
    ARRAY, KeyId, MAP, StatementError, StatementKind, StatementSignatureError, UNSIGNED,
    push_byte_string, push_head, push_text,
};
use crate::time::UnixMillis;

const AUDIT_DIGEST: StatementKind = StatementKind {
    content_type: "application/attested-random-audit-digest+cbor",
    external_aad: b"attested-random audit digest v1",
    max_length: 4096,
};

/// Maximum number of gaps in one digest. A digest of this number of gaps fits into the maximum length.
pub const MAX_GAPS: usize = 150;

/// The bytes before the key identifier in the input of the first link.
const CHAIN_CONTEXT: &[u8] = b"attested-random audit v1";

const VERSION: u64 = 1;
const MEMBERS: u64 = 8;
const FALSE: u8 = 0xf4;
const TRUE: u8 = 0xf5;

/// The hash chain over the lines of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditChain([u8; SHA_256_LENGTH]);

impl AuditChain {
    /// Returns the empty chain of the stream of `key_id`: SHA-256(`attested-random audit v1` ‖ kid).
    pub fn new(key_id: KeyId) -> Self {
        let mut first = Sha256::new();
        first.update(CHAIN_CONTEXT);
        first.update(&key_id.0);
        Self(first.finish())
    }

    /// Returns the chain whose end is `head`, to continue after a digest.
    pub const fn from_head(head: [u8; SHA_256_LENGTH]) -> Self {
        Self(head)
    }

    /// Appends record `sequence`: SHA-256(h ‖ sequence as 8 bytes ‖ SHA-256(line)). `line` is the line as the enclave
    /// wrote it, without its line feed.
    pub fn append(&mut self, sequence: u64, line: &[u8]) {
        self.append_digest(sequence, &Sha256::digest(line));
    }

    /// Appends record `sequence`, whose line has the SHA-256 digest `line_digest`.
    pub fn append_digest(&mut self, sequence: u64, line_digest: &[u8; SHA_256_LENGTH]) {
        let mut next = Sha256::new();
        next.update(&self.0);
        next.update(&sequence.to_be_bytes());
        next.update(line_digest);
        self.0 = next.finish();
    }

    /// Returns the end of the chain.
    pub const fn head(&self) -> [u8; SHA_256_LENGTH] {
        self.0
    }
}

/// A digest of the records since the digest before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditDigest {
    /// The number of the first record. If there is no new record, it is the number after `to`.
    pub from: u64,
    /// The number of the last record.
    pub to: u64,
    /// The records that the enclave itself dropped, as first and last number of each gap, in ascending order.
    pub gaps: Vec<(u64, u64)>,
    /// The end of the hash chain after the last record.
    pub head: [u8; SHA_256_LENGTH],
    /// The SHA-256 digest of the statement before. `None` for the first digest of a stream, and encoded as an empty
    /// byte string.
    pub previous: Option<[u8; SHA_256_LENGTH]>,
    /// The time of the digest.
    pub time: UnixMillis,
    /// True for the last digest of a stream that ended in order.
    pub is_end: bool,
}

/// The reason why bytes are not a signed audit digest.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum AuditDigestError {
    /// The bytes are not canonical base64.
    #[error("it is not base64 in its canonical form")]
    Base64,
    /// The bytes are not a signed statement.
    #[error("it is not a COSE_Sign1 of an audit digest: {0}")]
    Statement(#[from] StatementError),
    /// A member is missing, unknown, out of order, or of another type.
    #[error("its member {member} is missing, out of order, or malformed")]
    Member {
        /// The member.
        member: &'static str,
    },
    /// The payload is not in deterministic encoding.
    #[error("its payload is not in deterministic encoding")]
    NotDeterministic,
    /// The signature is rejected.
    #[error(transparent)]
    Signature(#[from] StatementSignatureError),
}

/// A parsed digest, whose signature was not verified.
#[derive(Clone, Debug)]
pub struct SignedAuditDigest {
    bytes: Vec<u8>,
    key_id: KeyId,
    digest: AuditDigest,
}

impl AuditDigest {
    /// Signs the digest with the receipt key. Returns the statement.
    ///
    /// # Errors
    /// If the provider fails.
    pub fn sign(&self, key: &Es256Key) -> Result<Vec<u8>, CryptoError> {
        AUDIT_DIGEST.sign(key, &self.to_payload())
    }

    fn to_payload(&self) -> Vec<u8> {
        let Self { from, to, gaps, head, previous, time, is_end } = self;
        let mut payload = Vec::new();
        push_head(&mut payload, MAP, MEMBERS);
        push_text(&mut payload, "v");
        push_head(&mut payload, UNSIGNED, VERSION);
        push_text(&mut payload, "to");
        push_head(&mut payload, UNSIGNED, *to);
        push_text(&mut payload, "end");
        payload.push(if *is_end { TRUE } else { FALSE });
        push_text(&mut payload, "from");
        push_head(&mut payload, UNSIGNED, *from);
        push_text(&mut payload, "gaps");
        push_head(&mut payload, ARRAY, u64::try_from(gaps.len()).unwrap_or(u64::MAX));
        for (first, last) in gaps {
            push_head(&mut payload, ARRAY, 2);
            push_head(&mut payload, UNSIGNED, *first);
            push_head(&mut payload, UNSIGNED, *last);
        }
        push_text(&mut payload, "head");
        push_byte_string(&mut payload, head);
        push_text(&mut payload, "prev");
        push_byte_string(&mut payload, previous.as_ref().map_or(&[], <[u8; 32]>::as_slice));
        push_text(&mut payload, "time");
        push_head(&mut payload, UNSIGNED, time.as_millis());
        payload
    }

    fn from_payload(payload: &[u8]) -> Result<Self, AuditDigestError> {
        let mut members = Members { payload, reader: Reader::new(payload, 0..payload.len()) };
        let is_definite = matches!(members.reader.map(), Ok(Items::Left(MEMBERS)));
        if !is_definite || members.read("v", Reader::unsigned)? != VERSION {
            return Err(AuditDigestError::Member { member: "v" });
        }
        let to = members.read("to", Reader::unsigned)?;
        members.name("end")?;
        let is_end = members.reader.take_if(TRUE);
        if !is_end && !members.reader.take_if(FALSE) {
            return Err(AuditDigestError::Member { member: "end" });
        }
        let from = members.read("from", Reader::unsigned)?;
        let gaps = members.gaps()?;
        check_gaps(from, to, &gaps)?;
        let head = members.bytes("head")?;
        let head = head.try_into().map_err(|_| AuditDigestError::Member { member: "head" })?;
        let previous = match members.bytes("prev")? {
            [] => None,
            bytes => {
                Some(bytes.try_into().map_err(|_| AuditDigestError::Member { member: "prev" })?)
            }
        };
        let time = UnixMillis::new(members.read("time", Reader::unsigned)?);
        let digest = Self { from, to, gaps, head, previous, time, is_end };
        match digest.to_payload() == payload {
            true => Ok(digest),
            false => Err(AuditDigestError::NotDeterministic),
        }
    }
}

impl SignedAuditDigest {
    /// Parses a statement in base64, as an audit trail contains it.
    ///
    /// # Errors
    /// If the text is not exactly the base64 of a signed audit digest.
    pub fn from_base64(text: &str) -> Result<Self, AuditDigestError> {
        Self::parse(STANDARD.decode(text).map_err(|_| AuditDigestError::Base64)?)
    }

    /// Parses a statement.
    ///
    /// # Errors
    /// If the bytes are not exactly those of a signed audit digest.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, AuditDigestError> {
        let statement = AUDIT_DIGEST.parse(&bytes)?;
        let digest = AuditDigest::from_payload(statement.unverified_payload())?;
        let key_id = statement.key_id();
        Ok(Self { bytes, key_id, digest })
    }

    /// Returns the key that the statement names.
    pub const fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// Returns the SHA-256 digest of the statement, the `prev` of the next digest.
    pub fn statement_digest(&self) -> [u8; SHA_256_LENGTH] {
        Sha256::digest(&self.bytes)
    }

    /// Verifies the signature with the receipt key, and returns the digest.
    ///
    /// # Errors
    /// If the signature does not verify, or has a high s.
    pub fn verify(
        &self,
        point: &[u8; P256_POINT_LENGTH],
    ) -> Result<&AuditDigest, AuditDigestError> {
        AUDIT_DIGEST.parse(&self.bytes)?.verify(point)?;
        Ok(&self.digest)
    }
}

/// Checks that the gaps ascend, do not touch each other, and lie between `from` and `to`.
fn check_gaps(from: u64, to: u64, gaps: &[(u64, u64)]) -> Result<(), AuditDigestError> {
    let mut lowest = from;
    for &(first, last) in gaps {
        if first < lowest || last < first || last > to {
            return Err(AuditDigestError::Member { member: "gaps" });
        }
        // A gap that follows at once would be a part of this gap.
        lowest = last.saturating_add(2);
    }
    Ok(())
}

/// A reader of the members of a payload, in their order.
struct Members<'a> {
    payload: &'a [u8],
    reader: Reader<'a>,
}

impl<'a> Members<'a> {
    /// Reads the name of the next member.
    fn name(&mut self, member: &'static str) -> Result<(), AuditDigestError> {
        let range = self.reader.text().map_err(|_| AuditDigestError::Member { member })?;
        match self.payload.get(range) == Some(member.as_bytes()) {
            true => Ok(()),
            false => Err(AuditDigestError::Member { member }),
        }
    }

    fn read<T>(
        &mut self,
        member: &'static str,
        read: impl FnOnce(&mut Reader<'a>) -> Result<T, CborError>,
    ) -> Result<T, AuditDigestError> {
        self.name(member)?;
        read(&mut self.reader).map_err(|_| AuditDigestError::Member { member })
    }

    fn bytes(&mut self, member: &'static str) -> Result<&'a [u8], AuditDigestError> {
        let range = self.read(member, Reader::bytes)?;
        Ok(self.payload.get(range).unwrap_or_default())
    }

    fn gaps(&mut self) -> Result<Vec<(u64, u64)>, AuditDigestError> {
        let malformed = AuditDigestError::Member { member: "gaps" };
        let mut items = self.read("gaps", Reader::array)?;
        let mut gaps = Vec::new();
        while self.reader.more(&mut items) {
            let is_pair = matches!(self.reader.array(), Ok(Items::Left(2)));
            if !is_pair || gaps.len() == MAX_GAPS {
                return Err(malformed);
            }
            let first = self.reader.unsigned().map_err(|_| malformed)?;
            gaps.push((first, self.reader.unsigned().map_err(|_| malformed)?));
        }
        Ok(gaps)
    }
}

#[cfg(test)]
#[path = "audit_digest_tests.rs"]
mod tests;
