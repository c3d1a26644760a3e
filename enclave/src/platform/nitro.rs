//! The real thing.

use shared::attestation::Production;
use shared::nsm::NsmDevice;

use super::Platform;
use crate::clock::SystemClock;

/// A Nitro Enclave.
#[derive(Clone, Copy, Debug)]
pub struct Nitro;

impl Platform for Nitro {
    type Trust = Production;
    type Nsm = NsmDevice;
    type Clock = SystemClock;

    fn clock(&self) -> &SystemClock {
        &SystemClock
    }
}
