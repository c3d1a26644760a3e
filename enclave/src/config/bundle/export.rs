//! In which forms a configuration leaves this process: whole, published, or measured.

use std::io;

use zeroize::Zeroizing;

use super::super::secret_fields::{BundleFields, SecretFileKind, without_secrets};
use super::archive::{self, ArchiveFiles, MAX_ARCHIVE_LENGTH};
use super::error::BundleError;
use super::read::copy_error;
use super::{ConfigBundle, SALT_NAME, TOML_NAME, parse};

impl ConfigBundle {
    /// All of it, as what an enclave takes from its parent: secrets included.
    ///
    /// # Errors
    /// If a file could not be read, or all are too long together.
    pub fn archive(&self) -> Result<Zeroizing<Vec<u8>>, BundleError> {
        let mut files = self.files_with_toml(self.toml.as_bytes())?;
        files.extend(self.salt.iter().map(|salt| (SALT_NAME, salt.as_slice())));
        self.encode(&files)
    }

    /// All of it without its secrets and their salt, files that are secret being empty: what an
    /// operator may publish, and what PCR16 measures.
    ///
    /// # Errors
    /// As of [`archive`](Self::archive).
    pub fn public_archive(&self) -> Result<Zeroizing<Vec<u8>>, BundleError> {
        let table = parse(&self.path, &self.toml)?;
        let public = without_secrets(&self.toml, &BundleFields::find(&table).secrets);
        let mut files = self.files_with_toml(public.as_bytes())?;
        files.extend(self.secret_files.keys().map(|name| (name.as_str(), &[][..])));
        self.encode(&files)
    }

    /// The files with this TOML.
    fn files_with_toml<'a>(&'a self, toml: &'a [u8]) -> Result<ArchiveFiles<'a>, BundleError> {
        let mut files = ArchiveFiles::from([(TOML_NAME, toml)]);
        for (name, bytes) in &self.files {
            match bytes {
                Ok(bytes) => files.insert(name, bytes),
                Err(error) => return Err(self.read_error(name, copy_error(error))),
            };
        }
        Ok(files)
    }

    /// Of the file `name`, which could not be read.
    pub(super) fn read_error(&self, name: &str, error: io::Error) -> BundleError {
        let path = self.path.clone();
        // The name of one that is secret may be its content, misplaced.
        match self.secret_files.get(name) {
            Some(SecretFileKind::PrivateKey) => BundleError::ReadPrivateKey { path, error },
            Some(SecretFileKind::Pin) => BundleError::ReadPin { path, error },
            None => BundleError::Read { path: path.with_file_name(name), error },
        }
    }

    fn encode(&self, files: &ArchiveFiles<'_>) -> Result<Zeroizing<Vec<u8>>, BundleError> {
        let archive = archive::encode(files).and_then(|archive| match archive.len() {
            0..=MAX_ARCHIVE_LENGTH => Ok(archive),
            _ => Err(io::Error::other(
                "it and the files that it names are larger than 8 MiB together: remove some",
            )),
        });
        archive.map_err(BundleError::read(&self.path))
    }
}
