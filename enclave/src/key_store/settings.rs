//! The settings of a table `[[key_store]]`.

use std::env;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;
use zeroize::Zeroizing;

/// The settings of a key store.
#[derive(Debug)]
pub(crate) struct KeyStoreSettings {
    /// Identifier in requests; 1 to 64 characters.
    pub(crate) id: String,
    /// Name; 1 to 256 characters.
    pub(crate) name: String,
    pub(crate) kind: KeyStoreKind,
}

/// The kind of a key store, with its settings.
#[derive(Debug)]
pub(crate) enum KeyStoreKind {
    Hsm(Box<HsmSettings>),
    External(XksProxy),
}

/// The proxy of an external key store. The API shows it, and the service never connects to it.
#[derive(Debug)]
pub(crate) struct XksProxy {
    /// `https://` and the host.
    pub(crate) endpoint: String,
    /// Path of the URL, after the host.
    pub(crate) path: String,
}

/// A token behind a PKCS#11 module.
#[derive(Debug)]
pub(crate) struct HsmSettings {
    /// Absolute path of the shared object.
    pub(crate) module: PathBuf,
    pub(crate) token: Token,
    pub(crate) pin: Pin,
    pub(crate) cluster_id: String,
    /// Certificate in PEM, which the API shows.
    pub(crate) trust_anchor_certificate: Option<String>,
    /// Longest time that a request waits.
    pub(crate) deadline: Duration,
    /// True if the service connects the store.
    pub(crate) connect: bool,
}

/// The setting that selects a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// The token with this label.
    Label(String),
    /// The token in the slot with this identifier.
    Slot(u64),
}

/// The source of the user's PIN. Debug output hides the PIN.
pub(crate) enum Pin {
    Known(Zeroizing<Vec<u8>>),
    /// The environment variable with this name, read when the store is created.
    Environment(String),
}

impl Pin {
    /// Returns the PIN.
    ///
    /// # Errors
    /// Fails if the environment variable is not set or empty.
    pub(super) fn read(self) -> Result<Zeroizing<Vec<u8>>, KeyStoreErrorReason> {
        match self {
            Self::Known(pin) => Ok(pin),
            Self::Environment(name) => {
                let pin = env::var_os(name).filter(|pin| !pin.is_empty());
                let pin = pin.ok_or(KeyStoreErrorReason::PinEnvironment)?;
                Ok(Zeroizing::new(pin.into_encoded_bytes()))
            }
        }
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Pin(..)")
    }
}

/// The reason why a key store cannot be started, with the number of the key store.
#[derive(Debug, Error)]
#[error("[[key_store]] number {number}: {reason}")]
pub struct KeyStoreError {
    /// Number of the `[[key_store]]` table, from 1.
    pub number: usize,
    /// Reason of the failure.
    pub reason: KeyStoreErrorReason,
}

/// The reason why a key store cannot be started.
#[derive(Debug, Error)]
pub enum KeyStoreErrorReason {
    /// This build loads no modules.
    #[error(
        "this program was built without PKCS#11: use the build with PKCS#11 (docs/key-stores.md), or set \
         connect = false"
    )]
    NoPkcs11,
    /// The module file cannot be read.
    #[error("module: {}: {error}", path.display())]
    Module {
        /// Path of the module.
        path: PathBuf,
        /// Error of the file system.
        error: io::Error,
    },
    /// The environment variable of the PIN is not set or empty.
    #[error(
        "pin_env: the environment variable is not set or is empty; set the variable to the PIN"
    )]
    PinEnvironment,
    /// The system cannot start a thread.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
}
