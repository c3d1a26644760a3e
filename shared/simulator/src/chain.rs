//! The simulator's chains of five certificates.
//!
//! Lifetimes, path lengths and key usages equal those of AWS's chains. The names have the same form.

use super::certificate::{CertificateSpec, Extension, KeyUsage, Overrides};
use super::distinguished_names::{instance_name, leaf_name, regional_name, zonal_name};
use super::issued_certificate::IssuedCertificate;
use super::key::Key;
use super::root::Root;
use attestation::crypto::CryptoError;
use attestation::time::UnixMillis;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Time from a leaf's notBefore to the first document that it signs, in seconds.
const LEAF_BACKDATE: u64 = 3;
/// Time before a leaf's notAfter in which the leaf signs no documents, in seconds. So a document stays valid
/// at least this long.
const LEAF_MARGIN: u64 = 10 * MINUTE;

/// One level of the chain below the root.
struct Level {
    /// The lifetime, in seconds.
    lifetime: u64,
    /// The remaining lifetime below which the certificate is reissued, in seconds.
    ///
    /// The margin is the lifetime of the next level plus the leaf's margin, so no certificate outlives its
    /// issuer.
    margin: u64,
    path_length: Option<u8>,
    key_usage: KeyUsage,
    name: fn() -> Vec<u8>,
}

/// The levels: regional CA, zonal CA, instance CA and leaf.
const LEVELS: [Level; 4] = [
    Level {
        lifetime: 20 * DAY,
        margin: 6 * DAY + LEAF_MARGIN,
        path_length: Some(2),
        key_usage: KeyUsage::Ca,
        name: regional_name,
    },
    Level {
        lifetime: 6 * DAY,
        margin: DAY + LEAF_MARGIN,
        path_length: Some(1),
        key_usage: KeyUsage::Ca,
        name: zonal_name,
    },
    Level {
        lifetime: DAY,
        margin: 3 * HOUR + LEAF_MARGIN,
        path_length: Some(0),
        key_usage: KeyUsage::CertificatesOnly,
        name: instance_name,
    },
    Level {
        lifetime: 3 * HOUR,
        margin: LEAF_MARGIN,
        path_length: None,
        key_usage: KeyUsage::Documents,
        name: leaf_name,
    },
];

/// A chain of certificates with the leaf's key, which signs documents.
#[derive(Debug)]
pub struct Chain {
    levels: Vec<IssuedCertificate>,
    root: Vec<u8>,
}

impl Chain {
    /// Issues a chain for documents signed at `at`.
    ///
    /// # Errors
    /// If the provider fails.
    pub fn issue(root: &Root, at: UnixMillis) -> Result<Self, CryptoError> {
        let mut chain =
            Self { levels: Vec::with_capacity(LEVELS.len()), root: root.certificate().to_vec() };
        chain.renew(root, at)?;
        Ok(chain)
    }

    /// Reissues each level whose remaining lifetime at `at` is below its margin, and all levels below it.
    ///
    /// # Errors
    /// If the provider fails.
    pub fn renew(&mut self, root: &Root, at: UnixMillis) -> Result<(), CryptoError> {
        let usable = |(issued, level): &(&IssuedCertificate, &Level)| {
            issued.not_before <= at && issued.not_after >= at.plus_secs(level.margin)
        };
        let keep = self.levels.iter().zip(&LEVELS).take_while(usable).count();
        self.levels.truncate(keep);
        for level in LEVELS.iter().skip(keep) {
            let issuer = self.levels.last().unwrap_or(&root.issued);
            let issued = level.issue(issuer, at)?;
            self.levels.push(issued);
        }
        Ok(())
    }

    /// Returns the certificates from the root to the leaf's issuer in DER: the field `cabundle`.
    pub fn cabundle(&self) -> Vec<&[u8]> {
        let cas = self.levels.split_last().map(|(_, cas)| cas).unwrap_or_default();
        [&self.root[..]].into_iter().chain(cas.iter().map(|ca| &ca.der[..])).collect()
    }

    /// Returns the leaf in DER: the field `certificate`.
    pub fn certificate(&self) -> &[u8] {
        self.leaf().map(|leaf| &leaf.der[..]).unwrap_or_default()
    }

    /// Returns the leaf's key, which signs documents.
    pub(super) fn key(&self) -> Option<&Key> {
        self.leaf().map(|leaf| &leaf.key)
    }

    fn leaf(&self) -> Option<&IssuedCertificate> {
        self.levels.last()
    }
}

impl Level {
    fn issue(
        &self,
        issuer: &IssuedCertificate,
        at: UnixMillis,
    ) -> Result<IssuedCertificate, CryptoError> {
        let (key, _) = Key::generate()?;
        let basic_constraints = match self.key_usage {
            KeyUsage::Documents => Extension::not_ca(),
            KeyUsage::Ca | KeyUsage::CertificatesOnly => Extension::ca(self.path_length),
        };
        let spec = CertificateSpec {
            issuer: issuer.name.clone(),
            subject: (self.name)(),
            not_before: at.minus_secs(LEAF_BACKDATE),
            not_after: at.plus_secs(self.lifetime),
            extensions: vec![basic_constraints, Extension::key_usage(self.key_usage)],
            overrides: Overrides::default(),
        };
        let der = spec.issue(key.public_key(), &issuer.key)?;
        Ok(IssuedCertificate::new(key, der, &spec))
    }
}

#[cfg(test)]
#[path = "chain_tests.rs"]
mod tests;
