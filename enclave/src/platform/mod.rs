//! What an enclave stands on. Anchors, NSM and clock come as one, so that a simulated NSM under the
//! production anchors cannot be written down.

#[cfg(test)]
pub(crate) mod fake;
mod nitro;
mod settings;
#[cfg(feature = "simulator")]
mod simulated;
mod startup_checks;

use attestation::Trust;
use hyper::http::request::Parts;
pub use nitro::Nitro;
use nsm_device::Nsm;
pub use settings::PlatformSettings;
#[cfg(feature = "simulator")]
pub use simulated::Simulated;
pub use startup_checks::PlatformError;
pub(crate) use startup_checks::check_pcr0;
use thiserror::Error;

use crate::clock::Clock;
use crate::http::Response;

/// Why a request that is none of KMS's has no answer.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RouteError {
    /// The request breaks a rule.
    #[error("{0}")]
    Invalid(String),
    /// The platform failed, as its log says.
    #[error("the platform failed")]
    Failed,
}

/// An enclave's surroundings.
pub trait Platform: Send + Sync + Sized + 'static {
    /// Whose signatures count.
    type Trust: Trust;
    /// Where entropy comes from.
    type Nsm: Nsm;
    /// Where time comes from.
    type Clock: Clock;

    /// The clock.
    fn clock(&self) -> Self::Clock;

    /// Looks at the machine before the module is asked for anything.
    ///
    /// # Errors
    /// If it is no place to serve from.
    fn check_machine(&self, _settings: &PlatformSettings) -> Result<(), PlatformError> {
        Ok(())
    }

    /// Learns that the service is ready.
    fn on_ready(&self) {}

    /// Answers a request that is none of KMS's; nothing does in production.
    fn handle(&self, _head: &Parts, _body: &[u8]) -> Option<Result<Response, RouteError>> {
        None
    }
}
