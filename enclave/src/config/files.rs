//! The TOML, its salt, and every file that it names: all that a configuration is made of, held in
//! memory, and so all that is measured. What is not here cannot be read later.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use shared::crypto::Sha384;
use toml::de::DeTable;
use zeroize::Zeroizing;

use super::archive::{self, ArchiveError, MAX_ARCHIVE_LENGTH, NAME_RULE, Named};
use super::contents::{Contents, Counts, without_secrets};
use super::error::{self, ConfigError, MeaningError, Position};
use super::tls::{TlsError, first_line_of_key, holds_private_key};
use crate::measurement::Measured;

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
    /// The names of those that are secret as a whole.
    secret: BTreeSet<String>,
}

impl Files {
    /// What is at `path`: an archive if its name ends so, else the TOML.
    ///
    /// # Errors
    /// As of [`of_folder`](Self::of_folder) and [`of_archive`](Self::of_archive).
    pub fn of(path: &Path) -> Result<Self, ConfigError> {
        if path.extension().is_some_and(|extension| extension == "tar") {
            let bytes = read(path, MAX_ARCHIVE_LENGTH).map_err(unreadable(path))?;
            Self::of_archive(path, &bytes)
        } else {
            Self::of_folder(path)
        }
    }

    /// The TOML `path`, and what it names beside it.
    ///
    /// # Errors
    /// If the TOML cannot be read or is none, or if there is a salt of another length.
    pub fn of_folder(path: &Path) -> Result<Self, ConfigError> {
        let folder = path.parent().unwrap_or(Path::new(""));
        let at = folder.join(SALT_NAME);
        let salt = match read(&at, MAX_FILE_LENGTH) {
            Ok(salt) => Some(salt),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(ConfigError::Read { path: at, error }),
        };
        let toml = read(path, MAX_FILE_LENGTH).map_err(unreadable(path))?;
        if toml.get(USTAR_AT..).is_some_and(|rest| rest.starts_with(b"ustar")) {
            let path = path.to_owned();
            return Err(ConfigError::Archive { path, error: ArchiveError::Extension });
        }
        Self::new(path.to_owned(), toml, salt, |name| read(&folder.join(name), MAX_FILE_LENGTH))
    }

