//! The measurement of a configuration bundle: the digests that extend PCR16 and PCR17.

use std::path::Path;

use attestation::crypto::Sha384;

use super::super::secret_fields::BundleFields;
use super::error::BundleError;
use super::{ConfigBundle, SALT_LENGTH, parse};
use crate::pcr_extension::ConfigDigests;

impl ConfigBundle {
    /// Measures the bundle.
    ///
    /// PCR16 is extended with the SHA-384 digest of the [public archive](Self::public_archive).
    /// PCR17 is extended with the SHA-384 digest of the concatenation of
    ///
    /// 1. the salt (32 bytes), or `fallback_salt` if the bundle has none,
    /// 2. each secret in the TOML, in the order of the text,
    /// 3. the content of each secret file, in the order of the file names.
    ///
    /// Each item of 2 and 3 is preceded by its length in bytes, as 8 bytes in big-endian order.
    ///
    /// # Errors
    /// The errors of [`archive`](Self::archive).
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
