//! The time of verification.

use std::sync::Arc;

use attestation::ClockReading;
use attestation::time::UnixMillis;
use enclave::clock::{Clock, ClockFault, NsmClock, NsmClockError, SystemClock};
use nsm_device::{Nsm, NsmDevice, NsmUnavailable};
use thiserror::Error;

/// The clock of a verifier.
#[derive(Clone)]
pub struct VerifierClock(Source);

#[derive(Clone)]
enum Source {
    System,
    Enclave(NsmClock),
    Given(Arc<dyn Fn() -> UnixMillis + Send + Sync>),
}

/// The reason why there is no clock.
#[derive(Debug, Error)]
pub enum ClockUnavailable {
    /// The NSM cannot be opened.
    #[error(transparent)]
    Device(#[from] NsmUnavailable),
    /// The NSM does not tell the time.
    #[error("the time is unknown: {0}")]
    Clock(#[from] NsmClockError),
}

impl VerifierClock {
    /// Returns the clock of the place where this process runs. Inside an enclave, the time comes from the
    /// enclave's own NSM and never from the system clock, which the parent instance can influence. Elsewhere
    /// it is the system clock.
    ///
    /// # Errors
    /// If this machine has an NSM that does not tell the time.
    pub fn of_this_machine() -> Result<Self, ClockUnavailable> {
        match NsmDevice::is_present() {
            true => Self::of_nsm(NsmDevice::open()?),
            false => Ok(Self(Source::System)),
        }
    }

    /// Returns a clock that `nsm` synchronizes.
    ///
    /// # Errors
    /// If the NSM does not tell the time.
    pub fn of_nsm(nsm: impl Nsm) -> Result<Self, ClockUnavailable> {
        Ok(Self(Source::Enclave(NsmClock::start(nsm)?)))
    }

    /// Returns a clock that shows the time of a function, for tests.
    pub fn given(now: impl Fn() -> UnixMillis + Send + Sync + 'static) -> Self {
        Self(Source::Given(Arc::new(now)))
    }

    /// Returns the current time with its source.
    ///
    /// # Errors
    /// If the NSM of this enclave has not confirmed the time recently.
    pub async fn read(&self) -> Result<ClockReading, ClockFault> {
        match &self.0 {
            Source::System => Ok(ClockReading::this_machine(SystemClock.now())),
            Source::Enclave(clock) => Ok(ClockReading::enclave(clock.now().await?)),
            Source::Given(now) => Ok(ClockReading::given(now())),
        }
    }
}

impl std::fmt::Debug for VerifierClock {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let source = match &self.0 {
            Source::System => "system",
            Source::Enclave(_) => "enclave",
            Source::Given(_) => "given",
        };
        formatter.debug_tuple("VerifierClock").field(&source).finish()
    }
}

#[cfg(test)]
mod tests {
    use attestation::ClockSource;
    use simulator::{SimulatedNsm, SimulatedPki};

    use super::*;

    #[tokio::test]
    async fn clock_of_an_enclave_ignores_the_system_clock() {
        let time = UnixMillis::from_secs(1_900_000_000);
        let pki = SimulatedPki::new(Arc::new(move || time)).unwrap();
        let clock = VerifierClock::of_nsm(SimulatedNsm::new(Arc::new(pki))).unwrap();
        let reading = clock.read().await.unwrap();
        assert_eq!(reading.source, ClockSource::Enclave);
        assert!(reading.time.millis_since(time) < 60_000 && reading.time >= time);
    }
}
