//! The production platform.

use std::path::Path;

use attestation::Production;
use nsm_device::NsmDevice;

use super::startup_checks::check_kernel;
use super::{Platform, PlatformError, PlatformSettings};
use crate::clock::SystemClock;

/// A Nitro Enclave, with the NSM of its hypervisor.
#[derive(Clone, Copy, Debug)]
pub struct Nitro;

impl Platform for Nitro {
    type Trust = Production;
    type Nsm = NsmDevice;
    type Clock = SystemClock;

    fn clock(&self) -> SystemClock {
        SystemClock
    }

    fn random_pool(&self) -> Option<&Path> {
        Some(Path::new("/dev/random"))
    }

    fn check_machine(&self, settings: &PlatformSettings) -> Result<(), PlatformError> {
        check_kernel(Path::new("/sys"), settings)
    }
}
