//! What this enclave was configured to do, as two registers of its module: so that whoever holds a
//! document of it knows, though the configuration is none of the image's.
//!
//! PCR16 measures the configuration without its secrets, PCR17 the secrets: see
//! [`ConfigBundle::measure`](crate::config::ConfigBundle::measure).

use attestation::crypto::Sha384;
use attestation::{PCR_LENGTH, PcrValue};

/// The register of the configuration without its secrets.
pub const CONFIGURATION_PCR: u16 = 16;

/// The register of the secrets, salted.
pub const SECRETS_PCR: u16 = 17;

/// What both registers are extended by: a SHA-384 digest each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigDigests {
    pub(crate) public: PcrValue,
    pub(crate) secrets: PcrValue,
}

impl ConfigDigests {
    /// What PCR16 shows then.
    pub fn configuration_pcr(&self) -> PcrValue {
        extended_once(self.public)
    }

    /// What PCR17 shows then.
    pub fn secrets_pcr(&self) -> PcrValue {
        extended_once(self.secrets)
    }
}

/// What a register shows that was zero and was extended once: SHA-384 of 48 zero bytes and `digest`.
pub fn extended_once(digest: PcrValue) -> PcrValue {
    let mut hash = Sha384::new();
    hash.update(&[0; PCR_LENGTH]);
    hash.update(&digest);
    hash.finish()
}
