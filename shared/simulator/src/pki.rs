//! The simulator's certificates: five levels shaped like AWS's (names, lifetimes, path lengths, key
//! usages), under a root that says what it is.

mod names;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use thiserror::Error;
use zeroize::Zeroizing;

pub use self::names::ROOT_COMMON_NAME;
use self::names::{instance_name, leaf_name, regional_name, root_name, zonal_name};
use super::certificate::{CertificateSpec, Extension, Instead, KeyUsage};
use super::key::Key;
use attestation::crypto::CryptoError;
use attestation::time::UnixMillis;

/// The root's validity, that of AWS's own: 2019-10-28T13:28:05Z and 30 years on.
const ROOT_NOT_BEFORE: UnixMillis = UnixMillis::from_secs(1_572_269_285);
const ROOT_NOT_AFTER: UnixMillis = UnixMillis::from_secs(2_519_044_085);

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A leaf becomes valid three seconds before the first document it signs.
const LEAF_BACKDATE: u64 = 3;
/// A document must still be of use after it was signed: no leaf signs in its last minutes.
const LEAF_MARGIN: u64 = 10 * MINUTE;

/// One level of the chain below the root.
struct Level {
    lifetime: u64,
    /// Reissued when less than this is left: the lifetime of the level below, and the leaf's
    /// margin, so that no certificate outlives its issuer.
    margin: u64,
    path_length: Option<u8>,
    key_usage: KeyUsage,
    name: fn() -> Vec<u8>,
}

/// Regional, zonal and instance CA, and the leaf.
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

/// Why a simulator's root could not be restored.
#[derive(Debug, Error)]
pub enum RootError {
    /// The text is not one private key and one certificate in PEM.
    #[error("it does not hold the PEM of one PRIVATE KEY and one CERTIFICATE")]
    Pem,
    /// The key is not P-384, or the provider failed.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// The certificate is another key's, or not a simulator's root.
    #[error("its certificate is not a simulator's root for its key")]
    Mismatch,
}

/// A certificate with the key it certifies.
#[derive(Debug)]
struct Issued {
    key: Key,
    der: Vec<u8>,
    name: Vec<u8>,
    not_before: UnixMillis,
    not_after: UnixMillis,
}

/// A simulator's root: born with the process, unless it was restored from a state file.
#[derive(Debug)]
pub struct Root {
    issued: Issued,
    pkcs8: Zeroizing<Vec<u8>>,
}

/// What signs a document: the leaf's key, with the chain that leads to it.
#[derive(Debug)]
pub struct Chain {
    levels: Vec<Issued>,
    root: Vec<u8>,
}

impl Root {
    /// A new root.
    ///
    /// # Errors
    /// If the provider fails.
    pub fn generate() -> Result<Self, CryptoError> {
        let (key, pkcs8) = Key::generate()?;
        let spec = CertificateSpec {
            issuer: root_name(),
            subject: root_name(),
            not_before: ROOT_NOT_BEFORE,
            not_after: ROOT_NOT_AFTER,
            extensions: vec![Extension::ca(None), Extension::key_usage(KeyUsage::Ca)],
            instead: Instead::default(),
        };
        let der = spec.issue(key.public_key(), &key)?;
        Ok(Self { issued: issued(key, der, &spec), pkcs8 })
    }

    /// Restores what [`to_pem`](Self::to_pem) wrote.
    ///
    /// # Errors
    /// If it is something else.
    pub fn from_pem(pem: &[u8]) -> Result<Self, RootError> {
        let pkcs8 = PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|_| RootError::Pem)?;
        let pkcs8 = Zeroizing::new(pkcs8.secret_pkcs8_der().to_vec());
        let der = CertificateDer::from_pem_slice(pem).map_err(|_| RootError::Pem)?.to_vec();
        let key = Key::from_pkcs8(&pkcs8)?;
        let certifies = |part: &[u8]| der.windows(part.len()).any(|window| window == part);
        if !certifies(key.public_key()) || !certifies(&root_name()) {
            return Err(RootError::Mismatch);
        }
        let name = root_name();
        let (not_before, not_after) = (ROOT_NOT_BEFORE, ROOT_NOT_AFTER);
        Ok(Self { issued: Issued { key, der, name, not_before, not_after }, pkcs8 })
    }

    /// The private key and the certificate in PEM.
    pub fn to_pem(&self) -> Zeroizing<String> {
        let key = Zeroizing::new(pem("PRIVATE KEY", &self.pkcs8));
        Zeroizing::new([key.as_str(), &self.certificate_pem()].concat())
    }

    /// The certificate, DER.
    pub fn certificate(&self) -> &[u8] {
        &self.issued.der
    }

    /// The certificate in PEM.
    pub fn certificate_pem(&self) -> String {
        pem("CERTIFICATE", &self.issued.der)
    }

    /// A new chain for documents signed at `at`.
    ///
    /// # Errors
    /// If the provider fails.
    pub fn issue_chain(&self, at: UnixMillis) -> Result<Chain, CryptoError> {
        let mut chain =
            Chain { levels: Vec::with_capacity(LEVELS.len()), root: self.certificate().to_vec() };
        chain.renew(self, at)?;
        Ok(chain)
    }

    /// Whether this root vouches for anything at `at`.
    pub fn is_valid_at(&self, at: UnixMillis) -> bool {
        (self.issued.not_before..=self.issued.not_after).contains(&at)
    }
}

impl Chain {
    /// Reissues every level that will not outlast what it signs at `at`, and all below it.
    ///
    /// # Errors
    /// If the provider fails.
    pub fn renew(&mut self, root: &Root, at: UnixMillis) -> Result<(), CryptoError> {
        let usable = |(issued, level): &(&Issued, &Level)| {
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

    /// From the root to the leaf's issuer, DER: the field `cabundle`.
    pub fn cabundle(&self) -> Vec<&[u8]> {
        let cas = self.levels.split_last().map(|(_, cas)| cas).unwrap_or_default();
        [&self.root[..]].into_iter().chain(cas.iter().map(|ca| &ca.der[..])).collect()
    }

    /// The leaf, DER: the field `certificate`.
    pub fn certificate(&self) -> &[u8] {
        self.leaf().map(|leaf| &leaf.der[..]).unwrap_or_default()
    }

    /// The key that signs documents.
    pub(super) fn key(&self) -> Option<&Key> {
        self.leaf().map(|leaf| &leaf.key)
    }

    fn leaf(&self) -> Option<&Issued> {
        self.levels.last()
    }
}

impl Level {
    fn issue(&self, issuer: &Issued, at: UnixMillis) -> Result<Issued, CryptoError> {
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
            instead: Instead::default(),
        };
        let der = spec.issue(key.public_key(), &issuer.key)?;
        Ok(issued(key, der, &spec))
    }
}

fn issued(key: Key, der: Vec<u8>, spec: &CertificateSpec) -> Issued {
    let name = spec.subject.clone();
    Issued { key, der, name, not_before: spec.not_before, not_after: spec.not_after }
}

fn pem(label: &str, der: &[u8]) -> String {
    use rsa::pkcs8::der::pem::{LineEnding, encode_string};
    encode_string(label, LineEnding::LF, der).unwrap_or_default()
}

#[cfg(test)]
#[path = "pki_tests.rs"]
mod tests;
