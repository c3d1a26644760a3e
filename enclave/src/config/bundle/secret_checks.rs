//! Checks that the secrets of a configuration are present, and that no published file contains one.

use std::path::Path;

use super::super::certificates::{first_line_of_key, holds_private_key};
use super::super::pin::parse_pin;
use super::super::secret_fields::{BundleFields, SecretFileKind};
use super::error::BundleError;
use super::{ConfigBundle, parse};

impl ConfigBundle {
    /// Whether no secret was left empty, as all are in what was published.
    ///
    /// # Errors
    /// If the TOML is none.
    pub fn has_all_secrets(&self) -> Result<bool, BundleError> {
        let table = parse(&self.path, &self.toml)?;
        let is_there =
            |name: &String| self.file(Path::new(name)).is_ok_and(|file| !file.is_empty());
        Ok(BundleFields::find(&table).secrets.iter().all(|(_, secret)| !secret.is_empty())
            && self.secret_files.keys().all(is_there))
    }

    /// Whether a secret stands in `public` all the same, such as in a remark, or any private key in
    /// PEM. What is so short that anything may hold it does not count.
    ///
    /// # Errors
    /// If the TOML is none.
    pub fn secrets_occur_in(&self, public: &[u8]) -> Result<bool, BundleError> {
        let table = parse(&self.path, &self.toml)?;
        let is_in = |secret: &[u8]| {
            secret.len() >= 8 && public.windows(secret.len()).any(|part| part == secret)
        };
        let is_file_in = |(name, kind): (&String, &SecretFileKind)| {
            let Ok(file) = self.file(Path::new(name)) else { return false };
            match kind {
                SecretFileKind::PrivateKey => first_line_of_key(file).is_some_and(is_in),
                // CloudHSM's is a user's name and password: the latter alone is as good.
                SecretFileKind::Pin => parse_pin(file).is_some_and(|pin| {
                    let password = pin.splitn(2, |byte| *byte == b':').last();
                    is_in(pin) || password.is_some_and(is_in)
                }),
            }
        };
        Ok(holds_private_key(public)
            || BundleFields::find(&table)
                .secrets
                .iter()
                .any(|(_, secret)| is_in(secret.as_bytes()))
            || self.secret_files.iter().any(is_file_in))
    }
}
