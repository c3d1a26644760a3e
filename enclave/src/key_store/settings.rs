//! What is configured of a key store: `[[key_store]]`.

use std::env;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;
use zeroize::Zeroizing;

/// One key store.
#[derive(Debug)]
pub(crate) struct KeyStoreSettings {
    /// By which callers name it; 1 to 64 characters.
    pub(crate) id: String,
    /// 1 to 256 characters.
    pub(crate) name: String,
    pub(crate) kind: KeyStoreKind,
}

#[derive(Debug)]
pub(crate) enum KeyStoreKind {
    Hsm(Box<HsmSettings>),
    External(XksProxy),
}

/// An external key store's proxy, which is shown and never asked.
#[derive(Debug)]
pub(crate) struct XksProxy {
    /// `https://` and its host.
    pub(crate) endpoint: String,
    /// The rest.
    pub(crate) path: String,
}

/// A token behind a PKCS#11 module.
#[derive(Debug)]
pub(crate) struct HsmSettings {
    /// A shared object; absolute.
    pub(crate) module: PathBuf,
    pub(crate) token: Token,
    pub(crate) pin: Pin,
    pub(crate) cluster_id: String,
    /// PEM, to be shown.
    pub(crate) trust_anchor_certificate: Option<String>,
    /// How long a caller waits.
    pub(crate) deadline: Duration,
    /// Whether it is to be connected at all.
    pub(crate) connect: bool,
}

/// Which token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// The one with this label.
    Label(String),
    /// The one in the slot with this id.
    Slot(u64),
}

/// Where the user's PIN comes from: never shown.
pub(crate) enum Pin {
    Known(Zeroizing<Vec<u8>>),
    /// The environment variable of this name, which only the process itself has.
    Environment(String),
}

impl Pin {
    /// What it is.
    ///
    /// # Errors
    /// If there is no such variable.
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

/// Why a key store cannot be, wherever its HSM is.
#[derive(Debug, Error)]
#[error("[[key_store]] number {number}: {reason}")]
pub struct KeyStoreError {
    /// Which; counted from 1.
    pub number: usize,
    /// Why.
    pub reason: KeyStoreErrorReason,
}

/// Why a key store cannot be.
#[derive(Debug, Error)]
pub enum KeyStoreErrorReason {
    /// A build that loads no modules.
    #[error(
        "this program was built without PKCS#11, as the default image is: run the flavour that has it \
         (docs/key-stores.md), or write connect = false"
    )]
    NoPkcs11,
    /// A module that is not there.
    #[error("module: {}: {error}", path.display())]
    Module {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A variable that is not there.
    #[error(
        "pin_env names an environment variable that is not set, or is empty: set it to the PIN"
    )]
    PinEnvironment,
    /// The system has none left.
    #[error("no thread for it: {0}")]
    Thread(io::Error),
}
