//! The configuration bundle: the TOML file, the salt, and every file that the TOML names, except PKCS#11 modules.
//!
//! The enclave reads the bundle into memory once, and measures the whole bundle. Except for PKCS#11
//! modules, the enclave cannot read files outside the bundle later.

pub(super) mod archive;
mod error;
mod export;
mod from_parent;
mod pcr16_pcr17;
mod read;
mod secret_checks;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use toml::de::DeTable;
use zeroize::Zeroizing;

use self::archive::NAME_RULE;
pub use self::archive::{ArchiveError, MAX_ARCHIVE_LENGTH};
pub use self::error::{BundleError, Position};
use self::read::copy_error;
pub(super) use self::read::read;
use super::secret_fields::{BundleFields, FieldCounts, SecretFileKind};

/// Maximum length of one file of the bundle, in bytes.
pub(super) const MAX_FILE_LENGTH: usize = 1024 * 1024;

/// Offset of the magic number `ustar` in a tar archive, in bytes.
const USTAR_AT: usize = 257;

/// Name of the TOML file in an archive and in a configuration folder.
pub const TOML_NAME: &str = "enclave.toml";

/// Name of the salt file, which is in the folder of the TOML file.
pub const SALT_NAME: &str = "salt";

/// Length of the salt, in bytes.
pub const SALT_LENGTH: usize = 32;

/// The files of a configuration. On drop, the contents are wiped from memory, because any file may be secret.
///
/// The default bundle is empty.
#[derive(Default)]
pub struct ConfigBundle {
    /// Path of the TOML file, for messages.
    path: PathBuf,
    toml: Zeroizing<String>,
    salt: Option<Zeroizing<Vec<u8>>>,
    /// Contents by file name. The error of an unreadable file is returned only when the file is used.
    files: BTreeMap<String, io::Result<Zeroizing<Vec<u8>>>>,
    /// Names and kinds of the secret files: private keys and PINs.
    secret_files: BTreeMap<String, SecretFileKind>,
}

impl ConfigBundle {
    /// Loads the bundle at `path`. A name that ends in `.tar` is an archive. Any other name is a TOML file.
    ///
    /// # Errors
    /// The errors of [`from_toml`](Self::from_toml) and [`from_archive`](Self::from_archive). Also if an
    /// archive cannot be read, or is longer than `MAX_ARCHIVE_LENGTH`.
    pub fn load(path: &Path) -> Result<Self, BundleError> {
        if path.extension().is_some_and(|extension| extension == "tar") {
            let bytes = read(path, MAX_ARCHIVE_LENGTH).map_err(BundleError::read(path))?;
            Self::from_archive(path, &bytes)
        } else {
            Self::from_toml(path)
        }
    }

    /// Loads the TOML file at `path`, and the files that the TOML names, from the same folder.
    ///
    /// # Errors
    /// In each of these cases:
    ///
    /// - The TOML file cannot be read, is longer than 1 MiB, is not UTF-8, or is not TOML.
    /// - The file is a tar archive whose name does not end in `.tar`.
    /// - The salt exists, but cannot be read or does not have [`SALT_LENGTH`] bytes.
    /// - The TOML names one file both as a secret file and in another setting.
    ///
    /// The error of an unreadable file that the TOML names is returned only when the file is used.
    pub fn from_toml(path: &Path) -> Result<Self, BundleError> {
        let folder = path.parent().unwrap_or(Path::new(""));
        let at = folder.join(SALT_NAME);
        let salt = match read(&at, MAX_FILE_LENGTH) {
            Ok(salt) => Some(salt),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(BundleError::Read { path: at, error }),
        };
        let toml = read(path, MAX_FILE_LENGTH).map_err(BundleError::read(path))?;
        if toml.get(USTAR_AT..).is_some_and(|rest| rest.starts_with(b"ustar")) {
            let path = path.to_owned();
            return Err(BundleError::Archive { path, error: ArchiveError::Extension });
        }
        Self::new(path.to_owned(), toml, salt, |name| read(&folder.join(name), MAX_FILE_LENGTH))
    }

