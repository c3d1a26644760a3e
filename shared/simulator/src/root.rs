//! The simulator's root certificate and key.

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use thiserror::Error;
use zeroize::Zeroizing;

use super::certificate::{CertificateSpec, Extension, KeyUsage, Overrides};
use super::distinguished_names::root_name;
use super::issued_certificate::IssuedCertificate;
use super::key::Key;
use attestation::crypto::CryptoError;
use attestation::time::UnixMillis;

/// The start of the root's validity: 2019-10-28T13:28:05Z, as in AWS's root.
const ROOT_NOT_BEFORE: UnixMillis = UnixMillis::from_secs(1_572_269_285);
/// The end of the root's validity, 30 years later.
const ROOT_NOT_AFTER: UnixMillis = UnixMillis::from_secs(2_519_044_085);

/// A reason why a simulator's root cannot be restored.
#[derive(Debug, Error)]
pub enum RootError {
    /// The text is not one private key and one certificate in PEM.
    #[error("it does not contain one PRIVATE KEY and one CERTIFICATE in PEM")]
    Pem,
    /// The key is not P-384, or the provider failed.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// The certificate has another key, or is not a simulator's root.
    #[error("its certificate is not a simulator's root with its key")]
    Mismatch,
}

/// A simulator's root. The root is generated at start-up, or restored from a state file.
#[derive(Debug)]
pub struct Root {
    pub(super) issued: IssuedCertificate,
    pkcs8: Zeroizing<Vec<u8>>,
}

impl Root {
    /// Generates a root.
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
            overrides: Overrides::default(),
        };
        let der = spec.issue(key.public_key(), &key)?;
        Ok(Self { issued: IssuedCertificate::new(key, der, &spec), pkcs8 })
    }

    /// Restores a root from the text of [`to_pem`](Self::to_pem).
    ///
    /// # Errors
    /// If `pem` is not such a text, or the crypto provider fails.
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
        Ok(Self { issued: IssuedCertificate { key, der, name, not_before, not_after }, pkcs8 })
    }

    /// Returns the private key and the certificate in PEM.
    pub fn to_pem(&self) -> Zeroizing<String> {
        let key = Zeroizing::new(pem("PRIVATE KEY", &self.pkcs8));
        Zeroizing::new([key.as_str(), &self.certificate_pem()].concat())
    }

    /// Returns the certificate in DER.
    pub fn certificate(&self) -> &[u8] {
        &self.issued.der
    }

    /// Returns the certificate in PEM.
    pub fn certificate_pem(&self) -> String {
        pem("CERTIFICATE", &self.issued.der)
    }

    /// Returns whether the root is valid at `at`.
    pub fn is_valid_at(&self, at: UnixMillis) -> bool {
        (self.issued.not_before..=self.issued.not_after).contains(&at)
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    use rsa::pkcs8::der::pem::{LineEnding, encode_string};
    encode_string(label, LineEnding::LF, der).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_survives_its_pem_form() {
        let root = Root::generate().unwrap();
        let restored = Root::from_pem(root.to_pem().as_bytes()).unwrap();
        assert_eq!(restored.certificate(), root.certificate());
        let other = Root::generate().unwrap();
        let mixed = [pem("PRIVATE KEY", &root.pkcs8), other.certificate_pem()].concat();
        assert!(matches!(Root::from_pem(mixed.as_bytes()), Err(RootError::Mismatch)));
        assert!(matches!(Root::from_pem(b""), Err(RootError::Pem)));
    }
}
