//! Why the service does not start as configured.
//!
//! A secret may stand where something else belongs, so that no message repeats a string that is a
//! value in the configuration, but for two: the name of a file that is not secret, and an ARN that is a
//! principal's. Numbers and names of keys are repeated, and so is what policies say.

use std::path::PathBuf;

use thiserror::Error;

use super::auth::InvalidAuth;
use super::egress::InvalidEgress;
use super::entropy::InvalidEntropy;
use super::files::FilesError;
use super::key_store::InvalidKeyStores;
use super::platform::InvalidPlatform;
use super::recipient::InvalidRecipient;
use super::server::InvalidServer;
#[cfg(feature = "simulator")]
use super::simulated::InvalidSimulator;
use super::tls::InvalidTls;
use super::trust::InvalidTrust;

/// Why the configuration cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// Production without a file.
    #[error(
        "there is no configuration: give --config FILE, with region under [auth] and a \
         [[credential]], or --config-from-parent PORT; on a laptop, run enclave-simulator, which \
         needs none"
    )]
    NoFile,
    /// A table `[server]`, or arguments in its place, that cannot be used.
    #[error(transparent)]
    Server(#[from] InvalidServer),
    /// Files that make no configuration.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// A file that says what cannot be meant, or must not be.
    #[error("{}: {error}", path.display())]
    Invalid {
        /// Which.
        path: PathBuf,
        /// Why.
        error: ValidationError,
    },
}

/// The error for a configuration whose values cannot be meant, or must not be.
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
    /// Secrets whose measurement anybody could try to guess them from.
    #[error(
        "there is no file salt beside it, without which its secrets could be guessed from PCR17: make \
         one with head -c 32 /dev/urandom >salt, and keep it as secret as they are"
    )]
    NoSalt,
    /// Secrets or files that no key names.
    #[error(
        "[[credential]], [trust], [tls] or [[key_store]] is written as a list of values: write each \
         with its key, by which secrets are told from what is measured in PCR16"
    )]
    WithoutKeys,
    /// The system has no randomness.
    #[error("the system gives no random bytes to salt the measurement of its secrets with")]
    NoRandomness,
}