    /// Parses the archive `bytes`. Messages use `path` as the name of the archive.
    ///
    /// # Errors
    /// In each of these cases:
    ///
    /// - The bytes are not a canonical archive, or the archive contains an invalid file name.
    /// - A file is longer than 1 MiB.
    /// - `enclave.toml` is missing, is not UTF-8, or is not TOML.
    /// - The salt exists, but does not have `SALT_LENGTH` bytes.
    /// - The TOML names one file both as a secret file and in another setting.
    /// - The archive contains a file that the TOML does not name.
    pub fn from_archive(path: &Path, bytes: &[u8]) -> Result<Self, BundleError> {
        let invalid_archive = |error| BundleError::Archive { path: path.to_owned(), error };
        let mut files = archive::decode(bytes).map_err(invalid_archive)?;
        if let Some((name, _)) = files.iter().find(|(_, bytes)| bytes.len() > MAX_FILE_LENGTH) {
            return Err(invalid_archive(ArchiveError::TooLong(name.clone())));
        }
        let toml = files.remove(TOML_NAME).ok_or_else(|| invalid_archive(ArchiveError::NoToml))?;
        let salt = files.remove(SALT_NAME);
        let this = Self::new(path.join(TOML_NAME), toml, salt, |name| {
            let missing = || io::Error::new(ErrorKind::NotFound, "not in the archive");
            files.remove(name).ok_or_else(missing)
        })?;
        match files.into_keys().next() {
            Some(name) => Err(invalid_archive(ArchiveError::Unnamed(name))),
            None => Ok(this),
        }
    }

    fn new(
        path: PathBuf,
        toml: Zeroizing<Vec<u8>>,
        salt: Option<Zeroizing<Vec<u8>>>,
        mut open: impl FnMut(&str) -> io::Result<Zeroizing<Vec<u8>>>,
    ) -> Result<Self, BundleError> {
        if salt.as_ref().is_some_and(|salt| salt.len() != SALT_LENGTH) {
            return Err(BundleError::Salt { path: path.with_file_name(SALT_NAME) });
        }
        let text = str::from_utf8(&toml).map_err(|_| {
            let error = io::Error::new(ErrorKind::InvalidData, "the file is not UTF-8");
            BundleError::Read { path: path.clone(), error }
        })?;
        let toml = Zeroizing::new(text.to_owned());
        let table = parse(&path, &toml)?;
        let fields = BundleFields::find(&table);
        if fields.secret_files.iter().any(|(name, _)| fields.files.contains(name)) {
            return Err(BundleError::PublicSecretFile { path });
        }
        let secret_names = fields.secret_files.iter().map(|(name, _)| *name);
        let mut files = BTreeMap::new();
        for name in fields.files.iter().copied().chain(secret_names) {
            if !files.contains_key(name) {
                let bytes = match name {
                    TOML_NAME | SALT_NAME => Err(invalid("the name is reserved")),
                    name if archive::is_name(name) => open(name),
                    _ => Err(invalid(NAME_RULE)),
                };
                files.insert(name.to_owned(), bytes);
            }
        }
        let secret_files =
            fields.secret_files.into_iter().map(|(name, kind)| (name.to_owned(), kind)).collect();
        Ok(Self { path, toml, salt, files, secret_files })
    }

    /// Returns the path of the TOML file, for messages.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the text of the TOML file.
    pub(super) fn toml(&self) -> &str {
        &self.toml
    }

    /// Returns the names of all files: the TOML file, the salt file (even if there is none), and the files that
    /// the TOML names.
    pub fn file_names(&self) -> impl Iterator<Item = &str> {
        let files = self.files.keys().map(String::as_str);
        [TOML_NAME, SALT_NAME].into_iter().chain(files)
    }

    /// Returns whether the bundle contains a salt.
    pub fn has_salt(&self) -> bool {
        self.salt.is_some()
    }

    /// Counts the secrets and the file names in the TOML, which are recognized by their TOML keys.
    pub(super) fn counts(&self) -> Result<FieldCounts, BundleError> {
        let table = parse(&self.path, &self.toml)?;
        Ok(BundleFields::find(&table).counts())
    }

    /// Returns the path of the file `name`, for messages.
    pub(super) fn path_of(&self, name: &Path) -> PathBuf {
        self.path.with_file_name(name)
    }

    /// Returns the content of the file that the TOML names `name`.
    ///
    /// # Errors
    /// If the file could not be read, or if the TOML does not name the file.
    pub(super) fn file(&self, name: &Path) -> io::Result<&[u8]> {
        let found = name.to_str().and_then(|name| self.files.get(name));
        match found {
            Some(Ok(bytes)) => Ok(bytes),
            Some(Err(error)) => Err(copy_error(error)),
            None => {
                Err(io::Error::new(ErrorKind::NotFound, "the configuration contains no such file"))
            }
        }
    }
}

impl fmt::Debug for ConfigBundle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.files.keys().collect();
        formatter
            .debug_struct("ConfigBundle")
            .field("path", &self.path)
            .field("files", &names)
            .finish_non_exhaustive()
    }
}

/// Parses `text` as TOML.
pub(super) fn parse<'a>(path: &Path, text: &'a str) -> Result<DeTable<'a>, BundleError> {
    let table = DeTable::parse(text).map_err(|error| BundleError::parse(path, text, &error))?;
    Ok(table.into_inner())
}

fn invalid(rule: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, rule)
}
