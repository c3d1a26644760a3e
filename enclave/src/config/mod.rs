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
mod hsm_pin;
mod key_store;
mod platform;
mod profile;
mod receipts;
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

/// A parsed configuration file, with its bundle. Unknown tables and keys are errors.
#[derive(Debug, Default)]
pub struct Config {
    /// The bundle. `None` if the process runs without a configuration file.
    bundle: Option<ConfigBundle>,
    file: ConfigFile,
}

impl Config {
    /// Loads the configuration at `path`. The path names a TOML file or a `.tar` archive. The files that the TOML
    /// names are in the folder of the TOML file, or in the archive. Without a path, every value has its default.
    ///
    /// # Errors
    /// If the bundle cannot be loaded, and the errors of `from_bundle`.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        match path {
            None => Ok(Self::default()),
            Some(path) => Self::from_bundle(ConfigBundle::load(path)?),
        }
    }

    /// Parses the configuration in `bundle`.
    ///
    /// # Errors
    /// If the TOML of the bundle has an unknown key or an invalid value, or writes a table as an array of values
    /// without keys.
    pub fn from_bundle(bundle: ConfigBundle) -> Result<Self, ConfigError> {
        let file: ConfigFile = toml::from_str(bundle.toml())
            .map_err(|error| BundleError::parse(bundle.path(), bundle.toml(), &error))?;
        // The deserializer accepts a table that is written as an array of its values, without keys. Secrets are
        // found only by their keys, so the two counts then differ.
        let visible = bundle.counts()?;
        let this = Self { bundle: Some(bundle), file };
        match visible == this.file.counts() {
            true => Ok(this),
            false => Err(this.invalid(ValidationError::TableWithoutKeys)),
        }
    }

    /// Returns the listeners and the logging settings. Values of `arguments` override values of the file.
    ///
    /// # Errors
    /// If no endpoint to listen on is set, or the log endpoint cannot receive lines.
    pub fn server(&self, arguments: &Arguments) -> Result<ServerSettings, ConfigError> {
        Ok(self.file.server.merge(arguments)?)
    }

    /// Adds the configured trust anchors to `anchors`.
    ///
    /// # Errors
    /// If a file cannot be read or contains no valid trust anchor.
    pub fn add_anchors<T: Trust>(&self, anchors: &mut TrustAnchors<T>) -> Result<(), ConfigError> {
        let Some(bundle) = &self.bundle else { return Ok(()) };
        self.file.trust.add_to(anchors, bundle).map_err(|error| self.invalid(error))
    }

    /// Returns the latency and the fault of the simulated NSM.
    ///
    /// # Errors
    /// If the table `[simulator.nsm]` sets `after` without `fault`.
    #[cfg(feature = "simulator")]
    pub fn simulated_nsm(&self) -> Result<FaultInjection, ConfigError> {
        let faults = self.file.simulator.as_ref().map(SimulatorTable::fault_injection);
        faults.unwrap_or(Ok(FaultInjection::default())).map_err(|error| self.invalid(error))
    }

    /// Returns the name of the simulated image. `None` if the file does not set it.
    #[cfg(feature = "simulator")]
    pub fn simulated_image(&self) -> Option<String> {
        self.file.simulator.as_ref()?.image().map(str::to_owned)
    }

    /// Builds the settings of the service from the file and the defaults of `profile`.
    ///
    /// # Errors
    /// In each of these cases:
    ///
    /// - A value is invalid, or the configuration is not allowed in `profile`.
    /// - A file that the TOML names cannot be read.
    /// - `profile` is production, and the configuration file or the salt is missing.
    /// - The archive of the bundle is too long to be measured.
    /// - The random number generator of the system fails.
    pub fn settings(mut self, profile: Profile) -> Result<Settings, ConfigError> {
        let file = mem::take(&mut self.file);
        let Some(bundle) = &self.bundle else {
            return match profile {
                Profile::Production => Err(ConfigError::NoFile),
                Profile::Development => settings::build(file, &ConfigBundle::default(), profile)
                    .map_err(|error| self.invalid(error)),
            };
        };
        let mut settings =
            settings::build(file, bundle, profile).map_err(|error| self.invalid(error))?;
        if profile == Profile::Production && !bundle.has_salt() {
            return Err(self.invalid(ValidationError::NoSalt));
        }
        // The fallback salt is used only in development, where PCR17 need not be reproducible.
        let mut fallback_salt = [0; SALT_LENGTH];
        attestation::crypto::fill_random(&mut fallback_salt)
            .map_err(|_| self.invalid(ValidationError::NoRandomness))?;
        settings.measurement = Some(bundle.measure(&fallback_salt)?);
        Ok(settings)
    }

    /// Returns the error for an invalid value, with the path of the TOML file.
    fn invalid(&self, error: impl Into<ValidationError>) -> ConfigError {
        let path = self.bundle.as_ref().map(|bundle| bundle.path().to_owned()).unwrap_or_default();
        ConfigError::Invalid { path, error: error.into() }
    }
}
