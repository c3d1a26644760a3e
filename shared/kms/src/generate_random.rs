//! GenerateRandom: <https://docs.aws.amazon.com/kms/latest/APIReference/API_GenerateRandom.html>.

use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::json::{JsonError, Object};
use super::violation::{Constraint, RequestError, Violation, check_number, check_string, none_of};

/// The greatest NumberOfBytes of the model.
pub const MAX_NUMBER_OF_BYTES: u16 = 1024;

const MAX_CUSTOM_KEY_STORE_ID_LENGTH: usize = 64;
const MAX_ATTESTATION_DOCUMENT_LENGTH: usize = 262_144;
/// The one KeyEncryptionMechanism of the model.
const RSAES_OAEP_SHA_256: &str = "RSAES_OAEP_SHA_256";

/// How many random bytes are asked for: 1 to 1,024.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberOfBytes(u16);

impl NumberOfBytes {
    /// `None` unless it is 1 to 1,024.
    pub fn new(value: u16) -> Option<Self> {
        (1..=MAX_NUMBER_OF_BYTES).contains(&value).then_some(Self(value))
    }

    /// As a length.
    pub fn get(self) -> usize {
        self.0.into()
    }
}

/// A request, as far as its JSON goes.
#[derive(Debug)]
pub struct GenerateRandom {
    /// NumberOfBytes.
    pub number_of_bytes: NumberOfBytes,
    /// CustomKeyStoreId; 1 to 64 characters.
    pub custom_key_store_id: Option<String>,
    /// Recipient.AttestationDocument, decoded; 1 to 262,144 bytes of anything.
    pub attestation_document: Option<Vec<u8>>,
}

impl GenerateRandom {
    /// Reads a request's body.
    ///
    /// # Errors
    /// The first thing that is not JSON of the right shape; else all values out of their limits;
    /// else the first member that is missing.
    pub fn parse(body: &[u8]) -> Result<Self, RequestError> {
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
        none_of(violations)?;

        let number_of_bytes = number
            .and_then(|number| NumberOfBytes::new(u16::try_from(number).ok()?))
            .ok_or(RequestError::Required { member: "NumberOfBytes" })?;
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

    fn into_document(self) -> Result<Vec<u8>, RequestError> {
        if self.key_encryption_algorithm.is_none() {
            return Err(RequestError::Required { member: "Recipient.KeyEncryptionAlgorithm" });
        }
        self.attestation_document
            .ok_or(RequestError::Required { member: "Recipient.AttestationDocument" })
    }
}

/// The answer's body, which is one allocation of just its length: what grew would leave copies behind. It
/// has one blob: with a Recipient there is no Plaintext, not even an empty or null one, which SDKs would
/// take for a value. It may hold the random bytes: the caller wipes it.
#[derive(Debug)]
pub enum GenerateRandomResponse {}

impl GenerateRandomResponse {
    /// With the random bytes.
    pub fn plaintext(random: &[u8]) -> Vec<u8> {
        let mut body = Body::of("Plaintext", random.len());
        encode(random, body.encoded());
        body.bytes
    }

