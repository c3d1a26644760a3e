//! The PCRs that attest the configuration, which is not part of the image.
//!
//! PCR16 measures the configuration without its secrets. PCR17 measures the secrets.
//! [`ConfigBundle::measure`](crate::config::ConfigBundle::measure) describes the format.

use attestation::crypto::Sha384;
use attestation::{PCR_LENGTH, PcrValue};

/// Index of the PCR that measures the configuration without its secrets.
pub const CONFIGURATION_PCR: u16 = 16;

/// Index of the PCR that measures the salted secrets.
pub const SECRETS_PCR: u16 = 17;

/// The SHA-384 digests that extend PCR16 and PCR17.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigDigests {
    pub(crate) public: PcrValue,
    pub(crate) secrets: PcrValue,
}

impl ConfigDigests {
    /// Returns the value of PCR16 after the extension.
    pub fn configuration_pcr(&self) -> PcrValue {
        extended_once(self.public)
    }

    /// Returns the value of PCR17 after the extension.
    pub fn secrets_pcr(&self) -> PcrValue {
        extended_once(self.secrets)
    }
}

/// Returns the value of a PCR that was zero before it was extended once: SHA-384(48 zero bytes ‖ `digest`).
pub fn extended_once(digest: PcrValue) -> PcrValue {
    let mut hash = Sha384::new();
    hash.update(&[0; PCR_LENGTH]);
    hash.update(&digest);
    hash.finish()
}
