//! Builds documents with one defect, for tests.
//!
//! A test changes one part of a valid chain or document. Everything is signed after the change, so the
//! signatures are valid. The document therefore breaks only the rule of the changed part.

use std::sync::Arc;

use super::certificate::{CertificateSpec, Extension, KeyUsage, Overrides};
use super::der::{self, oid};
use super::document_spec::{DocumentSpec, SigningError, default_pcrs, sign_payload};
use super::key::Key;
use attestation::PcrFamily;
use attestation::crypto::CryptoError;
use attestation::time::UnixMillis;

/// Validity of each certificate before and after the document's timestamp, in seconds.
const LIFETIME: u64 = 1000;

/// A chain and a document that can be changed before signing. Clones have the same keys and the same root.
#[derive(Clone, Debug)]
pub struct DocumentBuilder {
    keys: Arc<Vec<Key>>,
    /// The root as it was issued, and its specification.
    root: (Vec<u8>, CertificateSpec),
    /// The specifications of the certificates, from the root to the leaf.
    pub specs: Vec<CertificateSpec>,
    /// The specification of the document.
    pub document: DocumentSpec,
}

impl DocumentBuilder {
    /// Creates a valid chain of `cas` CAs (at least the root) and a leaf, and a valid document with the
    /// timestamp `now`.
    ///
    /// # Errors
    /// If the provider fails.
    pub fn new(cas: usize, now: UnixMillis) -> Result<Self, CryptoError> {
        let specs: Vec<CertificateSpec> = (0..=cas).map(|level| good(level, cas, now)).collect();
        let keys = specs
            .iter()
            .map(|_| Key::generate().map(|(key, _)| key))
            .collect::<Result<Vec<_>, _>>()?;
        let (key, spec) = keys.first().zip(specs.first()).ok_or(CryptoError)?;
        let root = (spec.issue(key.public_key(), key)?, spec.clone());
        let document = DocumentSpec {
            module_id: "simulated".to_owned(),
            timestamp: now,
            family: PcrFamily::NitroEnclave,
            pcrs: default_pcrs(PcrFamily::NitroEnclave),
            public_key: None,
            user_data: None,
            nonce: None,
        };
        Ok(Self { keys: Arc::new(keys), root, specs, document })
    }

    /// Returns a builder with a valid chain of `cas` CAs under the same root, and the same document.
    pub fn with_cas(&self, cas: usize) -> Self {
        let specs = (0..=cas).map(|level| good(level, cas, self.document.timestamp)).collect();
        Self { specs, ..self.clone() }
    }

    /// Returns the root in DER as it was last issued. Later changes of its specification are not included.
    pub fn root(&self) -> &[u8] {
        &self.root.0
    }

    /// Reissues the root from its current specification, for this builder and its later clones.
    ///
    /// # Errors
    /// If the provider fails.
    pub fn keep_root(&mut self) -> Result<(), CryptoError> {
        let (key, spec) = (self.key(0)?, self.specs.first().ok_or(CryptoError)?);
        self.root = (spec.issue(key.public_key(), key)?, spec.clone());
        Ok(())
    }

    /// Returns the key of a level. Beyond the last level, the keys repeat.
    ///
    /// # Errors
    /// Never, because there is at least one key.
    pub fn key(&self, level: usize) -> Result<&Key, CryptoError> {
        self.keys.iter().cycle().nth(level).ok_or(CryptoError)
    }

    /// Issues the certificates from the root to the leaf, each signed by the one before it.
    ///
    /// # Errors
    /// If the provider fails.
    pub fn certificates(&self) -> Result<Vec<Vec<u8>>, CryptoError> {
        let issue = |(level, spec): (usize, &CertificateSpec)| match level.checked_sub(1) {
            None if *spec == self.root.1 => Ok(self.root.0.clone()),
            above => spec.issue(self.key(level)?.public_key(), self.key(above.unwrap_or(level))?),
        };
        self.specs.iter().enumerate().map(issue).collect()
    }

    /// Signs the document with its own chain and the leaf's key.
    ///
    /// # Errors
    /// If the provider fails.
    pub fn sign(&self) -> Result<Vec<u8>, SigningError> {
        let certificates = self.certificates()?;
        let chain: Vec<&[u8]> = certificates.iter().map(Vec::as_slice).collect();
        self.sign_over(&chain)
    }

    /// Signs the document with the certificates `chain` (the leaf is the last) and the leaf's key.
    ///
    /// # Errors
    /// If `chain` is empty, or the provider fails.
    pub fn sign_over(&self, chain: &[&[u8]]) -> Result<Vec<u8>, SigningError> {
        let (leaf, cabundle) = chain.split_last().ok_or(SigningError)?;
        self.sign_payload(&self.document.payload(leaf, cabundle))
    }

    /// Signs a document with any payload and the leaf's key.
    ///
    /// # Errors
    /// If the provider fails.
    pub fn sign_payload(&self, payload: &[u8]) -> Result<Vec<u8>, SigningError> {
        sign_payload(payload, self.key(self.specs.len().saturating_sub(1))?)
    }
}

/// Returns the specification of a valid certificate at `level`. The levels differ in their names, path
/// lengths and roles.
fn good(level: usize, cas: usize, now: UnixMillis) -> CertificateSpec {
    let name = |level: usize| der::name(&[(oid::COMMON_NAME, &format!("level {level}"))]);
    let below = cas.saturating_sub(level + 1);
    let extensions = if level == cas {
        vec![Extension::not_ca(), Extension::key_usage(KeyUsage::Documents)]
    } else {
        // AWS's root allows any path length.
        let path_length = u8::try_from(below).ok().filter(|_| level > 0);
        vec![Extension::ca(path_length), Extension::key_usage(KeyUsage::Ca)]
    };
    CertificateSpec {
        issuer: name(level.saturating_sub(1)),
        subject: name(level),
        not_before: now.minus_secs(LIFETIME),
        not_after: now.plus_secs(LIFETIME),
        extensions,
        overrides: Overrides::default(),
    }
}
