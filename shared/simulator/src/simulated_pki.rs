//! One simulated Nitro world: a root, the chain below it, and a clock.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use thiserror::Error;

use super::chain::Chain;
use super::document_spec::{DocumentSpec, SigningError};
use super::root::Root;
use attestation::crypto::CryptoError;
use attestation::time::UnixMillis;
use attestation::{PcrFamily, PcrValue};

/// A clock.
pub type ClockFn = Arc<dyn Fn() -> UnixMillis + Send + Sync>;

const ENCLAVE_MODULE_ID: &str = "simulated-i-00000000000000000-enc0000000000000000";
const NITROTPM_MODULE_ID: &str = "simulated-i-00000000000000000-tpm0000000000000000";

/// What to attest.
#[derive(Clone, Debug)]
pub struct DocumentRequest {
    /// On which platform.
    pub family: PcrFamily,
    /// The measurements, by index below 32.
    pub pcrs: BTreeMap<u8, PcrValue>,
    /// At most 1,024 bytes.
    pub public_key: Option<Vec<u8>>,
    /// At most 1,024 bytes.
    pub user_data: Option<Vec<u8>>,
    /// At most 1,024 bytes.
    pub nonce: Option<Vec<u8>>,
    /// How long ago.
    pub age_seconds: u64,
}

/// Why nothing was attested.
#[derive(Debug, Error)]
pub enum SimulatedPkiError {
    /// Before the root, or after it.
    #[error("the simulated root is not valid at {at}")]
    OutsideRootValidity {
        /// When the document was to be signed.
        at: UnixMillis,
    },
    /// The provider failed.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// The provider failed.
    #[error(transparent)]
    Signing(#[from] SigningError),
}

/// A simulated Nitro world.
pub struct SimulatedPki {
    root: Root,
    /// The chain of now. Aged documents get one of their own.
    chain: Mutex<Chain>,
    now: ClockFn,
}

impl fmt::Debug for SimulatedPki {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SimulatedPki(..)")
    }
}

impl SimulatedPki {
    /// A world with a root of its own.
    ///
    /// # Errors
    /// If the provider fails.
    pub fn new(now: ClockFn) -> Result<Self, CryptoError> {
        Self::with_root(Root::generate()?, now)
    }

    /// A world under a root that exists.
    ///
    /// # Errors
    /// If the provider fails.
    pub fn with_root(root: Root, now: ClockFn) -> Result<Self, CryptoError> {
        let chain = Mutex::new(Chain::issue(&root, now())?);
        Ok(Self { root, chain, now })
    }

    /// The root certificate, DER.
    pub fn root_certificate(&self) -> &[u8] {
        self.root.certificate()
    }

    /// The root certificate in PEM.
    pub fn root_certificate_pem(&self) -> String {
        self.root.certificate_pem()
    }

    /// How this world's modules name themselves.
    pub fn module_id(&self, family: PcrFamily) -> &'static str {
        match family {
            PcrFamily::NitroEnclave => ENCLAVE_MODULE_ID,
            PcrFamily::NitroTpm => NITROTPM_MODULE_ID,
        }
    }

    /// A signed attestation document.
    ///
    /// # Errors
    /// If the root was not valid then, or the provider fails.
    pub fn document(&self, request: DocumentRequest) -> Result<Vec<u8>, SimulatedPkiError> {
        let now = (self.now)();
        let at = now.minus_secs(request.age_seconds);
        if !self.root.is_valid_at(at) {
            return Err(SimulatedPkiError::OutsideRootValidity { at });
        }
        let age_seconds = request.age_seconds;
        let spec = DocumentSpec {
            module_id: self.module_id(request.family).to_owned(),
            timestamp: at,
            family: request.family,
            pcrs: request.pcrs,
            public_key: request.public_key,
            user_data: request.user_data,
            nonce: request.nonce,
        };
        if age_seconds > 0 {
            return Ok(spec.sign(&Chain::issue(&self.root, at)?)?);
        }
        // A chain is whole after every step of its renewal, so a poisoned one can be used.
        let mut chain = self.chain.lock().unwrap_or_else(PoisonError::into_inner);
        chain.renew(&self.root, at)?;
        Ok(spec.sign(&chain)?)
    }
}
