//! Time stamps (RFC 3161): a third party's signature that a file existed at a time.
//!
//! The certificates of a document expire after hours. A thief of one of their keys could later make a document with
//! an old timestamp. A time stamp of the stored exchange shows that it existed before.

mod error;
mod token;

use std::time::Duration;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage};

pub use self::error::{MAX_TIME_STAMP_LENGTH, TimeStampError};
use self::token::{MessageDigest, Token};
use crate::crypto::Sha256;
use crate::time::UnixMillis;

/// id-kp-timeStamping, RFC 3161 section 2.3.
const TIME_STAMPING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x08];

/// Verifies a time stamp of `message` under the roots in `roots_pem`. Returns its time, in whole seconds.
///
/// The certificates are judged at the time of the time stamp. Revocation is not checked.
///
/// # Errors
/// If a rule rejects the time stamp.
pub fn verify_time_stamp(
    time_stamp: &[u8],
    message: &[u8],
    roots_pem: &[u8],
) -> Result<UnixMillis, TimeStampError> {
    if time_stamp.len() > MAX_TIME_STAMP_LENGTH {
        return Err(TimeStampError::TooLong { length: time_stamp.len() });
    }
    let roots: Vec<_> = CertificateDer::pem_slice_iter(roots_pem)
        .collect::<Result<_, _>>()
        .map_err(|_| TimeStampError::Root)?;
    let anchors: Vec<TrustAnchor<'_>> = roots
        .iter()
        .map(webpki::anchor_from_trusted_cert)
        .collect::<Result<_, _>>()
        .map_err(|_| TimeStampError::Root)?;
    if anchors.is_empty() {
        return Err(TimeStampError::Root);
    }
    let token = Token::parse(time_stamp)?;
    if token.imprint != Sha256::digest(message) {
        return Err(TimeStampError::OtherFile);
    }
    let certificates: Vec<_> =
        token.certificates.iter().map(|der| CertificateDer::from(*der)).collect();
    let signer = certificates.iter().find(|certificate| signed(&token, certificate));
    let signer = signer.ok_or(TimeStampError::Signature)?;
    let at = UnixTime::since_unix_epoch(Duration::from_secs(token.time.as_secs()));
    let usage = KeyUsage::required(TIME_STAMPING);
    EndEntityCert::try_from(signer)
        .and_then(|signer| {
            signer
                .verify_for_usage(
                    ALL_VERIFICATION_ALGS,
                    &anchors,
                    &certificates,
                    at,
                    usage,
                    None,
                    None,
                )
                .map(drop)
        })
        .map_err(TimeStampError::Chain)?;
    Ok(token.time)
}

/// Returns whether the key of `certificate` signed the token.
fn signed(token: &Token<'_>, certificate: &CertificateDer<'_>) -> bool {
    let Ok(certificate) = EndEntityCert::try_from(certificate) else { return false };
    let identifiers = token.digest.signature_algorithms();
    let is_of_digest = |algorithm: &&&dyn SignatureVerificationAlgorithm| {
        identifiers.contains(&algorithm.signature_alg_id())
    };
    ALL_VERIFICATION_ALGS.iter().filter(is_of_digest).any(|algorithm| {
        let (message, signature) = (&token.signed_attributes, token.signature);
        certificate.verify_signature(*algorithm, message, signature).is_ok()
    })
}

impl MessageDigest {
    /// Returns the signature algorithms with this digest.
    const fn signature_algorithms(self) -> [rustls_pki_types::AlgorithmIdentifier; 2] {
        use rustls_pki_types::alg_id;
        match self {
            Self::Sha256 => [alg_id::RSA_PKCS1_SHA256, alg_id::ECDSA_SHA256],
            Self::Sha384 => [alg_id::RSA_PKCS1_SHA384, alg_id::ECDSA_SHA384],
            Self::Sha512 => [alg_id::RSA_PKCS1_SHA512, alg_id::ECDSA_SHA512],
        }
    }
}
