//! The identity of an enclave: the `user_data` of the enclave's own attestation document, version 2.
//!
//! ```text
//! attested-random/2 identity receipt=p256:HEX130 [tls-key=sha256:HEX64] [tls-ca=sha256:HEX64] [config=VERSION:sha256:HEX64]
//! ```
//!
//! The parts stand in this order, each at most once, separated by one space. Anything else is rejected.

use std::fmt::{self, Formatter};

use thiserror::Error;

use crate::crypto::{P256_POINT_LENGTH, SHA_256_LENGTH};
use crate::hex::Hex;
use crate::signed_statement::KeyId;

/// The first word: the format and its version.
const FORMAT: &str = "attested-random/2";

/// The first words of version 1.
const FORMAT_1: &str = "attested-random tls-ca/1 ";

/// The second word: the purpose of the document.
const PURPOSE: &str = "identity";

const RECEIPT: &str = "receipt=p256:";
const TLS_KEY: &str = "tls-key=sha256:";
const TLS_CA: &str = "tls-ca=sha256:";
const CONFIG: &str = "config=";
const CONFIG_DIGEST: &str = "sha256:";

/// The keys that an enclave attests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The receipt key, as an uncompressed P-256 point.
    pub receipt_key: [u8; P256_POINT_LENGTH],
    /// The SHA-256 digest of the SubjectPublicKeyInfo of the TLS certificates. `None` if the enclave did not
    /// generate their key.
    pub tls_key: Option<[u8; SHA_256_LENGTH]>,
    /// The SHA-256 digest of the SubjectPublicKeyInfo of the TLS certificate authority. `None` if the enclave did
    /// not generate its key.
    pub tls_ca: Option<[u8; SHA_256_LENGTH]>,
    /// The configuration of a fleet. Reserved.
    pub config: Option<ConfigIdentity>,
}

/// A numbered configuration of a fleet. Reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigIdentity {
    /// The version of the configuration.
    pub version: u64,
    /// The SHA-256 digest of the configuration.
    pub digest: [u8; SHA_256_LENGTH],
}

/// The reason why `user_data` is not an identity.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum InvalidIdentity {
    /// The text has the format of version 1, which has no receipt key.
    #[error("user_data has version 1, which has no receipt key: update the enclave")]
    Version1,
    /// The first word is another one.
    #[error("user_data does not begin with \"{FORMAT} \"")]
    Format,
    /// The document has another purpose.
    #[error("the purpose in user_data is not \"{PURPOSE}\"")]
    Purpose,
    /// The receipt key is missing or malformed.
    #[error(
        "user_data has no part \"{RECEIPT}\" with 130 lower-case hexadecimal digits after the \
         purpose"
    )]
    ReceiptKey,
    /// A part is unknown, malformed, repeated, or in another order.
    #[error(
        "part {number} of user_data is unknown, malformed, repeated or out of order: after the \
         receipt key there may be tls-key, tls-ca and config, in this order, each with 64 \
         lower-case hexadecimal digits"
    )]
    Part {
        /// The number of the part, from 1. The first part is the format.
        number: usize,
    },
}

impl Identity {
    /// Returns the identifier of the receipt key.
    pub fn key_id(&self) -> KeyId {
        KeyId::of(&self.receipt_key)
    }

    /// Parses an attestation document's `user_data`.
    ///
    /// # Errors
    /// If `user_data` does not have exactly the form that [`to_user_data`](Self::to_user_data) returns.
    pub fn from_user_data(user_data: &[u8]) -> Result<Self, InvalidIdentity> {
        if user_data.starts_with(FORMAT_1.as_bytes()) {
            return Err(InvalidIdentity::Version1);
        }
        let text = std::str::from_utf8(user_data).map_err(|_| InvalidIdentity::Format)?;
        let mut parts = (1..).zip(text.split(' ')).peekable();
        if parts.next().is_none_or(|(_, format)| format != FORMAT) {
            return Err(InvalidIdentity::Format);
        }
        if parts.next().is_none_or(|(_, purpose)| purpose != PURPOSE) {
            return Err(InvalidIdentity::Purpose);
        }
        let receipt_key = parts.next().and_then(|(_, part)| hex(part.strip_prefix(RECEIPT)?));
        let mut identity = Self {
            receipt_key: receipt_key.ok_or(InvalidIdentity::ReceiptKey)?,
            tls_key: None,
            tls_ca: None,
            config: None,
        };
        let mut optional = |parse: &mut dyn FnMut(&str) -> bool| {
            parts.next_if(|(_, part)| parse(part));
        };
        optional(&mut |part| set(&mut identity.tls_key, part.strip_prefix(TLS_KEY).and_then(hex)));
        optional(&mut |part| set(&mut identity.tls_ca, part.strip_prefix(TLS_CA).and_then(hex)));
        optional(&mut |part| set(&mut identity.config, ConfigIdentity::parse(part)));
        match parts.next() {
            None => Ok(identity),
            Some((number, _)) => Err(InvalidIdentity::Part { number }),
        }
    }

    /// Returns the identity as an attestation document's `user_data`.
    pub fn to_user_data(&self) -> Vec<u8> {
        self.to_string().into_bytes()
    }
}

impl ConfigIdentity {
    fn parse(part: &str) -> Option<Self> {
        let (version, digest) = part.strip_prefix(CONFIG)?.split_once(':')?;
        let digest = hex(digest.strip_prefix(CONFIG_DIGEST)?)?;
        let is_decimal = version.bytes().all(|digit| digit.is_ascii_digit());
        let has_leading_zero = version.len() > 1 && version.starts_with('0');
        let version = version.parse().ok().filter(|_| is_decimal && !has_leading_zero)?;
        Some(Self { version, digest })
    }
}

