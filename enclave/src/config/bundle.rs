//! The TOML, its salt, and every file that it names: all that a configuration is made of, held in
//! memory, and so all that is measured. What is not here cannot be read later.

pub(super) mod archive;
mod error;
mod export;
mod from_parent;
mod measurement;
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

/// Bytes of a configuration or policy file: far more than a person writes.
pub(super) const MAX_FILE_LENGTH: usize = 1024 * 1024;

/// Where an archive says that it is one.
const USTAR_AT: usize = 257;

/// The TOML's name in an archive, and for who looks for it in a folder.
pub const TOML_NAME: &str = "enclave.toml";

/// The name of the file of random bytes beside it.
pub const SALT_NAME: &str = "salt";

/// Bytes of the salt.
pub const SALT_LENGTH: usize = 32;

/// A configuration's files. All may be secret and are wiped. Those of nobody who wrote one are none.
#[derive(Default)]
pub struct ConfigBundle {
    /// The TOML, as messages name it.
    path: PathBuf,
    toml: Zeroizing<String>,
    salt: Option<Zeroizing<Vec<u8>>>,
    /// By name; one that cannot be read is an error only for who reads it.
    files: BTreeMap<String, io::Result<Zeroizing<Vec<u8>>>>,
    /// The names of those that are secret as a whole, and what they are.
    secret_files: BTreeMap<String, SecretFileKind>,
}

impl ConfigBundle {
    /// What is at `path`: an archive if its name ends so, else the TOML.
    ///
    /// # Errors
    /// As of [`from_toml`](Self::from_toml) and [`from_archive`](Self::from_archive).
    pub fn load(path: &Path) -> Result<Self, BundleError> {
        if path.extension().is_some_and(|extension| extension == "tar") {
            let bytes = read(path, MAX_ARCHIVE_LENGTH).map_err(BundleError::read(path))?;
            Self::from_archive(path, &bytes)
        } else {
            Self::from_toml(path)
        }
    }

    /// The TOML `path`, and what it names beside it.
    ///
    /// # Errors
    /// If the TOML cannot be read or is none, or if there is a salt of another length.
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

    /// What is in the archive `bytes`, which came from `path` as messages name it.
    ///
    /// # Errors
    /// If it is not the one archive of its files, or holds others than a configuration's.
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
            let error = io::Error::new(ErrorKind::InvalidData, "it is not UTF-8");
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

    /// The TOML, as messages name it.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What the TOML says.
    pub(super) fn toml(&self) -> &str {
        &self.toml
    }

    /// The names of all files.
    pub fn file_names(&self) -> impl Iterator<Item = &str> {
        let files = self.files.keys().map(String::as_str);
        [TOML_NAME, SALT_NAME].into_iter().chain(files)
    }

    /// Whether there is a salt.
    pub fn has_salt(&self) -> bool {
        self.salt.is_some()
    }

    /// How many secrets, and names of files, the TOML shows to who looks for them by their keys.
    pub(super) fn counts(&self) -> Result<FieldCounts, BundleError> {
        let table = parse(&self.path, &self.toml)?;
        Ok(BundleFields::find(&table).counts())
    }

    /// What messages call the file that the TOML names `name`.
    pub(super) fn path_of(&self, name: &Path) -> PathBuf {
        self.path.with_file_name(name)
    }

    /// The file that the TOML names `name`.
    ///
    /// # Errors
    /// If it could not be read.
    pub(super) fn file(&self, name: &Path) -> io::Result<&[u8]> {
        let found = name.to_str().and_then(|name| self.files.get(name));
        match found {
            Some(Ok(bytes)) => Ok(bytes),
            Some(Err(error)) => Err(copy_error(error)),
            None => {
                Err(io::Error::new(ErrorKind::NotFound, "it is not a file of the configuration"))
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
