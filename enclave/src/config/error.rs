//! The errors for a configuration that the service cannot start with.
//!
//! An operator may have written a secret in place of any other value. Messages therefore omit the string values of
//! the configuration. There are two exceptions: the names of files that are not secret, and the ARNs of principals.
//! Messages may also contain numbers, names of keys and parts of policies.

use std::path::PathBuf;

use thiserror::Error;

use super::auth::InvalidAuth;
use super::bundle::BundleError;
use super::egress::InvalidEgress;
use super::entropy::InvalidEntropy;
use super::key_store::InvalidKeyStores;
use super::platform::InvalidPlatform;
use super::recipient::InvalidRecipient;
use super::server::InvalidServer;
#[cfg(feature = "simulator")]
use super::simulator_table::InvalidSimulator;
use super::tls::InvalidTls;
use super::trust::InvalidTrust;

/// The error for a configuration that cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// Production without a configuration file.
    #[error(
        "there is no configuration: pass --config FILE, with [auth] region, a [[credential]] and \
         [tls] mode, or --config-from-parent PORT; for development, run enclave-simulator, which \
         needs no configuration"
    )]
    NoFile,
    /// An invalid table `[server]`, or invalid arguments that override this table.
    #[error(transparent)]
    Server(#[from] InvalidServer),
    /// A configuration bundle that cannot be loaded.
    #[error(transparent)]
    ConfigBundle(#[from] BundleError),
    /// A file with an invalid value.
    #[error("{}: {error}", path.display())]
    Invalid {
        /// The path of the file.
        path: PathBuf,
        /// The cause.
        error: ValidationError,
    },
}

/// The error for an invalid value. Each variant is for one table, or for one rule on all tables.
#[derive(Debug, Error)]
pub enum ValidationError {
    /// The table `[trust]`.
    #[error(transparent)]
    Trust(#[from] InvalidTrust),
    /// The tables `[auth]` and `[[credential]]`.
    #[error(transparent)]
    Auth(#[from] InvalidAuth),
    /// The table `[recipient]`.
    #[error(transparent)]
    Recipient(#[from] InvalidRecipient),
    /// The table `[tls]`.
    #[error("[tls] {0}")]
    Tls(#[from] InvalidTls),
    /// The tables `[[key_store]]`.
    #[error(transparent)]
    KeyStores(#[from] InvalidKeyStores),
    /// The tables `[[egress]]`.
    #[error(transparent)]
    Egress(#[from] InvalidEgress),
    /// The table `[entropy]`.
    #[error(transparent)]
    Entropy(#[from] InvalidEntropy),
    /// The table `[platform]`.
    #[error(transparent)]
    Platform(#[from] InvalidPlatform),
    /// The table `[simulator]`.
    #[cfg(feature = "simulator")]
    #[error(transparent)]
    Simulator(#[from] InvalidSimulator),
    /// Production without a salt. Without a salt, an attacker could test guesses of the secrets against PCR17.
    #[error(
        "there is no file named salt in the same folder, and without a salt the secrets could be guessed \
         from PCR17: create the file with head -c 32 /dev/urandom >salt, and keep the file secret"
    )]
    NoSalt,
    /// A table that is written as an array of values without keys. Secrets are found only by their keys.
    #[error(
        "[[credential]], [trust], [tls] or [[key_store]] is written as a list of values, in which \
         secrets cannot be recognized: write each value with its key"
    )]
    TableWithoutKeys,
    /// The random number generator of the system failed.
    #[error(
        "cannot salt the measurement of the secrets: the random number generator of the system \
         failed"
    )]
    NoRandomness,
}