    /// What is in the archive `bytes`, which came from `path` as messages name it.
    ///
    /// # Errors
    /// If it is not the one archive of its files, or holds others than a configuration's.
    pub fn of_archive(path: &Path, bytes: &[u8]) -> Result<Self, ConfigError> {
        let refused = |error| ConfigError::Archive { path: path.to_owned(), error };
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
    ) -> Result<Self, ConfigError> {
        if salt.as_ref().is_some_and(|salt| salt.len() != SALT_LENGTH) {
            return Err(ConfigError::Salt { path: path.with_file_name(SALT_NAME) });
        }
        let text = str::from_utf8(&toml).map_err(|_| {
            let error = io::Error::new(ErrorKind::InvalidData, "it is not UTF-8");
            ConfigError::Read { path: path.clone(), error }
        })?;
        let toml = Zeroizing::new(text.to_owned());
        let table = parse(&path, &toml)?;
        let Contents { files, secret_files, .. } = Contents::of(&table);
        if secret_files.iter().any(|name| files.contains(name)) {
            let error = MeaningError::Tls(TlsError::PublicPrivateKey);
            return Err(ConfigError::Meaning { path, error });
        }
        let secret = secret_files.iter().map(|name| (*name).to_owned()).collect();
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
    pub(super) fn counts(&self) -> Result<Counts, ConfigError> {
        let table = parse(&self.path, &self.toml)?;
        Ok(Contents::of(&table).counts())
    }

    /// Whether no secret was left empty, as all are in what was published.
    ///
    /// # Errors
    /// If the TOML is none.
    pub fn has_its_secrets(&self) -> Result<bool, ConfigError> {
        let table = parse(&self.path, &self.toml)?;
        let is_there =
            |name: &String| self.read(Path::new(name)).is_ok_and(|file| !file.is_empty());
        Ok(Contents::of(&table).secrets.iter().all(|(_, secret)| !secret.is_empty())
            && self.secret.iter().all(is_there))
    }

    /// Whether a secret stands in `public` all the same, such as in a remark, or any private key in
    /// PEM. What is so short that anything may hold it does not count.
    ///
    /// # Errors
    /// If the TOML is none.
    pub fn are_secrets_in(&self, public: &[u8]) -> Result<bool, ConfigError> {
        let table = parse(&self.path, &self.toml)?;
        let is_in = |secret: &[u8]| {
            secret.len() >= 8 && public.windows(secret.len()).any(|part| part == secret)
        };
        let is_key_in = |name: &String| {
            let key = self.read(Path::new(name)).ok().and_then(first_line_of_key);
            key.is_some_and(is_in)
        };
        Ok(holds_private_key(public)
            || Contents::of(&table).secrets.iter().any(|(_, secret)| is_in(secret.as_bytes()))
            || self.secret.iter().any(is_key_in))
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

    /// All of it, as what an enclave takes from its parent: secrets included.
    ///
    /// # Errors
    /// If a file could not be read, or all are too long together.
    pub fn archive(&self) -> Result<Zeroizing<Vec<u8>>, ConfigError> {
        let mut files = self.named(self.toml.as_bytes())?;
        files.extend(self.salt.iter().map(|salt| (SALT_NAME, salt.as_slice())));
        self.encode(&files)
    }

    /// All of it without its secrets and their salt, files that are secret being empty: what an
    /// operator may publish, and what PCR16 measures.
    ///
    /// # Errors
    /// As of [`archive`](Self::archive).
    pub fn public_archive(&self) -> Result<Zeroizing<Vec<u8>>, ConfigError> {
        let table = parse(&self.path, &self.toml)?;
        let public = without_secrets(&self.toml, &Contents::of(&table).secrets);
        let mut files = self.named(public.as_bytes())?;
        files.extend(self.secret.iter().map(|name| (name.as_str(), &[][..])));
        self.encode(&files)
    }

    /// What PCR16 and PCR17 measure: the SHA-384 of the [public archive](Self::public_archive), and
    /// that of the salt, each secret in the order of the TOML, and each file that is secret in the
    /// order of their names, its length in bytes before it as eight bytes, the most significant first.
    /// Without a salt of its own it is salted with `fresh`.
    ///
    /// # Errors
    /// As of [`archive`](Self::archive).
    pub fn measurement(&self, fresh: &[u8; SALT_LENGTH]) -> Result<Measured, ConfigError> {
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
        for name in &self.secret {
            add(self.read(Path::new(name)).map_err(|error| self.unread(name, error))?);
        }
        Ok(Measured { public, secrets: secrets.finish() })
    }

    /// The files with this TOML.
    fn named<'a>(&'a self, toml: &'a [u8]) -> Result<Named<'a>, ConfigError> {
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
    fn unread(&self, name: &str, error: io::Error) -> ConfigError {
        match self.secret.contains(name) {
            // Its name may be its content, misplaced.
            true => {
                let error = MeaningError::Tls(TlsError::ReadPrivateKey(error));
                ConfigError::Meaning { path: self.path.clone(), error }
            }
            false => ConfigError::Read { path: self.path.with_file_name(name), error },
        }
    }

    fn encode(&self, files: &Named<'_>) -> Result<Zeroizing<Vec<u8>>, ConfigError> {
        let archive = archive::encode(files).and_then(|archive| match archive.len() {
            0..=MAX_ARCHIVE_LENGTH => Ok(archive),
            _ => Err(io::Error::other("the files are too long together: 8 MiB is allowed")),
        });
        archive.map_err(unreadable(&self.path))
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

/// `text` as TOML. What the parser says of its own accord quotes the line, which may hold a secret.
fn parse<'a>(path: &Path, text: &'a str) -> Result<DeTable<'a>, ConfigError> {
    let table = DeTable::parse(text).map_err(|error| parse_error(path, text, &error))?;
    Ok(table.into_inner())
}

/// What is wrong with the TOML, and where.
pub(super) fn parse_error(path: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    ConfigError::Parse {
        path: path.to_owned(),
        position: Position::of(text, error.span().map(|span| span.start)),
        message: error::without_string(error.message()),
    }
}

fn invalid(rule: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, rule)
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> ConfigError {
    let path = path.to_owned();
    |error| ConfigError::Read { path, error }
}

/// An error that is told more than once.
fn same(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

/// A whole file, which may hold secrets: it is wiped after use, and read without leaving copies.
pub(super) fn read(path: &Path, limit: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    read_all(File::open(path)?, limit)
}

/// All that comes, up to `limit` bytes.
pub(super) fn read_all(source: impl Read, limit: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    // All that is ever read, so that it never grows: a pipe does not say how long it is. What is kept
    // takes no more room than it needs.
    let mut bytes = Zeroizing::new(Vec::with_capacity(limit + 1));
    let bound = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    if source.take(bound).read_to_end(&mut bytes)? > limit {
        return Err(io::Error::other(format!("it is longer than {limit} bytes")));
    }
    Ok(Zeroizing::new(bytes.as_slice().to_vec()))
}
