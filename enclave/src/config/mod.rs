//! The command line and the configuration file.

mod bounded;
mod error;
mod file;
mod platform;
mod settings;
mod surprise;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Parser;
use shared::attestation::{Trust, TrustAnchors};
#[cfg(feature = "simulator")]
use shared::simulator::Conditions;
use shared::transport::Endpoint;
use zeroize::Zeroizing;

pub use self::error::{ConfigError, CredentialError, MeaningError, Position};
use self::file::ConfigFile;
#[cfg(feature = "simulator")]
use self::platform::SimulatorTable;
pub use self::settings::{Posture, Settings};

/// Bytes of a configuration or policy file: far more than a person writes.
const MAX_FILE_LENGTH: u64 = 1024 * 1024;

/// The command line of both binaries.
///
/// Answers KMS GenerateRandom, sealed to the key in the caller's attestation document.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Arguments {
    /// Where to listen: vsock:CID:PORT, unix:PATH, tcp:HOST:PORT or HOST:PORT.
    #[arg(long, value_name = "ENDPOINT")]
    pub listen: Endpoint,
    /// Configuration, TOML.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// The configuration file. Paths in it are relative to it; what is not known is an error.
#[derive(Debug, Default)]
pub struct Config {
    /// Of the file, if there is one.
    path: Option<PathBuf>,
    file: ConfigFile,
}

impl Config {
    /// Reads `path`; without one, everything has its default.
    ///
    /// # Errors
    /// If the file cannot be read, or says what is not known.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        let Some(path) = path else { return Ok(Self::default()) };
        let unreadable = |error| ConfigError::Read { path: path.to_owned(), error };
        let bytes = read(path).map_err(unreadable)?;
        let text = str::from_utf8(&bytes).map_err(|_| {
            unreadable(io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
        })?;
        // What the parser says of its own accord quotes the line, which may hold a secret.
        let file = toml::from_str(text).map_err(|error| ConfigError::Parse {
            path: path.to_owned(),
            position: Position::of(text, error.span().map(|span| span.start)),
            message: error::without_string(error.message()),
        })?;
        Ok(Self { path: Some(path.to_owned()), file })
    }

    /// Adds the configured trust anchors to the platform's own.
    ///
    /// # Errors
    /// If a file holds no trust anchor.
    pub fn add_anchors<T: Trust>(&self, anchors: &mut TrustAnchors<T>) -> Result<(), ConfigError> {
        // Without a file there are no anchors, so that its path is never named.
        let file = self.path.as_deref().unwrap_or(Path::new(""));
        for (path, number) in self.file.trust.anchors.iter().zip(1..) {
            add_anchors_of(number, folder_of(file).join(path), anchors)
                .map_err(|error| ConfigError::Meaning { path: file.to_owned(), error })?;
        }
        Ok(())
    }

    /// What the simulated module is like.
    ///
    /// # Errors
    /// If what the file says of it cannot be meant.
    #[cfg(feature = "simulator")]
    pub fn simulated_nsm(&self) -> Result<Conditions, ConfigError> {
        let conditions = self.file.simulator.as_ref().map(SimulatorTable::conditions);
        conditions.unwrap_or(Ok(Conditions::default())).map_err(|error| {
            let path = self.path.clone().unwrap_or_default();
            ConfigError::Meaning { path, error }
        })
    }

    /// What the service is to do, by what the file says and by what `posture` defaults to.
    ///
    /// # Errors
    /// If what it says cannot be meant, or must not be.
    pub fn settings(self, posture: Posture) -> Result<Settings, ConfigError> {
        let path = match (self.path, posture) {
            (None, Posture::Production) => return Err(ConfigError::NoFile),
            // What nobody has written says nothing wrong, so that its path is never named.
            (path, _) => path.unwrap_or_default(),
        };
        settings::build(self.file, folder_of(&path), posture)
            .map_err(|error| ConfigError::Meaning { path, error })
    }
}

/// Adds the anchors in the file `path`, which is entry `number`.
fn add_anchors_of<T: Trust>(
    number: usize,
    path: PathBuf,
    anchors: &mut TrustAnchors<T>,
) -> Result<(), MeaningError> {
    let pem = match read(&path) {
        Ok(pem) => pem,
        Err(error) => return Err(MeaningError::ReadAnchors { number, path, error }),
    };
    match anchors.add_pem(&pem) {
        Ok(fingerprints) => {
            for sha256 in fingerprints {
                let sha256 = const_hex::encode(sha256);
                // Whoever holds its key can have anything sealed to themselves: it must be seen.
                tracing::warn!(path = %path.display(), sha256, "a further root is trusted");
            }
            Ok(())
        }
        Err(error) => Err(MeaningError::Anchors { number, path, error }),
    }
}

/// What the paths in a file are relative to.
fn folder_of(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new(""))
}

/// A whole file, which may hold secrets: it is wiped after use, and read without leaving copies.
fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let file = File::open(path)?;
    // All that is ever read, so that it never grows: a pipe does not say how long it is.
    let length = MAX_FILE_LENGTH + 1;
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize_of(length)));
    if file.take(length).read_to_end(&mut bytes)? > usize_of(MAX_FILE_LENGTH) {
        return Err(io::Error::other(format!("it is longer than {MAX_FILE_LENGTH} bytes")));
    }
    Ok(bytes)
}

fn usize_of(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}