/// Sets `field` to `value`, and returns whether there is a value.
fn set<T>(field: &mut Option<T>, value: Option<T>) -> bool {
    *field = value;
    field.is_some()
}

/// Parses exactly `2 * N` lower-case hexadecimal digits.
fn hex<const N: usize>(digits: &str) -> Option<[u8; N]> {
    let (pairs, rest) = digits.as_bytes().as_chunks();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let Self { receipt_key, tls_key, tls_ca, config } = self;
        write!(formatter, "{FORMAT} {PURPOSE} {RECEIPT}{}", Hex(receipt_key))?;
        if let Some(digest) = tls_key {
            write!(formatter, " {TLS_KEY}{}", Hex(digest))?;
        }
        if let Some(digest) = tls_ca {
            write!(formatter, " {TLS_CA}{}", Hex(digest))?;
        }
        if let Some(ConfigIdentity { version, digest }) = config {
            write!(formatter, " {CONFIG}{version}:{CONFIG_DIGEST}{}", Hex(digest))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity {
            receipt_key: [0x04; P256_POINT_LENGTH],
            tls_key: Some([0xab; SHA_256_LENGTH]),
            tls_ca: Some([0xcd; SHA_256_LENGTH]),
            config: Some(ConfigIdentity { version: 12, digest: [0xef; SHA_256_LENGTH] }),
        }
    }

    fn text() -> String {
        let (key, ca, config) = ("ab".repeat(32), "cd".repeat(32), "ef".repeat(32));
        let receipt = "04".repeat(65);
        format!(
            "attested-random/2 identity receipt=p256:{receipt} tls-key=sha256:{key} \
             tls-ca=sha256:{ca} config=12:sha256:{config}"
        )
    }

    #[test]
    fn every_subset_of_optional_parts_round_trips() {
        assert_eq!(identity().to_string(), text());
        for subset in 0..8 {
            let mut identity = identity();
            identity.tls_key = identity.tls_key.filter(|_| subset & 1 != 0);
            identity.tls_ca = identity.tls_ca.filter(|_| subset & 2 != 0);
            identity.config = identity.config.filter(|_| subset & 4 != 0);
            assert_eq!(Identity::from_user_data(&identity.to_user_data()), Ok(identity));
        }
        assert!(text().len() <= 1024, "the NSM limits user_data to 1,024 bytes");
    }

    #[test]
    fn reads_every_digit_and_version_0() {
        let digest = "0123456789abcdef".repeat(4);
        let receipt = "04".repeat(65);
        let text =
            format!("attested-random/2 identity receipt=p256:{receipt} config=0:sha256:{digest}");
        let config = Identity::from_user_data(text.as_bytes()).unwrap().config.unwrap();
        let bytes = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef];
        assert_eq!((config.version, config.digest.as_chunks()), (0, (&[bytes; 4][..], &[][..])));
    }

    #[test]
    fn rejects_other_forms_with_their_own_error() {
        use InvalidIdentity::{Format, Part, Purpose, ReceiptKey, Version1};
        let v1 = format!("attested-random tls-ca/1 sha256:{}", "ab".repeat(32));
        let parts: Vec<_> = text().split(' ').map(str::to_owned).collect();
        let with = |order: &[usize]| {
            order.iter().map(|index| parts[*index].as_str()).collect::<Vec<_>>().join(" ")
        };
        for (text, error) in [
            (v1, Version1),
            (String::new(), Format),
            (text().replace("/2", "/3"), Format),
            (format!(" {}", text()), Format),
            (text().replace(" identity ", " recipient "), Purpose),
            (text().replace(" identity", "  identity"), Purpose),
            (with(&[0, 1]), ReceiptKey),
            (with(&[0, 1, 3]), ReceiptKey),
            (text().replacen("0404", "040", 1), ReceiptKey),
            (text().replacen("0404", "04040", 1), ReceiptKey),
            (text().replacen("0404", "04", 1), ReceiptKey),
            (text().replacen("0404", "040404", 1), ReceiptKey),
            (text().replacen("0404", "0A04", 1), ReceiptKey),
            (text().replacen("0404", "0g04", 1), ReceiptKey),
            (text().replace("p256", "p384"), ReceiptKey),
            (with(&[0, 1, 2, 4, 3]), Part { number: 5 }),
            (with(&[0, 1, 2, 5, 4]), Part { number: 5 }),
            (with(&[0, 1, 2, 3, 3]), Part { number: 5 }),
            (with(&[0, 1, 2, 2]), Part { number: 4 }),
            (format!("{} other=1", text()), Part { number: 7 }),
            (format!("{} ", text()), Part { number: 7 }),
            (format!("{}\n", text()), Part { number: 6 }),
            (text().replace("abab", "ABAB"), Part { number: 4 }),
            (text().replace("=12:", "=012:"), Part { number: 6 }),
            (text().replace("=12:", "=+12:"), Part { number: 6 }),
            (text().replace("=12:", "=:"), Part { number: 6 }),
            (text().replace("=12:", "=18446744073709551616:"), Part { number: 6 }),
        ] {
            assert_eq!(Identity::from_user_data(text.as_bytes()), Err(error), "{text}");
        }
        assert_eq!(Identity::from_user_data(b"\xff"), Err(Format));
    }
}
