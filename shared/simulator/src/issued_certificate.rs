//! A certificate with the key that it certifies.

use super::certificate::CertificateSpec;
use super::key::Key;
use attestation::time::UnixMillis;

/// A certificate with the key that it certifies.
#[derive(Debug)]
pub(super) struct IssuedCertificate {
    pub(super) key: Key,
    pub(super) der: Vec<u8>,
    pub(super) name: Vec<u8>,
    pub(super) not_before: UnixMillis,
    pub(super) not_after: UnixMillis,
}

impl IssuedCertificate {
    pub(super) fn new(key: Key, der: Vec<u8>, spec: &CertificateSpec) -> Self {
        let name = spec.subject.clone();
        Self { key, der, name, not_before: spec.not_before, not_after: spec.not_after }
    }
}
