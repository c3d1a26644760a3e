//! Counters of expensive operations, for tests that check the cost of an input.
//!
//! Only builds with the feature `simulator` count.

use std::cell::Cell;

use rustls_pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm};

use super::provider;

/// The number of expensive operations of a closure on the current thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OperationCounts {
    /// Number of verifications of P-384 signatures, of certificates and of documents, valid or not.
    pub signature_verifications: u64,
    /// Number of RSA keys that the provider loaded for encryption.
    pub rsa_keys: u64,
}

thread_local! {
    static OPERATIONS: Cell<OperationCounts> = const {
        Cell::new(OperationCounts { signature_verifications: 0, rsa_keys: 0 })
    };
}

impl OperationCounts {
    /// Runs `work`. Returns its result and the operations of this thread during the run.
    pub fn measure<T>(work: impl FnOnce() -> T) -> (T, Self) {
        let before = OPERATIONS.get();
        let done = work();
        let after = OPERATIONS.get();
        let operations = Self {
            signature_verifications: after.signature_verifications - before.signature_verifications,
            rsa_keys: after.rsa_keys - before.rsa_keys,
        };
        (done, operations)
    }
}

pub(super) fn count_signature_verification() {
    let mut operations = OPERATIONS.get();
    operations.signature_verifications += 1;
    OPERATIONS.set(operations);
}

pub(super) fn count_rsa_key() {
    let mut operations = OPERATIONS.get();
    operations.rsa_keys += 1;
    OPERATIONS.set(operations);
}

/// The provider's ecdsa-with-SHA384 with P-384 keys, which counts its verifications.
#[derive(Debug)]
pub(super) struct CountedEcdsaP384Sha384;

impl SignatureVerificationAlgorithm for CountedEcdsaP384Sha384 {
    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        provider::ECDSA_P384_SHA384.public_key_alg_id()
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        provider::ECDSA_P384_SHA384.signature_alg_id()
    }

    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        count_signature_verification();
        provider::ECDSA_P384_SHA384.verify_signature(public_key, message, signature)
    }
}
