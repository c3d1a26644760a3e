//! Reads PEM files of certificates, and detects private keys in them.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use thiserror::Error;

/// Parses the certificates in a PEM file. Rejects a file that could contain a private key, because certificate
/// files are part of the public archive of the configuration, which contains no secrets.
pub(super) fn parse_certificates(
    pem: &[u8],
) -> Result<Vec<CertificateDer<'static>>, InvalidCertificate> {
    if contains_private_key(pem) {
        return Err(InvalidCertificate::ContainsPrivateKey);
    }
    // A binary file could contain a DER key between the PEM sections.
    if str::from_utf8(pem).is_err() {
        return Err(InvalidCertificate::NotPem);
    }
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match chain {
        Ok(chain) if chain.is_empty() => Err(InvalidCertificate::Absent),
        Ok(chain) => Ok(chain),
        Err(_) => Err(InvalidCertificate::NotPem),
    }
}

/// The end of the first line of every private key in PEM, encrypted or not.
const KEY_LINE_END: &[u8] = b"PRIVATE KEY-----";

/// Returns whether `bytes` contain a PEM private key.
pub(super) fn contains_private_key(bytes: &[u8]) -> bool {
    bytes.windows(KEY_LINE_END.len()).any(|part| part == KEY_LINE_END)
}

/// Returns the first base64 line of a private key in PEM. This line identifies the key.
///
/// Callers search public files for this line, to find a copy of the key. They cannot search for later lines:
/// these may encode the public key, which certificates contain too.
pub(super) fn first_line_of_key(pem: &[u8]) -> Option<&[u8]> {
    let mut lines = pem.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    lines.find(|line| line.ends_with(KEY_LINE_END))?;
    lines.next()
}

/// The error for a file of certificates.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum InvalidCertificate {
    /// Bytes that are not UTF-8, or a PEM section that is malformed or has no end.
    #[error("the file is not valid PEM")]
    NotPem,
    /// A file without a certificate.
    #[error("the file contains no CERTIFICATE section: write the certificate in PEM")]
    Absent,
    /// A certificate that is not X.509, version 3.
    #[error("a certificate in the file is not a valid X.509 v3 certificate")]
    NotX509,
    /// A private key, which would be published with the certificates.
    #[error(
        "the file contains a private key, which would be published with the certificates: move the key \
         to another file"
    )]
    ContainsPrivateKey,
}
