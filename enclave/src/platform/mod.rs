//! What an enclave stands on. Anchors, NSM and clock come as one, so that a simulated NSM under the
//! production anchors cannot be written down.

mod nitro;
#[cfg(feature = "simulator")]
mod simulated;

use hyper::http::request::Parts;
pub use nitro::Nitro;
use shared::attestation::Trust;
use shared::nsm::Nsm;
#[cfg(feature = "simulator")]
pub use simulated::Simulated;

use crate::clock::Clock;
use crate::http::Answer;

/// An enclave's surroundings.
pub trait Platform: Send + Sync + Sized + 'static {
    /// Whose signatures count.
    type Trust: Trust;
    /// Where entropy comes from.
    type Nsm: Nsm;
    /// Where time comes from.
    type Clock: Clock;

    /// The clock.
    fn clock(&self) -> &Self::Clock;

    /// Answers a request that is none of KMS's; nothing does in production.
    fn answer(&self, _head: &Parts, _body: &[u8]) -> Option<Answer> {
        None
    }
}
