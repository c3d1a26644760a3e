//! PEM files of certificates, and private keys in PEM.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use thiserror::Error;

/// Parses the certificates in a PEM file, which is published.
pub(super) fn chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, InvalidCertificate> {
    if holds_private_key(pem) {
        return Err(InvalidCertificate::HoldsKey);
    }
    // Between the sections, a binary file could hold a key in DER, which would be published.
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

/// The end of the line that begins a private key of any kind, encrypted ones included.
const KEY_LABEL: &[u8] = b"PRIVATE KEY-----";

/// Returns whether `bytes` contain a private key in PEM.
pub(super) fn holds_private_key(bytes: &[u8]) -> bool {
    bytes.windows(KEY_LABEL.len()).any(|part| part == KEY_LABEL)
}

/// Returns the first line of the base64 in a private key's PEM, which identifies the key. Later lines can
/// be parts of the public key, which its certificate has as well.
pub(super) fn first_line_of_key(pem: &[u8]) -> Option<&[u8]> {
    let mut lines = pem.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    lines.find(|line| line.ends_with(KEY_LABEL))?;
    lines.next()
}

/// The error for a file that cannot be read as certificates.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum InvalidCertificate {
    /// A section without an end, or with other content than base64.
    #[error("it is not valid PEM")]
    NotPem,
    /// No certificate.
    #[error("it contains no CERTIFICATE section: write the certificate in PEM")]
    Absent,
    /// A first certificate that is not X.509, version 3.
    #[error("its first certificate is not a valid X.509 v3 certificate")]
    Unreadable,
    /// A private key, which would be published with the certificates.
    #[error(
        "it contains a private key, which would be published with the certificates: move the key \
         to another file"
    )]
    HoldsKey,
}
