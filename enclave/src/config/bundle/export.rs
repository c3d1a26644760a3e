//! The full and the public archive of a configuration bundle.

use std::io;

use zeroize::Zeroizing;

use super::super::secret_fields::{BundleFields, SecretFileKind, without_secrets};
use super::archive::{self, ArchiveFiles, MAX_ARCHIVE_LENGTH};
use super::error::BundleError;
use super::read::copy_error;
use super::{ConfigBundle, SALT_NAME, TOML_NAME, parse};

impl ConfigBundle {
    /// Returns the full archive, which contains the secrets. Enclaves fetch this archive from the parent instance.
    ///
    /// # Errors
    /// If a file could not be read, or the archive exceeds [`MAX_ARCHIVE_LENGTH`].
    pub fn archive(&self) -> Result<Zeroizing<Vec<u8>>, BundleError> {
        let mut files = self.files_with_toml(self.toml.as_bytes())?;
        files.extend(self.salt.iter().map(|salt| (SALT_NAME, salt.as_slice())));
        self.encode(&files)
    }

    /// Returns the public archive, which PCR16 measures and an operator may publish.
    ///
    /// The public archive contains no salt. The secrets in its TOML are empty strings. Its secret files are empty.
    ///
    /// # Errors
    /// The errors of [`archive`](Self::archive).
    pub fn public_archive(&self) -> Result<Zeroizing<Vec<u8>>, BundleError> {
        let table = parse(&self.path, &self.toml)?;
        let public = without_secrets(&self.toml, &BundleFields::find(&table).secrets);
        let mut files = self.files_with_toml(public.as_bytes())?;
        files.extend(self.secret_files.keys().map(|name| (name.as_str(), &[][..])));
        self.encode(&files)
    }

    /// Returns the files that the TOML names, and `toml` as the content of the TOML file.
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

    /// Returns the error for the unreadable file `name`.
    pub(super) fn read_error(&self, name: &str, error: io::Error) -> BundleError {
        let path = self.path.clone();
        // An operator may have written the secret in place of the name of a secret file, so errors for such files
        // omit the name.
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
                "this file and the files that it names are larger than 8 MiB together: remove some files",
            )),
        });
        archive.map_err(BundleError::read(&self.path))
    }
}
