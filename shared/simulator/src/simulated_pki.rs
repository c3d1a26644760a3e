//! A simulated Nitro PKI: a root, the chain below it, and a clock.

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

/// A clock: a function that returns the current time.
pub type ClockFn = Arc<dyn Fn() -> UnixMillis + Send + Sync>;

const ENCLAVE_MODULE_ID: &str = "simulated-i-00000000000000000-enc0000000000000000";
const NITROTPM_MODULE_ID: &str = "simulated-i-00000000000000000-tpm0000000000000000";

/// The content of a requested document.
#[derive(Clone, Debug)]
pub struct DocumentRequest {
    /// The platform of the measurements.
    pub family: PcrFamily,
    /// The PCRs by index, which must be below 32.
    pub pcrs: BTreeMap<u8, PcrValue>,
    /// The field `public_key`, at most 1,024 bytes.
    pub public_key: Option<Vec<u8>>,
    /// The field `user_data`, at most 1,024 bytes.
    pub user_data: Option<Vec<u8>>,
    /// The field `nonce`, at most 1,024 bytes.
    pub nonce: Option<Vec<u8>>,
    /// The age of the document, in seconds.
    pub age_seconds: u64,
}

/// A reason why no document was issued.
#[derive(Debug, Error)]
pub enum SimulatedPkiError {
    /// The time is outside the root's validity.
    #[error("the simulated root is not valid at {at}")]
    OutsideRootValidity {
        /// The requested time of the signature.
        at: UnixMillis,
    },
    /// The crypto provider failed.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// The document could not be signed.
    #[error(transparent)]
    Signing(#[from] SigningError),
}

/// A simulated Nitro PKI, which issues documents.
pub struct SimulatedPki {
    root: Root,
    /// The current chain. Each document with an age has its own chain.
    chain: Mutex<Chain>,
    now: ClockFn,
}

impl fmt::Debug for SimulatedPki {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SimulatedPki(..)")
    }
}

impl SimulatedPki {
    /// Creates a PKI with a new root.
    ///
    /// # Errors
    /// If the provider fails.
    pub fn new(now: ClockFn) -> Result<Self, CryptoError> {
        Self::with_root(Root::generate()?, now)
    }

    /// Creates a PKI under an existing root.
    ///
    /// # Errors
    /// If the provider fails.
    pub fn with_root(root: Root, now: ClockFn) -> Result<Self, CryptoError> {
        let chain = Mutex::new(Chain::issue(&root, now())?);
        Ok(Self { root, chain, now })
    }

    /// Returns the root certificate in DER.
    pub fn root_certificate(&self) -> &[u8] {
        self.root.certificate()
    }

    /// Returns the root certificate in PEM.
    pub fn root_certificate_pem(&self) -> String {
        self.root.certificate_pem()
    }

    /// Returns the module identifier in the documents of `family`.
    pub fn module_id(&self, family: PcrFamily) -> &'static str {
        match family {
            PcrFamily::NitroEnclave => ENCLAVE_MODULE_ID,
            PcrFamily::NitroTpm => NITROTPM_MODULE_ID,
        }
    }

    /// Issues a signed attestation document.
    ///
    /// # Errors
    /// If the root is not valid at the document's time, or the document cannot be signed, for example because the
    /// provider fails.
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
        // A chain is consistent after every step of its renewal, so a poisoned lock can be used.
        let mut chain = self.chain.lock().unwrap_or_else(PoisonError::into_inner);
        chain.renew(&self.root, at)?;
        Ok(spec.sign(&chain)?)
    }
}
