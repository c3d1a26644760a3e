//! Certificates in PEM.

use rsa::pkcs8::LineEnding;
use rsa::pkcs8::der::pem;
use rustls_pki_types::CertificateDer;

/// Returns `certificate` as PEM.
pub fn certificate_pem(certificate: &CertificateDer<'_>) -> String {
    // Encoding fails only if the length of the text overflows.
    pem::encode_string("CERTIFICATE", LineEnding::LF, certificate).unwrap_or_default()
}
