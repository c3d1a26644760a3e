//! The measurement of a configuration bundle: the digests that extend PCR16 and PCR17.

use std::path::Path;

use attestation::crypto::Sha384;

use super::super::secret_fields::BundleFields;
use super::error::BundleError;
use super::{ConfigBundle, SALT_LENGTH, parse};
use crate::pcr_extension::ConfigDigests;

impl ConfigBundle {
    /// Measures the bundle. Returns the two inner digests of these formulas:
    ///
    /// ```text
    /// PCR16 = SHA-384(48 zero bytes ‖ SHA-384(public archive))
    /// PCR17 = SHA-384(48 zero bytes ‖ SHA-384(salt ‖ length ‖ secret ‖ length ‖ secret ‖ ...))
    /// ```
    ///
    /// - [`public_archive`](Self::public_archive) returns the public archive.
    /// - The salt has 32 bytes. If the bundle has no salt, `fallback_salt` takes its place.
    /// - The first secrets are those in the TOML, in the order of the text.
    /// - The last secrets are the contents of the secret files, in the order of the file names.
    /// - A length is the number of bytes of the secret after it, as 8 bytes in big-endian order.
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
