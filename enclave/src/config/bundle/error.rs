//! The errors of a configuration bundle.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::archive::ArchiveError;

/// The error for a configuration bundle that cannot be loaded.
#[derive(Debug, Error)]
pub enum BundleError {
    /// A file that cannot be read.
    #[error("{}: {error}", path.display())]
    Read {
        /// The path of the file.
        path: PathBuf,
        /// The cause.
        error: io::Error,
    },
    /// A file that is not TOML, or has an unknown key or an invalid value.
    #[error("{}:{position} {message}", path.display())]
    Parse {
        /// The path of the file.
        path: PathBuf,
        /// The position in the file.
        position: Position,
        /// The message of the TOML parser.
        message: String,
    },
    /// A file that is not a configuration archive.
    #[error("{}: {error}", path.display())]
    Archive {
        /// The path of the file.
        path: PathBuf,
        /// The cause.
        error: ArchiveError,
    },
    /// A salt that does not have 32 bytes.
    #[error(
        "{}: the salt does not have 32 bytes: create a new one with head -c 32 /dev/urandom >salt",
        path.display()
    )]
    Salt {
        /// The path of the file.
        path: PathBuf,
    },
    /// A secret file that another setting also names. The public archive would contain this file.
    #[error(
        "{}: private_key or pin_file names a file that another setting also names, so the secret \
         would be published: use a separate file for each secret",
        path.display()
    )]
    PublicSecretFile {
        /// The path of the TOML file.
        path: PathBuf,
    },
    /// A private key file that cannot be read. The message omits the file name, because an operator may have
    /// written the key itself there.
    #[error("{}: cannot read the file that [tls] private_key names: {error}", path.display())]
    ReadPrivateKey {
        /// The path of the TOML file.
        path: PathBuf,
        /// The cause.
        error: io::Error,
    },
    /// A PIN file that cannot be read. The message omits the file name, because an operator may have written the
    /// PIN itself there.
    #[error("{}: cannot read the file that [[key_store]] pin_file names: {error}", path.display())]
    ReadPin {
        /// The path of the TOML file.
        path: PathBuf,
        /// The cause.
        error: io::Error,
    },
}

impl BundleError {
    /// Returns the error for the TOML `text` at `path`, with the position of the error. The `Display` of the
    /// parser's error is not used, because it quotes the line, which may contain a secret.
    pub(in crate::config) fn parse(path: &Path, text: &str, error: &toml::de::Error) -> Self {
        Self::Parse {
            path: path.to_owned(),
            position: Position::from_offset(text, error.span().map(|span| span.start)),
            message: without_string(error.message()),
        }
    }

    /// Returns a function that creates the error for the unreadable file `path`.
    pub(super) fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |error| Self::Read { path, error }
    }
}

/// The description of an unknown string value, in place of the string.
const UNKNOWN_STRING: &str = "an unknown string (not shown, it may be a secret)";

/// Returns a message of the TOML parser without the string value of the configuration. An example of a message
/// with such a value is `invalid type: string "...", expected a boolean`.
fn without_string(message: &str) -> String {
    let found = [
        ("invalid type: string \"", "a string"),
        ("invalid value: string \"", UNKNOWN_STRING),
        ("unknown variant `", UNKNOWN_STRING),
    ];
    let found = found.into_iter().find(|(start, _)| message.starts_with(start));
    // The text after the last `, expected ` is always text of this program, not of the configuration.
    match (found, message.rsplit_once(", expected ")) {
        (Some((_, found)), Some((_, expected))) => format!("found {found}, expected {expected}"),
        (Some((_, found)), None) => format!("found {found} that is not expected"),
        (None, _) => message.to_owned(),
    }
}

/// A position in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
}

impl Position {
    /// Returns the position of the byte `offset` in `text`. If the offset is unknown, returns the position of the
    /// beginning.
    fn from_offset(text: &str, offset: Option<usize>) -> Self {
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
