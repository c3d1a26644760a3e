use std::time::Duration;

use rsa::pkcs8::der::asn1::BitStringRef;
use rsa::pkcs8::der::{self, Decode, Reader, SliceReader};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use thiserror::Error;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::spki_digest;
use crate::crypto::{ECDSA_P256_SHA256, SHA_256_LENGTH};
use crate::time::UnixMillis;

/// A reason why a TLS server's certificates do not chain to the authority that a document binds.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TlsChainError {
    /// None of the presented certificates has the bound key.
    #[error("none of the presented certificates has the key that the document attests")]
    NoAuthority,
    /// The authority's certificate is not signed with its own key.
    #[error("the certificate with the attested key is not signed by that key")]
    NotSelfSigned,
    /// The server's certificate does not chain to the authority.
    #[error("the server's certificate does not chain to the authority with the attested key: {0}")]
    Path(webpki::Error),
}

/// Verifies the certificates in `presented`, of which the server's own is the first, at the time `now`.
///
/// `authority_digest` is the digest of the authority's key ([`spki_digest`]). This authority must have issued the
/// server's certificate for TLS servers. The authority's certificate must be one of `presented`, and must be signed
/// with its own key. Returns the authority's certificate. The TLS handshake itself verifies that the server has the key of its certificate.
///
/// # Errors
/// If `presented` lacks the authority's certificate, that certificate is not signed with its own key, or the
/// server's certificate does not chain to it.
pub fn verify_chain(
    presented: &[CertificateDer<'_>],
    authority_digest: &[u8; SHA_256_LENGTH],
    now: UnixMillis,
) -> Result<CertificateDer<'static>, TlsChainError> {
    let is_bound = |certificate: &EndEntityCert<'_>| {
        spki_digest(&certificate.subject_public_key_info()) == *authority_digest
    };
    let (authority, parsed) = presented
        .iter()
        .filter_map(|der| Some((der, EndEntityCert::try_from(der).ok()?)))
        .find(|(_, certificate)| is_bound(certificate))
        .ok_or(TlsChainError::NoAuthority)?;
    // The document binds only the key. The self-signature authenticates the rest of the certificate.
    let (signed, signature) = signed_parts(authority).map_err(|_| TlsChainError::NotSelfSigned)?;
    parsed
        .verify_signature(ECDSA_P256_SHA256, signed, signature)
        .map_err(|_| TlsChainError::NotSelfSigned)?;
    let anchor = anchor_from_trusted_cert(authority).map_err(TlsChainError::Path)?;
    let server = presented.first().ok_or(TlsChainError::NoAuthority)?;
    let server = EndEntityCert::try_from(server).map_err(TlsChainError::Path)?;
    let now = UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs()));
    server
        .verify_for_usage(
            &[ECDSA_P256_SHA256],
            &[anchor],
            &[],
            now,
            KeyUsage::server_auth(),
            None,
            None,
        )
        .map_err(TlsChainError::Path)?;
    Ok(authority.clone().into_owned())
}

/// Returns whether a server's certificate is valid for `name` (RFC 9525).
pub fn is_valid_for(certificate: &CertificateDer<'_>, name: &ServerName<'_>) -> bool {
    EndEntityCert::try_from(certificate)
        .is_ok_and(|certificate| certificate.verify_is_valid_for_subject_name(name).is_ok())
}

/// Returns the signed part of a certificate and the signature (RFC 5280 section 4.1).
fn signed_parts(certificate: &[u8]) -> der::Result<(&[u8], &[u8])> {
    let mut reader = SliceReader::new(certificate)?;
    let parts = reader.sequence(|certificate| {
        let signed = certificate.tlv_bytes()?;
        certificate.tlv_bytes()?;
        der::Result::Ok((signed, BitStringRef::decode(certificate)?.raw_bytes()))
    })?;
    reader.finish()?;
    Ok(parts)
}
