//! The real thing.

use std::path::Path;

use attestation::Production;
use nsm_device::NsmDevice;

use super::checks::check_kernel;
use super::{Platform, PlatformError, PlatformSettings};
use crate::clock::SystemClock;

/// A Nitro Enclave.
#[derive(Clone, Copy, Debug)]
pub struct Nitro;

impl Platform for Nitro {
    type Trust = Production;
    type Nsm = NsmDevice;
    type Clock = SystemClock;

    fn clock(&self) -> SystemClock {
        SystemClock
    }

    fn examine(&self, settings: &PlatformSettings) -> Result<(), PlatformError> {
        check_kernel(Path::new("/sys"), settings)
    }
}
