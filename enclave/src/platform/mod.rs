//! The platform of a service: trust anchors, NSM and clock.
//!
//! One trait provides all three, so that no code can combine a simulated NSM with the production trust
//! anchors.

mod nitro;
mod random_pool;
mod settings;
#[cfg(feature = "simulator")]
mod simulated;
mod startup_checks;
#[cfg(test)]
pub(crate) mod test_platform;

use std::path::Path;

use attestation::Trust;
use hyper::http::request::Parts;
pub use nitro::Nitro;
use nsm_device::Nsm;
pub(crate) use random_pool::mix_into_random_pool;
pub use settings::PlatformSettings;
#[cfg(feature = "simulator")]
pub use simulated::Simulated;
pub use startup_checks::PlatformError;
pub(crate) use startup_checks::check_pcr0;
use thiserror::Error;

use crate::clock::Clock;
use crate::http::Response;

/// The reason why an HTTP route of a platform returns no result.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RouteError {
    /// The request is invalid.
    #[error("{0}")]
    Invalid(String),
    /// The platform failed. The log contains the reason.
    #[error("the platform failed")]
    Failed,
}

/// A platform that a service runs on.
pub trait Platform: Send + Sync + Sized + 'static {
    /// Trust anchors of attestation documents.
    type Trust: Trust;
    /// Source of entropy.
    type Nsm: Nsm;
    /// Source of time.
    type Clock: Clock;

    /// Returns the clock.
    fn clock(&self) -> Self::Clock;

    /// Checks the machine before the first call of the NSM.
    ///
    /// # Errors
    /// Fails if the machine must not run the service.
    fn check_machine(&self, _settings: &PlatformSettings) -> Result<(), PlatformError> {
        Ok(())
    }

    /// Returns the path of the kernel's random pool that receives random bytes of the NSM before the service generates
    /// its keys. `None` if the NSM is simulated: its bytes come from that pool, and the process may have no right
    /// to write there.
    fn random_pool(&self) -> Option<&Path> {
        None
    }

    /// Notifies the platform that the service is ready.
    fn on_ready(&self) {}

    /// Handles a request that no other route matches. The production platform has no routes.
    fn handle(&self, _head: &Parts, _body: &[u8]) -> Option<Result<Response, RouteError>> {
        None
    }
}
