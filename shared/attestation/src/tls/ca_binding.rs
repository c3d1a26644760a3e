use std::fmt::{self, Formatter};

use thiserror::Error;

use crate::crypto::{SHA_256_LENGTH, Sha256};

/// The text before the hexadecimal digest. The number after the slash is the version of the format.
const LABEL: &str = "attested-random tls-ca/1 sha256:";

/// The SHA-256 digest of the SubjectPublicKeyInfo (DER) of an enclave's certificate authority.
///
/// The enclave's own attestation document contains it in the field `user_data`, as the text
/// `attested-random tls-ca/1 sha256:` and 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CaBinding([u8; SHA_256_LENGTH]);

/// A reason why `user_data` is not a binding of a certificate authority.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum InvalidBinding {
    /// The text has another label, or another version.
    #[error("user_data does not begin with \"{LABEL}\"")]
    Label,
    /// The text after the label is not 64 lower-case hexadecimal digits.
    #[error("user_data does not end with 64 lower-case hexadecimal digits after \"{LABEL}\"")]
    Digest,
}

impl CaBinding {
    /// Creates the binding of the authority with the SubjectPublicKeyInfo `spki`, in DER.
    pub fn from_spki(spki: &[u8]) -> Self {
        Self(Sha256::digest(spki))
    }

    /// Returns the SHA-256 digest of the authority's SubjectPublicKeyInfo.
    pub const fn digest(&self) -> &[u8; SHA_256_LENGTH] {
        &self.0
    }

    /// Returns the binding as an attestation document's `user_data`.
    pub fn to_user_data(&self) -> Vec<u8> {
        self.to_string().into_bytes()
    }

    /// Parses an attestation document's `user_data`.
    ///
    /// # Errors
    /// If `user_data` does not have exactly the form that [`to_user_data`](Self::to_user_data) returns.
    pub fn from_user_data(user_data: &[u8]) -> Result<Self, InvalidBinding> {
        let digits = user_data.strip_prefix(LABEL.as_bytes()).ok_or(InvalidBinding::Label)?;
        let (pairs, rest) = digits.as_chunks();
        let mut digest = [0; SHA_256_LENGTH];
        if pairs.len() != digest.len() || !rest.is_empty() {
            return Err(InvalidBinding::Digest);
        }
        for (byte, [high, low]) in digest.iter_mut().zip(pairs) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Ok(Self(digest))
    }
}

fn digit(byte: u8) -> Result<u8, InvalidBinding> {
    match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        _ => Err(InvalidBinding::Digest),
    }
}

impl fmt::Display for CaBinding {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(LABEL)?;
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for CaBinding {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The binding of the bytes `abc`. Their digest is an example of FIPS 180-4.
    const ABC: &str = "attested-random tls-ca/1 sha256:\
        ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn parses_only_its_exact_text() {
        let binding = CaBinding::from_spki(b"abc");
        assert_eq!(binding.to_user_data(), ABC.as_bytes());
        assert_eq!(CaBinding::from_user_data(ABC.as_bytes()), Ok(binding));
        for (text, error) in [
            (String::new(), InvalidBinding::Label),
            (ABC.replace("/1", "/2"), InvalidBinding::Label),
            (ABC.replace("attested", "Attested"), InvalidBinding::Label),
            (format!(" {ABC}"), InvalidBinding::Label),
            (ABC.replace("ba78", "BA78"), InvalidBinding::Digest),
            (ABC.replace("ba78", "bg78"), InvalidBinding::Digest),
            (ABC.replace("ba78", "ba7"), InvalidBinding::Digest),
            (ABC.replace("ba78", "ba"), InvalidBinding::Digest),
            (format!("{ABC}\n"), InvalidBinding::Digest),
            (format!("{ABC}00"), InvalidBinding::Digest),
            (LABEL.to_owned(), InvalidBinding::Digest),
        ] {
            assert_eq!(CaBinding::from_user_data(text.as_bytes()), Err(error), "{text}");
        }
    }
}
