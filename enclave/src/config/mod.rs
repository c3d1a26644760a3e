//! The command line and the configuration file.

mod arguments;
mod audit;
mod auth;
mod bounded_u32;
mod bundle;
mod certificates;
mod credential;
mod effective;
mod egress;
mod entropy;
mod error;
mod file;
mod key_store;
mod pin;
mod platform;
mod profile;
mod recipient;
mod secret_fields;
mod server;
mod settings;
#[cfg(feature = "simulator")]
mod simulator_table;
#[cfg(test)]
mod tests;
mod throttle;
mod tls;
mod trust;
mod verification;
mod warning;

use std::mem;
use std::path::Path;

use attestation::{Trust, TrustAnchors};
#[cfg(feature = "simulator")]
use simulator::FaultInjection;

pub use self::arguments::{Arguments, EnclaveArguments};
pub use self::auth::InvalidAuth;
pub use self::bundle::{
    ArchiveError, BundleError, ConfigBundle, MAX_ARCHIVE_LENGTH, Position, SALT_LENGTH, SALT_NAME,
    TOML_NAME,
};
pub use self::certificates::InvalidCertificate;
pub use self::credential::InvalidCredential;
pub use self::egress::{InvalidEgress, InvalidRoute};
pub use self::entropy::InvalidEntropy;
pub use self::error::{ConfigError, ValidationError};
use self::file::ConfigFile;
pub use self::key_store::{InvalidKeyStore, InvalidKeyStores};
pub use self::platform::InvalidPlatform;
pub use self::profile::Profile;
pub use self::recipient::InvalidRecipient;
pub use self::server::{InvalidServer, ServerSettings};
pub use self::settings::Settings;
#[cfg(feature = "simulator")]
pub use self::simulator_table::InvalidSimulator;
#[cfg(feature = "simulator")]
use self::simulator_table::SimulatorTable;
pub use self::tls::InvalidTls;
pub use self::trust::InvalidTrust;

/// The configuration, and all that it is made of. What is not known is an error.
#[derive(Debug, Default)]
pub struct Config {
    /// Those of the file, if there is one.
    bundle: Option<ConfigBundle>,
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
            Some(path) => Self::from_bundle(ConfigBundle::load(path)?),
        }
    }

    /// Reads these files.
    ///
    /// # Errors
    /// If they say what is not known.
    pub fn from_bundle(bundle: ConfigBundle) -> Result<Self, ConfigError> {
        let file: ConfigFile = toml::from_str(bundle.toml())
            .map_err(|error| BundleError::parse(bundle.path(), bundle.toml(), &error))?;
        // A table can also be written as a list of its values, whose keys then say nothing.
        let visible = bundle.counts()?;
        let this = Self { bundle: Some(bundle), file };
        match visible == this.file.counts() {
            true => Ok(this),
            false => Err(this.invalid(ValidationError::TableWithoutKeys)),
        }
    }

    /// How the process is reached, and where it logs: by `arguments`, else by the file.
    ///
    /// # Errors
    /// If neither says where to listen, or if lines cannot be sent to where they should.
    pub fn server(&self, arguments: &Arguments) -> Result<ServerSettings, ConfigError> {
        Ok(self.file.server.merge(arguments)?)
    }

    /// Adds the configured trust anchors to the platform's own.
    ///
    /// # Errors
    /// If a file holds no trust anchor.
    pub fn add_anchors<T: Trust>(&self, anchors: &mut TrustAnchors<T>) -> Result<(), ConfigError> {
        // Without files there are no anchors.
        let Some(bundle) = &self.bundle else { return Ok(()) };
        self.file.trust.add_to(anchors, bundle).map_err(|error| self.invalid(error))
    }

    /// What the simulated module is like.
    ///
    /// # Errors
    /// If what the file says of it cannot be meant.
    #[cfg(feature = "simulator")]
    pub fn simulated_nsm(&self) -> Result<FaultInjection, ConfigError> {
        let conditions = self.file.simulator.as_ref().map(SimulatorTable::conditions);
        conditions.unwrap_or(Ok(FaultInjection::default())).map_err(|error| self.invalid(error))
    }

    /// What the service is to do, by what the file says and by what `profile` defaults to.
    ///
    /// # Errors
    /// If what it says cannot be meant, or must not be.
    pub fn settings(mut self, profile: Profile) -> Result<Settings, ConfigError> {
        let file = mem::take(&mut self.file);
        let Some(bundle) = &self.bundle else {
            return match profile {
                Profile::Production => Err(ConfigError::NoFile),
                // What nobody has written says nothing wrong.
                Profile::Development => settings::build(file, &ConfigBundle::default(), profile)
                    .map_err(|error| self.invalid(error)),
            };
        };
        let mut settings =
            settings::build(file, bundle, profile).map_err(|error| self.invalid(error))?;
        if profile == Profile::Production && !bundle.has_salt() {
            return Err(self.invalid(ValidationError::NoSalt));
        }
        // On a laptop nobody need be able to compute it.
        let mut fallback_salt = [0; SALT_LENGTH];
        attestation::crypto::fill_random(&mut fallback_salt)
            .map_err(|_| self.invalid(ValidationError::NoRandomness))?;
        settings.measurement = Some(bundle.measure(&fallback_salt)?);
        Ok(settings)
    }

    /// Returns the error for values that cannot be meant, with the path of their file.
    fn invalid(&self, error: impl Into<ValidationError>) -> ConfigError {
        let path = self.bundle.as_ref().map(|bundle| bundle.path().to_owned()).unwrap_or_default();
        ConfigError::Invalid { path, error: error.into() }
    }
}
