//! The PCRs that attest the configuration, which is not part of the image.
//!
//! PCR16 measures the configuration without its secrets, PCR17 the secrets. For the format, see
//! [`ConfigBundle::measure`](crate::config::ConfigBundle::measure).

use attestation::crypto::Sha384;
use attestation::{PCR_LENGTH, PcrValue};

/// Index of the PCR of the configuration without its secrets.
pub const CONFIGURATION_PCR: u16 = 16;

/// Index of the PCR of the salted secrets.
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

/// Returns the value of a PCR that was zero and was extended once with `digest`: the SHA-384 digest of 48
/// zero bytes and `digest`.
pub fn extended_once(digest: PcrValue) -> PcrValue {
    let mut hash = Sha384::new();
    hash.update(&[0; PCR_LENGTH]);
    hash.update(&digest);
    hash.finish()
}
