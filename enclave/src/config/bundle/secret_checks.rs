//! Checks that the secrets of a configuration are present, and that no published file contains a secret.

use std::path::Path;

use super::super::certificates::{contains_private_key, first_line_of_key};
use super::super::hsm_pin::parse_pin;
use super::super::secret_fields::{BundleFields, SecretFileKind};
use super::error::BundleError;
use super::{ConfigBundle, parse};

impl ConfigBundle {
    /// Returns true if no secret is empty and every secret file could be read. In a public archive, every secret
    /// is empty.
    ///
    /// # Errors
    /// If the TOML cannot be parsed.
    pub fn has_all_secrets(&self) -> Result<bool, BundleError> {
        let table = parse(&self.path, &self.toml)?;
        let is_there =
            |name: &String| self.file(Path::new(name)).is_ok_and(|file| !file.is_empty());
        Ok(BundleFields::find(&table).secrets.iter().all(|(_, secret)| !secret.is_empty())
            && self.secret_files.keys().all(is_there))
    }

    /// Returns whether `public` contains a secret of this bundle, for example in a comment, or any private key in
    /// PEM. Does not search for secrets of less than 8 bytes, because other text contains such bytes by chance.
    ///
    /// # Errors
    /// If the TOML cannot be parsed.
    pub fn contains_secret_or_private_key(&self, public: &[u8]) -> Result<bool, BundleError> {
        let table = parse(&self.path, &self.toml)?;
        let is_in = |secret: &[u8]| {
            secret.len() >= 8 && public.windows(secret.len()).any(|part| part == secret)
        };
        let is_file_in = |(name, kind): (&String, &SecretFileKind)| {
            let Ok(file) = self.file(Path::new(name)) else { return false };
            match kind {
                SecretFileKind::PrivateKey => first_line_of_key(file).is_some_and(is_in),
                // A PIN for CloudHSM has the form `USER:PASSWORD`. The password alone is also a secret.
                SecretFileKind::Pin => parse_pin(file).is_some_and(|pin| {
                    let password = pin.splitn(2, |byte| *byte == b':').last();
                    is_in(pin) || password.is_some_and(is_in)
                }),
            }
        };
        Ok(contains_private_key(public)
            || BundleFields::find(&table)
                .secrets
                .iter()
                .any(|(_, secret)| is_in(secret.as_bytes()))
            || self.secret_files.iter().any(is_file_in))
    }
}
