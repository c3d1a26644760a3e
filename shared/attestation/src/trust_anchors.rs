//! Trust anchors: the roots that end a document's chain.
//!
//! A document that was verified under AWS's root has another type than a document that was verified under a
//! simulator's root. So a simulated document cannot be used in place of a genuine one.

use std::marker::PhantomData;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::certificate::Certificate;
use super::chain_position::ChainPosition;
use super::untrusted_document::UntrustedDocument;

/// AWS Nitro Enclaves Root-G1 of the commercial partition:
/// <https://docs.aws.amazon.com/enclaves/latest/user/verify-root.html#validation-process>.
const AWS_NITRO_ROOT_G1: &[u8] = include_bytes!("aws_nitro_root_g1.pem");

mod sealed {
    pub trait Sealed {}
}

/// A marker for the trust anchors under which a document was verified. The trait is sealed.
pub trait Trust: sealed::Sealed + Send + Sync + 'static {}

/// The marker for AWS's root and for roots that the program adds.
#[derive(Clone, Copy, Debug)]
pub enum Production {}

impl sealed::Sealed for Production {}
impl Trust for Production {}

/// The marker for a simulator's root. A simulator signs any document for any caller.
#[cfg(feature = "simulator")]
#[derive(Clone, Copy, Debug)]
pub enum Simulated {}

#[cfg(feature = "simulator")]
impl sealed::Sealed for Simulated {}
#[cfg(feature = "simulator")]
impl Trust for Simulated {}

/// The roots that are accepted as the first certificate of a document's chain.
#[derive(Debug)]
pub struct TrustAnchors<T: Trust> {
    roots: Vec<CertificateDer<'static>>,
    trust: PhantomData<T>,
}

/// A reason why the trust anchors of a file are rejected.
#[derive(Debug, Error)]
pub enum AnchorError {
    /// The file is not valid PEM.
    #[error("not PEM: {0}")]
    Pem(rustls_pki_types::pem::Error),
    /// The file has no CERTIFICATE section.
    #[error("holds no CERTIFICATE section")]
    NoCertificate,
    /// A certificate is not suitable as the root of a document's chain.
    #[error("{0} (cabundle[0] here is the file's certificate)")]
    UnsuitableRoot(UntrustedDocument),
    /// A certificate's issuer is not its subject.
    #[error("is not self-issued: only a root can be a trust anchor")]
    NotSelfIssued,
}

impl TrustAnchors<Production> {
    /// Creates trust anchors with AWS's root of the commercial partition.
    ///
    /// The roots of China and GovCloud are added with [`add_pem`](Self::add_pem).
    #[expect(clippy::expect_used, reason = "the input is part of this crate")]
    pub fn aws_nitro() -> Self {
        let root = CertificateDer::from_pem_slice(AWS_NITRO_ROOT_G1)
            .expect("the embedded root is valid PEM");
        Self { roots: vec![root], trust: PhantomData }
    }
}

#[cfg(feature = "simulator")]
impl TrustAnchors<Simulated> {
    /// Creates trust anchors with one simulator's root, in DER.
    pub fn simulator_root(root: &[u8]) -> Self {
        Self { roots: vec![CertificateDer::from(root.to_vec())], trust: PhantomData }
    }
}

impl<T: Trust> TrustAnchors<T> {
    /// Adds each certificate of a PEM file. Returns the SHA-256 digests of their DER.
    ///
    /// # Errors
    /// If `pem` is not PEM or has no certificate, or if a certificate is not suitable as a root, for example not
    /// a self-issued P-384 CA. Then no certificate of the file is added.
    pub fn add_pem(&mut self, pem: &[u8]) -> Result<Vec<[u8; 32]>, AnchorError> {
        let roots = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<Vec<CertificateDer<'static>>, _>>()
            .map_err(AnchorError::Pem)?;
        if roots.is_empty() {
            return Err(AnchorError::NoCertificate);
        }
        roots.iter().try_for_each(|root| check_root(root))?;
        let fingerprints = roots.iter().map(|root| Sha256::digest(root).into()).collect();
        self.roots.extend(roots);
        Ok(fingerprints)
    }

    /// Returns whether `certificate` equals an anchor byte for byte.
    pub(super) fn contains(&self, certificate: &CertificateDer<'_>) -> bool {
        self.roots.iter().any(|root| root == certificate)
    }
}

fn check_root(root: &[u8]) -> Result<(), AnchorError> {
    let root = Certificate::parse(root, ChainPosition::Cabundle(0))
        .map_err(AnchorError::UnsuitableRoot)?;
    root.check_ca(1).map_err(AnchorError::UnsuitableRoot)?;
    if root.issuer() != root.subject() {
        return Err(AnchorError::NotSelfIssued);
    }
    webpki::anchor_from_trusted_cert(&root.der())
        .map(drop)
        .map_err(|_| AnchorError::UnsuitableRoot(UntrustedDocument::InvalidChainPath))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn embedded_root_has_the_published_fingerprint() {
        let anchors = TrustAnchors::aws_nitro();
        let [root] = &anchors.roots[..] else { panic!("{anchors:?}") };
        let digest = Sha256::digest(root);
        let published = "641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b";
        assert_eq!(digest.iter().map(|b| format!("{b:02x}")).collect::<String>(), published);
        check_root(root).unwrap();
    }

    #[test]
    fn rejects_files_without_a_suitable_root() {
        let mut anchors = TrustAnchors::aws_nitro();
        assert!(matches!(anchors.add_pem(b"no PEM"), Err(AnchorError::NoCertificate)));
        let garbage = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(
            anchors.add_pem(garbage),
            Err(AnchorError::UnsuitableRoot(UntrustedDocument::CertificateEncoding { .. }))
        ));
        assert_eq!(anchors.roots.len(), 1);
        assert_eq!(anchors.add_pem(AWS_NITRO_ROOT_G1).unwrap().len(), 1);
    }
}
