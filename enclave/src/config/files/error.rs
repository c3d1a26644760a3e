//! The errors of a configuration's files.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::super::archive::ArchiveError;

/// The error for files that make no configuration.
#[derive(Debug, Error)]
pub enum FilesError {
    /// A file that cannot be read.
    #[error("{}: {error}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Not the TOML it should be.
    #[error("{}:{position} {message}", path.display())]
    Parse {
        /// Which file.
        path: PathBuf,
        /// Where.
        position: Position,
        /// Why.
        message: String,
    },
    /// An archive that is none of a configuration.
    #[error("{}: {error}", path.display())]
    Archive {
        /// Which.
        path: PathBuf,
        /// Why.
        error: ArchiveError,
    },
    /// Something else than 32 bytes.
    #[error(
        "{}: a salt has 32 bytes, and this has not: make a new one with head -c 32 /dev/urandom",
        path.display()
    )]
    Salt {
        /// Which.
        path: PathBuf,
    },
    /// A secret that PCR16 would measure, and a published configuration show.
    #[error(
        "{}: private_key or pin_file names a file that another key names as well, by which it would be \
         published: give each secret a file of its own",
        path.display()
    )]
    PublicSecretFile {
        /// The TOML.
        path: PathBuf,
    },
    /// A private key's file that cannot be read. Its name may be the key, misplaced.
    #[error("{}: [tls] private_key: the file that it names: {error}", path.display())]
    ReadPrivateKey {
        /// The TOML.
        path: PathBuf,
        /// The error of the file.
        error: io::Error,
    },
    /// A PIN's file that cannot be read. Its name may be the PIN, misplaced.
    #[error("{}: [[key_store]] pin_file: the file that it names: {error}", path.display())]
    ReadPin {
        /// The TOML.
        path: PathBuf,
        /// The error of the file.
        error: io::Error,
    },
}

impl FilesError {
    /// Returns the error for the TOML `text` at `path`, with the place of what is wrong. The reader's own
    /// text would quote the line, which may hold a secret.
    pub(in crate::config) fn parse(path: &Path, text: &str, error: &toml::de::Error) -> Self {
        Self::Parse {
            path: path.to_owned(),
            position: Position::of(text, error.span().map(|span| span.start)),
            message: without_string(error.message()),
        }
    }

    /// Returns a function that makes the error for the file `path`, which cannot be read.
    pub(super) fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |error| Self::Read { path, error }
    }
}

/// What the TOML reader says, without the string that it says it of: of a string that is none of
/// what is expected, it says `invalid type: string "...", expected a boolean` and the like.
fn without_string(message: &str) -> String {
    let found = [
        ("invalid type: string \"", "a string"),
        ("invalid value: string \"", "another string"),
        ("unknown variant `", "another string"),
    ];
    let found = found.into_iter().find(|(start, _)| message.starts_with(start));
    // What is expected comes last, and is this program's own text; the string may be anything.
    match (found, message.rsplit_once(", expected ")) {
        (Some((_, found)), Some((_, expected))) => format!("found {found}, expected {expected}"),
        (Some((_, found)), None) => format!("found {found} that is not expected"),
        (None, _) => message.to_owned(),
    }
}

/// A place in a file; both count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The character in it.
    pub column: usize,
}

impl Position {
    /// Of the byte `offset` in `text`; its beginning if that is not known.
    fn of(text: &str, offset: Option<usize>) -> Self {
        let before = text.get(..offset.unwrap_or_default()).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Self { line, column }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, " line {} column {}:", self.line, self.column)
    }
}
