//! ES384: ECDSA over P-384 with SHA-384. Builds with the feature `simulator` count the verifications.

#[cfg(feature = "simulator")]
use super::operation_counts;
use super::{CryptoError, provider};

/// ecdsa-with-SHA384 with P-384 keys, for certificates.
#[cfg(not(feature = "simulator"))]
pub(crate) use provider::ECDSA_P384_SHA384;
/// ecdsa-with-SHA384 with P-384 keys, for certificates.
#[cfg(feature = "simulator")]
pub(crate) const ECDSA_P384_SHA384: &dyn rustls_pki_types::SignatureVerificationAlgorithm =
    &operation_counts::CountedEcdsaP384Sha384;

/// Verifies an ES384 signature (r and s, 48 bytes each) with an uncompressed P-384 point.
///
/// The signature is over the concatenation of the parts of `message`. A high s is accepted, because AWS
/// does not normalise s.
///
/// # Errors
/// If the signature or the point is not valid.
pub(crate) fn verify_es384(
    public_key: &[u8],
    message: &[&[u8]],
    signature: &[u8],
) -> Result<(), CryptoError> {
    #[cfg(feature = "simulator")]
    operation_counts::count_signature_verification();
    provider::verify_es384(public_key, message, signature)
}
