//! GenerateRandom: <https://docs.aws.amazon.com/kms/latest/APIReference/API_GenerateRandom.html>.

use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::json::{JsonError, Object};
use super::number_of_bytes::{MAX_NUMBER_OF_BYTES, NumberOfBytes};
use super::violation::{
    Constraint, InvalidRequest, Violation, check_number, check_string, reject_violations,
};

const MAX_CUSTOM_KEY_STORE_ID_LENGTH: usize = 64;
const MAX_ATTESTATION_DOCUMENT_LENGTH: usize = 262_144;
/// The only KeyEncryptionMechanism of the API's model.
const RSAES_OAEP_SHA_256: &str = "RSAES_OAEP_SHA_256";

/// A parsed request. The attestation document is decoded from base64, but not parsed.
#[derive(Debug)]
pub struct GenerateRandom {
    /// NumberOfBytes.
    pub number_of_bytes: NumberOfBytes,
    /// CustomKeyStoreId: 1 to 64 characters.
    pub custom_key_store_id: Option<String>,
    /// Recipient.AttestationDocument, decoded from base64: 1 to 262,144 bytes with any content.
    pub attestation_document: Option<Vec<u8>>,
}

impl GenerateRandom {
    /// Parses a request's body.
    ///
    /// # Errors
    /// The first JSON error, or all values outside their limits, or the first missing member.
    pub fn parse(body: &[u8]) -> Result<Self, InvalidRequest> {
        let mut body = Object::parse(body)?;
        let number = body.take("NumberOfBytes").map(|json| json.into_integer()).transpose()?;
        let store = body.take("CustomKeyStoreId").map(|json| json.into_string()).transpose()?;
        let recipient = body.take("Recipient").map(|json| json.into_object()).transpose()?;
        let recipient = recipient.map(Recipient::read).transpose()?;

        let mut violations = Vec::new();
        check_number(&mut violations, "numberOfBytes", number, MAX_NUMBER_OF_BYTES.into());
        let max = MAX_CUSTOM_KEY_STORE_ID_LENGTH;
        check_string(&mut violations, "customKeyStoreId", store.as_deref(), max);
        if let Some(recipient) = &recipient {
            recipient.check(&mut violations);
        }
        reject_violations(violations)?;

        let number_of_bytes = number
            .and_then(|number| NumberOfBytes::new(u16::try_from(number).ok()?))
            .ok_or(InvalidRequest::MissingMember { member: "NumberOfBytes" })?;
        Ok(Self {
            number_of_bytes,
            custom_key_store_id: store.map(Into::into),
            attestation_document: recipient.map(Recipient::into_document).transpose()?,
        })
    }
}

struct Recipient {
    key_encryption_algorithm: Option<String>,
    attestation_document: Option<Vec<u8>>,
}

impl Recipient {
    fn read(mut object: Object<'_>) -> Result<Self, JsonError> {
        let mut string = |member: &str| object.take(member).map(|json| json.into_string());
        let key_encryption_algorithm =
            string("KeyEncryptionAlgorithm").transpose()?.map(Into::into);
        let attestation_document = string("AttestationDocument")
            .transpose()?
            .map(|text| STANDARD.decode(text.as_bytes()))
            .transpose()
            .map_err(|_| JsonError::Base64 { member: "Recipient.AttestationDocument" })?;
        Ok(Self { key_encryption_algorithm, attestation_document })
    }

    fn check(&self, violations: &mut Vec<Violation>) {
        if let Some(algorithm) = &self.key_encryption_algorithm
            && algorithm != RSAES_OAEP_SHA_256
        {
            violations.push(Violation {
                value: Some(algorithm.clone()),
                member: "recipient.keyEncryptionAlgorithm",
                constraint: Constraint::OneOf(RSAES_OAEP_SHA_256),
            });
        }
        if let Some(document) = &self.attestation_document
            && let Some(constraint) =
                Constraint::broken_length(document.len(), 1, MAX_ATTESTATION_DOCUMENT_LENGTH)
        {
            let member = "recipient.attestationDocument";
            violations.push(Violation { value: None, member, constraint });
        }
    }

