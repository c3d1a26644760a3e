//! Documents that are wrong in one place: a chain and a document in which one thing is changed
//! before everything is signed, so that the rule it breaks, and no earlier one, refuses it.

use std::sync::Arc;

use super::certificate::{CertificateSpec, Extension, KeyUsage, Overrides};
use super::der::{self, oid};
use super::document_spec::{DocumentSpec, SigningError, default_pcrs, sign_payload};
use super::key::Key;
use attestation::PcrFamily;
use attestation::crypto::CryptoError;
use attestation::time::UnixMillis;

/// Seconds before and after its document's time for which every certificate is valid.
const LIFETIME: u64 = 1000;

/// A chain and a document to be changed, then signed. A clone has the same keys and the same root.
#[derive(Clone, Debug)]
pub struct DocumentBuilder {
    keys: Arc<Vec<Key>>,
    /// The root as it was issued with the keys, and what it says.
    root: (Vec<u8>, CertificateSpec),
    /// What the certificates say: the root first, the leaf last.
    pub specs: Vec<CertificateSpec>,
    /// What the document says.
    pub document: DocumentSpec,
}

impl DocumentBuilder {
    /// A good chain of `cas` certificates (at least one: the root) above a leaf, and a good document
    /// signed at `now`.
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

    /// A good chain of another length under the same root, and the same document.
    pub fn with_cas(&self, cas: usize) -> Self {
        let specs = (0..=cas).map(|level| good(level, cas, self.document.timestamp)).collect();
        Self { specs, ..self.clone() }
    }

    /// The root, DER, as long as nothing in its spec is changed.
    pub fn root(&self) -> &[u8] {
        &self.root.0
    }

    /// Issues the root as it is specified now, and keeps it from now on.
    ///
    /// # Errors
    /// If the provider fails.
    pub fn keep_root(&mut self) -> Result<(), CryptoError> {
        let (key, spec) = (self.key(0)?, self.specs.first().ok_or(CryptoError)?);
        self.root = (spec.issue(key.public_key(), key)?, spec.clone());
        Ok(())
    }

    /// The key of one level; beyond the last level they begin anew.
    ///
    /// # Errors
    /// Never: there is at least one key.
    pub fn key(&self, level: usize) -> Result<&Key, CryptoError> {
        self.keys.iter().cycle().nth(level).ok_or(CryptoError)
    }

    /// The certificates as specified, each signed by the one before it: the root first, the leaf
    /// last.
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

    /// The document over its own chain, signed by the leaf's key.
    ///
    /// # Errors
    /// If the provider fails.
    pub fn sign(&self) -> Result<Vec<u8>, SigningError> {
        let certificates = self.certificates()?;
        let chain: Vec<&[u8]> = certificates.iter().map(Vec::as_slice).collect();
        self.sign_over(&chain)
    }

    /// The document over any certificates, the leaf last, signed by the leaf's key.
    ///
    /// # Errors
    /// If there is none, or the provider fails.
    pub fn sign_over(&self, chain: &[&[u8]]) -> Result<Vec<u8>, SigningError> {
        let (leaf, cabundle) = chain.split_last().ok_or(SigningError)?;
        self.sign_payload(&self.document.payload(leaf, cabundle))
    }

    /// A document with any payload, signed by the leaf's key.
    ///
    /// # Errors
    /// If the provider fails.
    pub fn sign_payload(&self, payload: &[u8]) -> Result<Vec<u8>, SigningError> {
        sign_payload(payload, self.key(self.specs.len().saturating_sub(1))?)
    }
}

/// A certificate that is told from the others by its name alone.
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
