//! The command line and the configuration file.

mod archive;
mod arguments;
mod audit;
mod auth;
mod bounded;
mod certificates;
mod contents;
mod credential;
mod effective;
mod egress;
mod entropy;
mod error;
mod file;
mod files;
mod key_store;
mod parent;
mod pin;
mod platform;
mod posture;
mod recipient;
mod server;
mod settings;
#[cfg(feature = "simulator")]
mod simulated;
mod surprise;
#[cfg(test)]
mod tests;
mod throttle;
mod tls;
mod trust;
mod verification;

use std::mem;
use std::path::Path;

use attestation::{Trust, TrustAnchors};
#[cfg(feature = "simulator")]
use simulator::Conditions;

pub use self::archive::{ArchiveError, MAX_ARCHIVE_LENGTH};
pub use self::arguments::{Arguments, EnclaveArguments};
pub use self::auth::InvalidAuth;
pub use self::certificates::InvalidCertificate;
pub use self::credential::InvalidCredential;
pub use self::egress::{InvalidEgress, InvalidRoute};
pub use self::entropy::InvalidEntropy;
pub use self::error::{ConfigError, ValidationError};
use self::file::ConfigFile;
pub use self::files::{Files, FilesError, Position, SALT_LENGTH, SALT_NAME, TOML_NAME};
pub use self::key_store::{InvalidKeyStore, InvalidKeyStores};
pub use self::platform::InvalidPlatform;
pub use self::posture::Posture;
pub use self::recipient::InvalidRecipient;
pub use self::server::{InvalidServer, Server};
pub use self::settings::Settings;
#[cfg(feature = "simulator")]
pub use self::simulated::InvalidSimulator;
#[cfg(feature = "simulator")]
use self::simulated::SimulatorTable;
pub use self::tls::InvalidTls;
pub use self::trust::InvalidTrust;

/// The configuration, and all that it is made of. What is not known is an error.
#[derive(Debug, Default)]
pub struct Config {
    /// Those of the file, if there is one.
    files: Option<Files>,
    file: ConfigFile,
}

impl Config {
    /// Reads `path`, a TOML with its files beside it or, as `.tar`, an archive of them; without one,
    /// everything has its default.
    ///
    /// # Errors
    /// If it cannot be read, or says what is not known.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        match path {
            None => Ok(Self::default()),
            Some(path) => Self::of(Files::of(path)?),
        }
    }

    /// Reads these files.
    ///
    /// # Errors
    /// If they say what is not known.
    pub fn of(files: Files) -> Result<Self, ConfigError> {
        let file: ConfigFile = toml::from_str(files.toml())
            .map_err(|error| FilesError::parse(files.path(), files.toml(), &error))?;
        // A table can also be written as a list of its values, whose keys then say nothing.
        let shown = files.counts()?;
        let this = Self { files: Some(files), file };
        match shown == this.file.counts() {
            true => Ok(this),
            false => Err(this.invalid(ValidationError::WithoutKeys)),
        }
    }

    /// How the process is reached, and where it logs: by `arguments`, else by the file.
    ///
    /// # Errors
    /// If neither says where to listen, or if lines cannot be sent to where they should.
    pub fn server(&self, arguments: &Arguments) -> Result<Server, ConfigError> {
        Ok(self.file.server.under(arguments)?)
    }

    /// Adds the configured trust anchors to the platform's own.
    ///
    /// # Errors
    /// If a file holds no trust anchor.
    pub fn add_anchors<T: Trust>(&self, anchors: &mut TrustAnchors<T>) -> Result<(), ConfigError> {
        // Without files there are no anchors.
        let Some(files) = &self.files else { return Ok(()) };
        self.file.trust.add_to(anchors, files).map_err(|error| self.invalid(error))
    }

    /// What the simulated module is like.
    ///
    /// # Errors
    /// If what the file says of it cannot be meant.
    #[cfg(feature = "simulator")]
    pub fn simulated_nsm(&self) -> Result<Conditions, ConfigError> {
        let conditions = self.file.simulator.as_ref().map(SimulatorTable::conditions);
        conditions.unwrap_or(Ok(Conditions::default())).map_err(|error| self.invalid(error))
    }

    /// What the service is to do, by what the file says and by what `posture` defaults to.
    ///
    /// # Errors
    /// If what it says cannot be meant, or must not be.
    pub fn settings(mut self, posture: Posture) -> Result<Settings, ConfigError> {
        let file = mem::take(&mut self.file);
        let Some(files) = &self.files else {
            return match posture {
                Posture::Production => Err(ConfigError::NoFile),
                // What nobody has written says nothing wrong.
                Posture::Laptop => settings::build(file, &Files::default(), posture)
                    .map_err(|error| self.invalid(error)),
            };
        };
        let mut settings =
            settings::build(file, files, posture).map_err(|error| self.invalid(error))?;
        if posture == Posture::Production && !files.is_salted() {
            return Err(self.invalid(ValidationError::NoSalt));
        }
        // On a laptop nobody need be able to compute it.
        let mut fresh = [0; SALT_LENGTH];
        attestation::crypto::fill_random(&mut fresh)
            .map_err(|_| self.invalid(ValidationError::NoRandomness))?;
        settings.measurement = Some(files.measurement(&fresh)?);
        Ok(settings)
    }

    /// Returns the error for values that cannot be meant, with the path of their file.
    fn invalid(&self, error: impl Into<ValidationError>) -> ConfigError {
        let path = self.files.as_ref().map(|files| files.path().to_owned()).unwrap_or_default();
        ConfigError::Invalid { path, error: error.into() }
    }
}
