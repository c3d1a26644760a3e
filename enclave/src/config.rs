//! The command line and the configuration file.

use std::path::{Path, PathBuf};
use std::{fs, io};

use clap::Parser;
use serde::Deserialize;
use shared::attestation::{AnchorError, Trust, TrustAnchors};
use shared::transport::Endpoint;
use thiserror::Error;

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
    anchors: Vec<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    #[serde(default)]
    trust: TrustTable,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct TrustTable {
    /// PEM files of roots to trust beside the platform's own, such as that of another partition.
    #[serde(default)]
    anchors: Vec<PathBuf>,
}

/// Why the configuration cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// A file that cannot be read.
    #[error("{}: {error}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Not the TOML it should be; the error says where.
    #[error("{}: {error}", path.display())]
    Parse {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        error: Box<toml::de::Error>,
    },
    /// A file of `[trust] anchors` that holds none.
    #[error("[trust] anchors: {}: {error}", path.display())]
    Anchor {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: AnchorError,
    },
}

impl Config {
    /// Reads `path`; without one, everything has its default.
    ///
    /// # Errors
    /// If the file cannot be read, or says what is not known.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        let Some(path) = path else { return Ok(Self::default()) };
        let text = fs::read_to_string(path)
            .map_err(|error| ConfigError::Read { path: path.to_owned(), error })?;
        let file: ConfigFile = toml::from_str(&text).map_err(|error| {
            let error = Box::new(error);
            ConfigError::Parse { path: path.to_owned(), error }
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Ok(Self { anchors: file.trust.anchors.iter().map(|path| folder.join(path)).collect() })
    }

    /// Adds the configured trust anchors to the platform's own.
    ///
    /// # Errors
    /// If a file holds no trust anchor.
    pub fn add_anchors<T: Trust>(&self, anchors: &mut TrustAnchors<T>) -> Result<(), ConfigError> {
        for path in &self.anchors {
            let pem =
                fs::read(path).map_err(|error| ConfigError::Read { path: path.clone(), error })?;
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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Config, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("enclave.toml");
        fs::write(&path, text).unwrap();
        Config::load(Some(&path))
    }

    #[test]
    fn reads_anchors_relative_to_the_file() {
        let config = load("[trust]\nanchors = [\"root.pem\", \"/absolute.pem\"]\n").unwrap();
        assert!(config.anchors[0].is_absolute() && config.anchors[0].ends_with("root.pem"));
        assert_eq!(config.anchors[1], Path::new("/absolute.pem"));
        assert!(load("").unwrap().anchors.is_empty());
        assert!(Config::load(None).unwrap().anchors.is_empty());
    }

    #[test]
    fn refuses_what_it_does_not_know_and_says_where() {
        let error = load("[trust]\nanchor = []\n").unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("unknown field `anchor`"), "{error}");
        assert!(load("[other]\n").unwrap_err().to_string().contains("unknown field `other`"));
        assert!(load("[trust\n").is_err());
        let missing = Config::load(Some(Path::new("/does/not/exist.toml"))).unwrap_err();
        assert!(missing.to_string().starts_with("/does/not/exist.toml: "));
    }

    #[test]
    fn refuses_a_file_that_is_no_anchor() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root.pem");
        fs::write(&path, "not PEM").unwrap();
        let config = Config { anchors: vec![path.clone()] };
        let error = config.add_anchors(&mut TrustAnchors::aws_nitro()).unwrap_err().to_string();
        assert!(error.ends_with("root.pem: holds no CERTIFICATE section"), "{error}");
    }
}
