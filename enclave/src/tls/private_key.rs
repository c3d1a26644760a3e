//! Loads the provided private key of a server, in PEM (RFC 7468).

use std::sync::Arc;

use rsa::pkcs8::der::pem::Decoder;
use rustls::SignatureScheme;
use rustls::sign::SigningKey;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer};
use thiserror::Error;
use zeroize::Zeroizing;

use super::provider::load_tls_key;

/// The signature schemes that both crypto providers support. A key must support one of them.
const SCHEMES: [SignatureScheme; 4] = [
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::ED25519,
];

/// The error for a private key file.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum InvalidPrivateKey {
    /// No private key, or only encrypted ones.
    #[error("the file contains no unencrypted private key in PEM: use PKCS#8, PKCS#1 or SEC1")]
    Absent,
    /// More than one private key.
    #[error("the file contains more than one private key: keep only one")]
    Several,
    /// A truncated, malformed or encrypted PEM section.
    #[error("the private key is encrypted or is not valid PEM: write an unencrypted key")]
    Malformed,
    /// A key of an unsupported type.
    #[error(
        "the type of the private key is not supported: use RSA of 2048 bits or more, ECDSA over \
         P-256 or P-384, or Ed25519"
    )]
    Kind,
}

/// Loads the only private key in `pem`. Ignores other sections, such as `EC PARAMETERS`. Leaves no copies of
/// the key in memory.
///
/// # Errors
/// If `pem` contains no unencrypted private key or several, or if the key is malformed or not supported.
pub(crate) fn private_key_from_pem(pem: &[u8]) -> Result<Arc<dyn SigningKey>, InvalidPrivateKey> {
    let mut keys = sections(pem).filter_map(|section| Some((form(section)?, section)));
    let (form, section) = keys.next().ok_or(InvalidPrivateKey::Absent)?;
    if keys.next().is_some() {
        return Err(InvalidPrivateKey::Several);
    }
    let der = decode(section).ok_or(InvalidPrivateKey::Malformed)?;
    let key = load_tls_key(&form(&der)).map_err(|_| InvalidPrivateKey::Kind)?;
    key.choose_scheme(&SCHEMES).map(|_| key).ok_or(InvalidPrivateKey::Kind)
}

/// A constructor of a private key from the DER content of a section.
type Form = for<'a> fn(&'a [u8]) -> PrivateKeyDer<'a>;

/// Returns the constructor for a section that is a private key, or `None` for other sections.
fn form(section: &[u8]) -> Option<Form> {
    let forms: [(&[u8], Form); 3] = [
        (b"PRIVATE KEY-----", |der| PrivatePkcs8KeyDer::from(der).into()),
        (b"RSA PRIVATE KEY-----", |der| PrivatePkcs1KeyDer::from(der).into()),
        (b"EC PRIVATE KEY-----", |der| PrivateSec1KeyDer::from(der).into()),
    ];
    let label = section.strip_prefix(BEGIN)?;
    forms.into_iter().find(|(start, _)| label.starts_with(start)).map(|(_, form)| form)
}

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";

/// Returns the sections. A section begins with a BEGIN line. It ends with the next END line, or with the text.
fn sections(pem: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = pem;
    std::iter::from_fn(move || {
        rest = skip_to(rest, BEGIN)?;
        let end = skip_to(rest, END).unwrap_or_default();
        let line = end.split_inclusive(is_newline).next().unwrap_or_default();
        let (section, others) = rest.split_at_checked(rest.len() - end.len() + line.len())?;
        rest = others;
        Some(section)
    })
}

/// Returns the part of `text` from the first line that begins with `start`.
fn skip_to<'a>(text: &'a [u8], start: &[u8]) -> Option<&'a [u8]> {
    let mut rest = text;
    for line in text.split_inclusive(is_newline) {
        if line.starts_with(start) {
            return Some(rest);
        }
        rest = rest.get(line.len()..)?;
    }
    None
}

fn is_newline(byte: &u8) -> bool {
    *byte == b'\n'
}

/// Decodes the content of a section in constant time. The returned buffer is wiped on drop, and is never reallocated.
fn decode(section: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut decoder = Decoder::new_detect_wrap(section).ok()?;
    let mut der = Zeroizing::new(vec![0; decoder.remaining_len()]);
    decoder.decode(&mut der).ok()?;
    decoder.is_finished().then_some(der)
}

#[cfg(test)]
mod tests {
    use rustls::SignatureAlgorithm;

    use super::*;

    const PKCS8: &str = include_str!("../../../tests/suite/keys/tls/p256.pkcs8.pem");
    const SEC1: &str = include_str!("../../../tests/suite/keys/tls/p256.sec1.pem");

    fn read(pem: &str) -> Result<SignatureAlgorithm, InvalidPrivateKey> {
        private_key_from_pem(pem.as_bytes()).map(|key| key.algorithm())
    }

    #[test]
    fn reads_every_private_key_format() {
        for (pem, algorithm) in [
            (PKCS8, SignatureAlgorithm::ECDSA),
            (SEC1, SignatureAlgorithm::ECDSA),
            (include_str!("../../../tests/suite/keys/tls/rsa.pkcs8.pem"), SignatureAlgorithm::RSA),
            (include_str!("../../../tests/suite/keys/tls/rsa.pkcs1.pem"), SignatureAlgorithm::RSA),
            (
                include_str!("../../../tests/suite/keys/tls/ed25519.pkcs8.pem"),
                SignatureAlgorithm::ED25519,
            ),
        ] {
            assert_eq!(read(pem), Ok(algorithm));
            assert_eq!(read(&pem.replace('\n', "\r\n")), Ok(algorithm));
            assert_eq!(read(pem.trim_end()), Ok(algorithm));
            let certificate = include_str!("../../../tests/suite/keys/tls/rsa.crt.pem");
            for whole in [
                ["Bag Attributes\n", pem, certificate].concat(),
                [certificate, pem, "# the end"].concat(),
            ] {
                assert_eq!(read(&whole), Ok(algorithm));
            }
        }
    }

    #[test]
    fn rejects_zero_or_several_private_keys() {
        let encrypted = PKCS8.replace("PRIVATE", "ENCRYPTED PRIVATE");
        for pem in ["", "\n", "PRIVATE KEY", &encrypted, &PKCS8.replace("---BEGIN", "--BEGIN")] {
            assert_eq!(read(pem), Err(InvalidPrivateKey::Absent), "{pem}");
        }
        for pem in [[PKCS8, PKCS8].concat(), [SEC1, PKCS8].concat()] {
            assert_eq!(read(&pem), Err(InvalidPrivateKey::Several));
        }
    }

    #[test]
    fn distinguishes_malformed_pem_from_unusable_keys() {
        let (body, _) = PKCS8.split_once("-----END").unwrap();
        let headed = PKCS8.replace("KEY-----\nM", "KEY-----\nProc-Type: 4,ENCRYPTED\n\nM");
        assert_ne!(headed, PKCS8);
        for pem in [body, &headed, &PKCS8.replacen('M', "*", 1), &PKCS8.replace("END ", "END EC ")]
        {
            assert_eq!(read(pem), Err(InvalidPrivateKey::Malformed), "{pem}");
        }
        for pem in [
            include_str!("../../../tests/suite/keys/tls/secp256k1.pkcs8.pem"),
            include_str!("../../../tests/suite/keys/tls/p521.pkcs8.pem"),
            &PKCS8.replace("PRIVATE", "RSA PRIVATE"),
        ] {
            assert_eq!(read(pem), Err(InvalidPrivateKey::Kind), "{pem}");
        }
    }
}