    fn into_document(self) -> Result<Vec<u8>, InvalidRequest> {
        if self.key_encryption_algorithm.is_none() {
            return Err(InvalidRequest::MissingMember {
                member: "Recipient.KeyEncryptionAlgorithm",
            });
        }
        self.attestation_document
            .ok_or(InvalidRequest::MissingMember { member: "Recipient.AttestationDocument" })
    }
}

/// A namespace for the functions that return a response's body.
///
/// The body has exactly one blob. With a Recipient, the body has no member Plaintext, because SDKs interpret
/// even an empty or null Plaintext as a value. The body is one allocation of its exact length, because
/// growing would leave copies of the bytes. The body may contain the random bytes, so the caller wipes it.
#[derive(Debug)]
pub enum GenerateRandomResponse {}

impl GenerateRandomResponse {
    /// Returns the body with `random` as Plaintext.
    pub fn plaintext(random: &[u8]) -> Vec<u8> {
        let mut body = Body::new("Plaintext", random.len());
        encode(random, body.encoded());
        body.bytes
    }

    /// Returns the body with a CiphertextForRecipient of `length` bytes, which `seal` writes into a buffer
    /// of that length.
    ///
    /// # Errors
    /// The errors of `seal`, which must wipe the buffer if it fails.
    pub fn ciphertext_for_recipient<E>(
        length: usize,
        seal: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<Vec<u8>, E> {
        let mut body = Body::new("CiphertextForRecipient", length);
        let encoded = body.encoded();
        let from = encoded.len().saturating_sub(length);
        seal(encoded.get_mut(from..).unwrap_or_default())?;
        encode_in_place(encoded, from);
        Ok(body.bytes)
    }
}

/// The JSON around one blob.
struct Body {
    bytes: Vec<u8>,
    encoded: Range<usize>,
}

impl Body {
    const SUFFIX: &[u8] = br#""}"#;

    /// Creates the body with space for the base64 text of a blob of `length` bytes.
    fn new(member: &str, length: usize) -> Self {
        let prefix = [br#"{""#, member.as_bytes(), br#"":""#];
        let from = prefix.iter().map(|part| part.len()).sum::<usize>();
        let to = from + length.div_ceil(3) * 4;
        let mut bytes = Vec::with_capacity(to + Self::SUFFIX.len());
        prefix.iter().for_each(|part| bytes.extend_from_slice(part));
        bytes.resize(to, 0);
        bytes.extend_from_slice(Self::SUFFIX);
        Self { bytes, encoded: from..to }
    }

    fn encoded(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.encoded.clone()).unwrap_or_default()
    }
}

#[expect(clippy::expect_used, reason = "callers compute the length of the buffer")]
fn encode(bytes: &[u8], room: &mut [u8]) {
    STANDARD.encode_slice(bytes, room).expect("the buffer has space for the base64 text");
}

/// Encodes the bytes after `from` as base64 over the whole buffer.
///
/// The write position never overtakes the read position. They meet at the end of the buffer.
fn encode_in_place(buffer: &mut [u8], from: usize) {
    const READ: usize = 48;
    const WRITTEN: usize = READ / 3 * 4;
    let mut part = [0; READ];
    let ends = (from..buffer.len()).step_by(READ);
    for (read, written) in ends.zip((0..).step_by(WRITTEN)) {
        let unread = buffer.get(read..).unwrap_or_default();
        let unread = unread.get(..READ).unwrap_or(unread);
        let (part, _) = part.split_at_mut(unread.len());
        part.copy_from_slice(unread);
        encode(part, buffer.get_mut(written..).unwrap_or_default());
    }
}

#[cfg(test)]
#[path = "generate_random_tests.rs"]
mod tests;
