//! In which forms a configuration leaves this process: whole, published, or measured.

use std::io;
use std::path::Path;

use attestation::crypto::Sha384;
use zeroize::Zeroizing;

use super::super::archive::{self, MAX_ARCHIVE_LENGTH, Named};
use super::super::certificates::{first_line_of_key, holds_private_key};
use super::super::contents::{Contents, SecretFile, without_secrets};
use super::super::pin::pin;
use super::error::FilesError;
use super::read::same;
use super::{Files, SALT_LENGTH, SALT_NAME, TOML_NAME, parse};
use crate::measurement::Measured;

impl Files {
    /// All of it, as what an enclave takes from its parent: secrets included.
    ///
    /// # Errors
    /// If a file could not be read, or all are too long together.
    pub fn archive(&self) -> Result<Zeroizing<Vec<u8>>, FilesError> {
        let mut files = self.named(self.toml.as_bytes())?;
        files.extend(self.salt.iter().map(|salt| (SALT_NAME, salt.as_slice())));
        self.encode(&files)
    }

    /// All of it without its secrets and their salt, files that are secret being empty: what an
    /// operator may publish, and what PCR16 measures.
    ///
    /// # Errors
    /// As of [`archive`](Self::archive).
    pub fn public_archive(&self) -> Result<Zeroizing<Vec<u8>>, FilesError> {
        let table = parse(&self.path, &self.toml)?;
        let public = without_secrets(&self.toml, &Contents::of(&table).secrets);
        let mut files = self.named(public.as_bytes())?;
        files.extend(self.secret.keys().map(|name| (name.as_str(), &[][..])));
        self.encode(&files)
    }

    /// What PCR16 and PCR17 measure: the SHA-384 of the [public archive](Self::public_archive), and
    /// that of the salt, each secret in the order of the TOML, and each file that is secret in the
    /// order of their names, its length in bytes before it as eight bytes, the most significant first.
    /// Without a salt of its own it is salted with `fresh`.
    ///
    /// # Errors
    /// As of [`archive`](Self::archive).
    pub fn measurement(&self, fresh: &[u8; SALT_LENGTH]) -> Result<Measured, FilesError> {
        let public = Sha384::digest(&self.public_archive()?);
        let mut secrets = Sha384::new();
        secrets.update(self.salt.as_ref().map_or(fresh.as_slice(), |salt| salt));
        let table = parse(&self.path, &self.toml)?;
        let mut add = |secret: &[u8]| {
            secrets.update(&u64::try_from(secret.len()).unwrap_or(u64::MAX).to_be_bytes());
            secrets.update(secret);
        };
        for (_, secret) in Contents::of(&table).secrets {
            add(secret.as_bytes());
        }
        for name in self.secret.keys() {
            add(self.read(Path::new(name)).map_err(|error| self.unread(name, error))?);
        }
        Ok(Measured { public, secrets: secrets.finish() })
    }

    /// The files with this TOML.
    fn named<'a>(&'a self, toml: &'a [u8]) -> Result<Named<'a>, FilesError> {
        let mut files = Named::from([(TOML_NAME, toml)]);
        for (name, bytes) in &self.others {
            match bytes {
                Ok(bytes) => files.insert(name, bytes),
                Err(error) => return Err(self.unread(name, same(error))),
            };
        }
        Ok(files)
    }

    /// Of the file `name`, which could not be read.
    fn unread(&self, name: &str, error: io::Error) -> FilesError {
        let path = self.path.clone();
        // The name of one that is secret may be its content, misplaced.
        match self.secret.get(name) {
            Some(SecretFile::PrivateKey) => FilesError::ReadPrivateKey { path, error },
            Some(SecretFile::Pin) => FilesError::ReadPin { path, error },
            None => FilesError::Read { path: path.with_file_name(name), error },
        }
    }

    fn encode(&self, files: &Named<'_>) -> Result<Zeroizing<Vec<u8>>, FilesError> {
        let archive = archive::encode(files).and_then(|archive| match archive.len() {
            0..=MAX_ARCHIVE_LENGTH => Ok(archive),
            _ => Err(io::Error::other("the files are too long together: 8 MiB is allowed")),
        });
        archive.map_err(FilesError::read(&self.path))
    }

    /// Whether no secret was left empty, as all are in what was published.
    ///
    /// # Errors
    /// If the TOML is none.
    pub fn has_its_secrets(&self) -> Result<bool, FilesError> {
        let table = parse(&self.path, &self.toml)?;
        let is_there =
            |name: &String| self.read(Path::new(name)).is_ok_and(|file| !file.is_empty());
        Ok(Contents::of(&table).secrets.iter().all(|(_, secret)| !secret.is_empty())
            && self.secret.keys().all(is_there))
    }

    /// Whether a secret stands in `public` all the same, such as in a remark, or any private key in
    /// PEM. What is so short that anything may hold it does not count.
    ///
    /// # Errors
    /// If the TOML is none.
    pub fn are_secrets_in(&self, public: &[u8]) -> Result<bool, FilesError> {
        let table = parse(&self.path, &self.toml)?;
        let is_in = |secret: &[u8]| {
            secret.len() >= 8 && public.windows(secret.len()).any(|part| part == secret)
        };
        let is_file_in = |(name, kind): (&String, &SecretFile)| {
            let Ok(file) = self.read(Path::new(name)) else { return false };
            match kind {
                SecretFile::PrivateKey => first_line_of_key(file).is_some_and(is_in),
                // CloudHSM's is a user's name and password: the latter alone is as good.
                SecretFile::Pin => pin(file).is_some_and(|pin| {
                    let password = pin.splitn(2, |byte| *byte == b':').last();
                    is_in(pin) || password.is_some_and(is_in)
                }),
            }
        };
        Ok(holds_private_key(public)
            || Contents::of(&table).secrets.iter().any(|(_, secret)| is_in(secret.as_bytes()))
            || self.secret.iter().any(is_file_in))
    }
}
