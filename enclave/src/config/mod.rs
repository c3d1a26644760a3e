//! The command line and the configuration file.

mod error;
mod file;
mod settings;
#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Parser;
use shared::attestation::{Trust, TrustAnchors};
use shared::transport::Endpoint;
use zeroize::Zeroizing;

pub use self::error::{ConfigError, Position};
use self::file::ConfigFile;
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
    folder: Option<PathBuf>,
    file: ConfigFile,
}

impl Config {
    /// Reads `path`; without one, everything has its default.
    ///
    /// # Errors
    /// If the file cannot be read, or says what is not known.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        let Some(path) = path else { return Ok(Self::default()) };
        let text = read(path)?;
        // What the parser says of its own accord quotes the line, which may hold a secret.
        let file = toml::from_str(&text).map_err(|error| ConfigError::Parse {
            path: path.to_owned(),
            position: Position::of(&text, error.span().map(|span| span.start)),
            message: error.message().to_owned(),
        })?;
        Ok(Self { folder: Some(path.parent().unwrap_or(Path::new("")).to_owned()), file })
    }

    /// Adds the configured trust anchors to the platform's own.
    ///
    /// # Errors
    /// If a file holds no trust anchor.
    pub fn add_anchors<T: Trust>(&self, anchors: &mut TrustAnchors<T>) -> Result<(), ConfigError> {
        for path in &self.file.trust.anchors {
            let path = self.folder.as_deref().unwrap_or(Path::new("")).join(path);
            let pem =
                fs::read(&path).map_err(|error| ConfigError::Read { path: path.clone(), error })?;
            let fingerprints = anchors
                .add_pem(&pem)
                .map_err(|error| ConfigError::Anchor { path: path.clone(), error })?;
            for sha256 in fingerprints {
                let sha256 = const_hex::encode(sha256);
                // Whoever holds its key can have anything sealed to themselves: it must be seen.
                tracing::warn!(path = %path.display(), sha256, "a further root is trusted");
            }
        }
        Ok(())
    }

    /// What the service is to do, by what the file says and by what `posture` defaults to.
    ///
    /// # Errors
    /// If what it says cannot be meant, or must not be.
    pub fn settings(self, posture: Posture) -> Result<Settings, ConfigError> {
        match (&self.folder, posture) {
            (None, Posture::Production) => Err(ConfigError::NoFile),
            (folder, _) => {
                let folder = folder.as_deref().unwrap_or(Path::new(""));
                settings::build(self.file, folder, posture)
            }
        }
    }
}

/// A whole file, which may hold secrets: it is wiped after use, and read without leaving copies.
fn read(path: &Path) -> Result<Zeroizing<String>, ConfigError> {
    let read = || {
        let file = File::open(path)?;
        let length = file.metadata()?.len().min(MAX_FILE_LENGTH);
        // One byte more, or the last read, which finds the end, would make it grow.
        let capacity = usize::try_from(length).unwrap_or(0).saturating_add(1);
        let mut text = Zeroizing::new(String::with_capacity(capacity));
        if file.take(MAX_FILE_LENGTH + 1).read_to_string(&mut text)? > usize_of(MAX_FILE_LENGTH) {
            return Err(io::Error::other(format!("it is longer than {MAX_FILE_LENGTH} bytes")));
        }
        Ok(text)
    };
    read().map_err(|error| ConfigError::Read { path: path.to_owned(), error })
}

fn usize_of(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}