    /// With a ciphertext of `length` bytes, which `seal` writes: it is given just as many.
    ///
    /// # Errors
    /// Those of `seal`, which leaves nothing behind that must be wiped.
    pub fn ciphertext_for_recipient<E>(
        length: usize,
        seal: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<Vec<u8>, E> {
        let mut body = Body::of("CiphertextForRecipient", length);
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

    /// With room for a blob of `length` bytes in base64.
    fn of(member: &str, length: usize) -> Self {
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

#[expect(clippy::expect_used, reason = "whoever calls has measured the room")]
fn encode(bytes: &[u8], room: &mut [u8]) {
    STANDARD.encode_slice(bytes, room).expect("there is room for base64");
}

/// Encodes what stands at the end of `buffer`, after `from`, over all of it. What is written never passes
/// what is read: at the last byte they meet.
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
mod tests {
    use super::*;

    fn error(body: &str) -> String {
        GenerateRandom::parse(body.as_bytes()).unwrap_err().to_string()
    }

    fn is_serialization(body: &str) -> bool {
        matches!(GenerateRandom::parse(body.as_bytes()), Err(RequestError::Serialization(_)))
    }

    #[test]
    fn reads_the_request_with_and_without_recipient() {
        let plain = GenerateRandom::parse(br#"{"NumberOfBytes":1024,"Other":[]}"#).unwrap();
        assert_eq!(plain.number_of_bytes.get(), 1024);
        assert!(plain.attestation_document.is_none() && plain.custom_key_store_id.is_none());
        let attested = br#"{"NumberOfBytes":1,"CustomKeyStoreId":null,"Recipient":
            {"KeyEncryptionAlgorithm":"RSAES_OAEP_SHA_256","AttestationDocument":"AP\/="}}"#;
        // AP/= has non-zero trailing bits; AP8= is the same byte, canonical.
        assert!(matches!(
            GenerateRandom::parse(attested),
            Err(RequestError::Serialization(JsonError::Base64 { .. }))
        ));
        let attested = String::from_utf8_lossy(attested).replace("\\/", "8");
        let attested = GenerateRandom::parse(attested.as_bytes()).unwrap();
        assert_eq!(attested.attestation_document.unwrap(), [0, 255]);
    }

    #[test]
    fn says_what_kms_says_of_values_out_of_range() {
        let prefix = "1 validation error detected: Value ";
        let cases = [
            (
                r#"{"NumberOfBytes":0}"#,
                "'0' at 'numberOfBytes' failed to satisfy constraint: Member must have value greater than or equal to 1",
            ),
            (
                r#"{"NumberOfBytes":-1}"#,
                "'-1' at 'numberOfBytes' failed to satisfy constraint: Member must have value greater than or equal to 1",
            ),
            (
                r#"{"NumberOfBytes":1025}"#,
                "'1025' at 'numberOfBytes' failed to satisfy constraint: Member must have value less than or equal to 1024",
            ),
            (
                r#"{"NumberOfBytes":1,"CustomKeyStoreId":""}"#,
                "'' at 'customKeyStoreId' failed to satisfy constraint: Member must have length greater than or equal to 1",
            ),
            (
                r#"{"NumberOfBytes":1,"Recipient":{"KeyEncryptionAlgorithm":"X","AttestationDocument":"AA=="}}"#,
                "'X' at 'recipient.keyEncryptionAlgorithm' failed to satisfy constraint: Member must satisfy enum value set: [RSAES_OAEP_SHA_256]",
            ),
            (
                r#"{"NumberOfBytes":1,"Recipient":{"KeyEncryptionAlgorithm":"RSAES_OAEP_SHA_256","AttestationDocument":""}}"#,
                "at 'recipient.attestationDocument' failed to satisfy constraint: Member must have length greater than or equal to 1",
            ),
        ];
        for (body, expected) in cases {
            assert_eq!(error(body), format!("{prefix}{expected}"));
        }
        let two = format!(r#"{{"NumberOfBytes":0,"CustomKeyStoreId":"{}"}}"#, "a".repeat(65));
        assert!(error(&two).starts_with("2 validation errors detected: Value '0' at "));
        assert!(error(&two).contains("; Value 'aaa"));
    }

    #[test]
    fn requires_number_of_bytes_and_both_halves_of_a_recipient() {
        for body in ["{}", r#"{"NumberOfBytes":null}"#] {
            assert_eq!(error(body), "NumberOfBytes is required.");
        }
        assert_eq!(
            error(r#"{"NumberOfBytes":1,"Recipient":{"AttestationDocument":"AA=="}}"#),
            "Recipient.KeyEncryptionAlgorithm is required."
        );
        assert_eq!(
            error(
                r#"{"NumberOfBytes":1,"Recipient":{"KeyEncryptionAlgorithm":"RSAES_OAEP_SHA_256"}}"#
            ),
            "Recipient.AttestationDocument is required."
        );
    }

    #[test]
    fn takes_no_other_json_type_for_a_number_or_a_blob() {
        for value in ["1e3", "32.0", "\"32\"", "true", "18446744073709551616", "[]", "{}"] {
            assert!(is_serialization(&format!(r#"{{"NumberOfBytes":{value}}}"#)), "{value}");
        }
        for value in ["1", "[]", r#""AA""#, r#""AA==\n""#, r#"" AA==""#, r#""-_==""#, r#""AB==""#] {
            let body = format!(
                r#"{{"NumberOfBytes":1,"Recipient":{{"KeyEncryptionAlgorithm":"RSAES_OAEP_SHA_256","AttestationDocument":{value}}}}}"#
            );
            assert!(is_serialization(&body), "{value}");
        }
    }

    #[test]
    fn answers_with_one_member() {
        let plain = GenerateRandomResponse::plaintext(&[0, 255]);
        assert_eq!(plain, br#"{"Plaintext":"AP8="}"#);
        let sealed = GenerateRandomResponse::ciphertext_for_recipient(1, |room| {
            assert_eq!(room, [0]);
            Ok::<_, JsonError>(())
        });
        assert_eq!(sealed.unwrap(), br#"{"CiphertextForRecipient":"AA=="}"#);
    }

    #[test]
    fn encodes_a_ciphertext_of_any_length_where_it_was_written() {
        for length in (0..200).chain([493, 1487, 1615, 1743, 6143, 6144]) {
            let blob: Vec<u8> = (0..length).map(|n| u8::try_from(n % 251).unwrap()).collect();
            let body = GenerateRandomResponse::ciphertext_for_recipient(length, |room| {
                room.copy_from_slice(&blob);
                Ok::<_, JsonError>(())
            });
            let body = String::from_utf8(body.unwrap()).unwrap();
            let expected = format!(r#"{{"CiphertextForRecipient":"{}"}}"#, STANDARD.encode(&blob));
            assert_eq!(body, expected, "{length}");
            assert_eq!(GenerateRandomResponse::plaintext(&blob).len(), body.len() - 13);
        }
    }
}
