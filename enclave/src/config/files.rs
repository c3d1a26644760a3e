//! The TOML, its salt, and every file that it names: all that a configuration is made of, held in
//! memory, and so all that is measured. What is not here cannot be read later.

mod error;
mod forms;
mod read;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use toml::de::DeTable;
use zeroize::Zeroizing;

pub use self::error::{FilesError, Position};
pub(super) use self::read::read;
use self::read::same;
use super::archive::{self, ArchiveError, MAX_ARCHIVE_LENGTH, NAME_RULE};
use super::contents::{Contents, Counts, SecretFile};

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
pub struct Files {
    /// The TOML, as messages name it.
    path: PathBuf,
    toml: Zeroizing<String>,
    salt: Option<Zeroizing<Vec<u8>>>,
    /// By name; one that cannot be read is an error only for who reads it.
    others: BTreeMap<String, io::Result<Zeroizing<Vec<u8>>>>,
    /// The names of those that are secret as a whole, and what they are.
    secret: BTreeMap<String, SecretFile>,
}

impl Files {
    /// What is at `path`: an archive if its name ends so, else the TOML.
    ///
    /// # Errors
    /// As of [`of_folder`](Self::of_folder) and [`of_archive`](Self::of_archive).
    pub fn of(path: &Path) -> Result<Self, FilesError> {
        if path.extension().is_some_and(|extension| extension == "tar") {
            let bytes = read(path, MAX_ARCHIVE_LENGTH).map_err(FilesError::read(path))?;
            Self::of_archive(path, &bytes)
        } else {
            Self::of_folder(path)
        }
    }

    /// The TOML `path`, and what it names beside it.
    ///
    /// # Errors
    /// If the TOML cannot be read or is none, or if there is a salt of another length.
    pub fn of_folder(path: &Path) -> Result<Self, FilesError> {
        let folder = path.parent().unwrap_or(Path::new(""));
        let at = folder.join(SALT_NAME);
        let salt = match read(&at, MAX_FILE_LENGTH) {
            Ok(salt) => Some(salt),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(FilesError::Read { path: at, error }),
        };
        let toml = read(path, MAX_FILE_LENGTH).map_err(FilesError::read(path))?;
        if toml.get(USTAR_AT..).is_some_and(|rest| rest.starts_with(b"ustar")) {
            let path = path.to_owned();
            return Err(FilesError::Archive { path, error: ArchiveError::Extension });
        }
        Self::new(path.to_owned(), toml, salt, |name| read(&folder.join(name), MAX_FILE_LENGTH))
    }

    /// What is in the archive `bytes`, which came from `path` as messages name it.
    ///
    /// # Errors
    /// If it is not the one archive of its files, or holds others than a configuration's.
    pub fn of_archive(path: &Path, bytes: &[u8]) -> Result<Self, FilesError> {
        let refused = |error| FilesError::Archive { path: path.to_owned(), error };
        let mut files = archive::decode(bytes).map_err(refused)?;
        if let Some((name, _)) = files.iter().find(|(_, bytes)| bytes.len() > MAX_FILE_LENGTH) {
            return Err(refused(ArchiveError::TooLong(name.clone())));
        }
        let toml = files.remove(TOML_NAME).ok_or_else(|| refused(ArchiveError::NoToml))?;
        let salt = files.remove(SALT_NAME);
        let this = Self::new(path.join(TOML_NAME), toml, salt, |name| {
            let missing = || io::Error::new(ErrorKind::NotFound, "not in the archive");
            files.remove(name).ok_or_else(missing)
        })?;
        match files.into_keys().next() {
            Some(name) => Err(refused(ArchiveError::Unnamed(name))),
            None => Ok(this),
        }
    }

    fn new(
        path: PathBuf,
        toml: Zeroizing<Vec<u8>>,
        salt: Option<Zeroizing<Vec<u8>>>,
        mut open: impl FnMut(&str) -> io::Result<Zeroizing<Vec<u8>>>,
    ) -> Result<Self, FilesError> {
        if salt.as_ref().is_some_and(|salt| salt.len() != SALT_LENGTH) {
            return Err(FilesError::Salt { path: path.with_file_name(SALT_NAME) });
        }
        let text = str::from_utf8(&toml).map_err(|_| {
            let error = io::Error::new(ErrorKind::InvalidData, "it is not UTF-8");
            FilesError::Read { path: path.clone(), error }
        })?;
        let toml = Zeroizing::new(text.to_owned());
        let table = parse(&path, &toml)?;
        let Contents { files, secret_files, .. } = Contents::of(&table);
        if secret_files.iter().any(|(name, _)| files.contains(name)) {
            return Err(FilesError::PublicSecretFile { path });
        }
        let secret = secret_files.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
        let secret_files = secret_files.into_iter().map(|(name, _)| name);
        let mut others = BTreeMap::new();
        for name in files.into_iter().chain(secret_files) {
            if !others.contains_key(name) {
                let bytes = match name {
                    TOML_NAME | SALT_NAME => {
                        Err(invalid("it has its own place in a configuration"))
                    }
                    name if archive::is_name(name) => open(name),
                    _ => Err(invalid(NAME_RULE)),
                };
                others.insert(name.to_owned(), bytes);
            }
        }
        Ok(Self { path, toml, salt, others, secret })
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
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let others = self.others.keys().map(String::as_str);
        [TOML_NAME, SALT_NAME].into_iter().chain(others)
    }

    /// Whether there is a salt.
    pub fn is_salted(&self) -> bool {
        self.salt.is_some()
    }

    /// How many secrets, and names of files, the TOML shows to who looks for them by their keys.
    pub(super) fn counts(&self) -> Result<Counts, FilesError> {
        let table = parse(&self.path, &self.toml)?;
        Ok(Contents::of(&table).counts())
    }

    /// What messages call the file that the TOML names `name`.
    pub(super) fn display(&self, name: &Path) -> PathBuf {
        self.path.with_file_name(name)
    }

    /// The file that the TOML names `name`.
    ///
    /// # Errors
    /// If it could not be read.
    pub(super) fn read(&self, name: &Path) -> io::Result<&[u8]> {
        let found = name.to_str().and_then(|name| self.others.get(name));
        match found {
            Some(Ok(bytes)) => Ok(bytes),
            Some(Err(error)) => Err(same(error)),
            None => Err(io::Error::new(ErrorKind::NotFound, "not among the configuration's files")),
        }
    }
}

impl fmt::Debug for Files {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.others.keys().collect();
        formatter
            .debug_struct("Files")
            .field("path", &self.path)
            .field("others", &names)
            .finish_non_exhaustive()
    }
}

/// Parses `text` as TOML.
pub(super) fn parse<'a>(path: &Path, text: &'a str) -> Result<DeTable<'a>, FilesError> {
    let table = DeTable::parse(text).map_err(|error| FilesError::parse(path, text, &error))?;
    Ok(table.into_inner())
}

fn invalid(rule: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, rule)
}
