//! The format of what PCR16 and PCR17 measure.

use std::path::Path;

use attestation::crypto::Sha384;

use super::super::secret_fields::BundleFields;
use super::error::BundleError;
use super::{ConfigBundle, SALT_LENGTH, parse};
use crate::config_pcrs::ConfigDigests;

impl ConfigBundle {
    /// What PCR16 and PCR17 measure: the SHA-384 of the [public archive](Self::public_archive), and
    /// that of the salt, each secret in the order of the TOML, and each file that is secret in the
    /// order of their names, its length in bytes before it as eight bytes, the most significant first.
    /// Without a salt of its own it is salted with `fallback_salt`.
    ///
    /// # Errors
    /// As of [`archive`](Self::archive).
    pub fn measure(&self, fallback_salt: &[u8; SALT_LENGTH]) -> Result<ConfigDigests, BundleError> {
        let public = Sha384::digest(&self.public_archive()?);
        let mut secrets = Sha384::new();
        secrets.update(self.salt.as_ref().map_or(fallback_salt.as_slice(), |salt| salt));
        let table = parse(&self.path, &self.toml)?;
        let mut add = |secret: &[u8]| {
            secrets.update(&u64::try_from(secret.len()).unwrap_or(u64::MAX).to_be_bytes());
            secrets.update(secret);
        };
        for (_, secret) in BundleFields::find(&table).secrets {
            add(secret.as_bytes());
        }
        for name in self.secret_files.keys() {
            add(self.file(Path::new(name)).map_err(|error| self.read_error(name, error))?);
        }
        Ok(ConfigDigests { public, secrets: secrets.finish() })
    }
}
