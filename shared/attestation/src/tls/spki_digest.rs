use crate::crypto::{SHA_256_LENGTH, Sha256};

/// Returns the SHA-256 digest of a SubjectPublicKeyInfo in DER. The identity of an enclave
/// ([`Identity`](crate::Identity)) contains the digests of the TLS keys.
pub fn spki_digest(spki: &[u8]) -> [u8; SHA_256_LENGTH] {
    Sha256::digest(spki)
}
