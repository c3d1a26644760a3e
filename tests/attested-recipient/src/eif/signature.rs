//! The signature section: a CBOR array of maps. The first map contains the signature of PCR0. Byte
//! strings are encoded as arrays of numbers.

use serde::Deserialize;
use thiserror::Error;
use x509_parser::certificate::X509Certificate;
use x509_parser::pem::Pem;
use x509_parser::prelude::FromDer;

/// The reason why a signature section has no valid certificate.
#[derive(Debug, PartialEq, Eq, Error)]
pub(crate) enum SignatureError {
    #[error("not a CBOR array of {{signing_certificate, signature}}: {0}")]
    Cbor(String),
    #[error("bytes follow the CBOR array")]
    TrailingBytes,
    #[error("the CBOR array is empty")]
    Empty,
    #[error("signing_certificate is not PEM with a CERTIFICATE")]
    Pem,
    #[error("signing_certificate is not one X.509 certificate in DER")]
    Certificate,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PcrSignature {
    /// Certificate in PEM.
    signing_certificate: Vec<u8>,
    /// COSE_Sign1 over the register's index and value.
    #[serde(rename = "signature")]
    _signature: Vec<u8>,
}

/// Returns the DER of the certificate that PCR8 measures, which is the first certificate of the first
/// signature. The signature is not verified, because Nitro verifies it at boot.
pub(super) fn signing_certificate(mut section: &[u8]) -> Result<Vec<u8>, SignatureError> {
    let signatures: Vec<PcrSignature> = ciborium::from_reader(&mut section)
        .map_err(|error| SignatureError::Cbor(error.to_string()))?;
    if !section.is_empty() {
        return Err(SignatureError::TrailingBytes);
    }
    let pem = &signatures.first().ok_or(SignatureError::Empty)?.signing_certificate;
    let der = Pem::iter_from_buffer(pem)
        .map_while(Result::ok)
        .find(|block| block.label == "CERTIFICATE")
        .ok_or(SignatureError::Pem)?
        .contents;
    match X509Certificate::from_der(&der) {
        Ok(([], _)) => Ok(der),
        _ => Err(SignatureError::Certificate),
    }
}
