//! The name of a stream of audit records.

use std::fmt;
use std::str::FromStr;

use crate::hex::Hex;
use crate::signed_statement::KeyId;

/// Length of a name, in bytes. In text, it has twice as many hexadecimal digits.
const LENGTH: usize = 8;

/// The name of the audit records of one process of an enclave: the first 16 hexadecimal digits of its receipt key's
/// identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuditStream([u8; LENGTH]);

impl AuditStream {
    /// Returns the name of the stream of `key_id`.
    pub const fn of(key_id: KeyId) -> Self {
        let KeyId([b0, b1, b2, b3, b4, b5, b6, b7, ..]) = key_id;
        Self([b0, b1, b2, b3, b4, b5, b6, b7])
    }
}

impl fmt::Display for AuditStream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(&self.0).fmt(formatter)
    }
}

/// The error for a text that is not the name of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name of an audit stream is 16 hexadecimal digits in lower case")]
pub struct InvalidAuditStream;

impl FromStr for AuditStream {
    type Err = InvalidAuditStream;

    fn from_str(text: &str) -> Result<Self, InvalidAuditStream> {
        let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 2 * LENGTH || !text.bytes().all(is_digit) {
            return Err(InvalidAuditStream);
        }
        let number = u64::from_str_radix(text, 16).map_err(|_| InvalidAuditStream)?;
        Ok(Self(number.to_be_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_is_the_first_digits_of_the_key_identifier() {
        let mut key_id = KeyId([0xff; 32]);
        key_id.0[..8].copy_from_slice(&[0, 1, 2, 0xab, 4, 5, 6, 0x70]);
        let stream = AuditStream::of(key_id);
        assert_eq!(stream.to_string(), "000102ab04050670");
        assert!(key_id.to_string().starts_with(&stream.to_string()));
        assert_eq!(stream.to_string().parse(), Ok(stream));
    }

    #[test]
    fn accepts_only_16_lower_case_digits() {
        for text in
            ["", "000102ab0405067", "000102ab040506700", "000102AB04050670", "+00102ab04050670"]
        {
            assert_eq!(text.parse::<AuditStream>(), Err(InvalidAuditStream), "{text}");
        }
    }
}
