//! A synchronized clock for programs of an enclave that are not the service.

use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use attestation::time::UnixMillis;
use attestation::{NsmTimestampError, nsm_timestamp};
use nsm_device::{Nsm, NsmError, Request, Response};
use thiserror::Error;

use super::pause_detector::PauseDetector;
use super::trusted::{ClockFault, SyncError, TrustedClock};
use super::{Clock, SystemClock};

/// Longest sleep of the thread. After a pause of this process, the next synchronization begins within this
/// time.
const MAX_SLEEP: Duration = Duration::from_millis(500);

/// Pause after a failed synchronization.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// The time of an enclave, by the same rules as in the service.
///
/// A thread synchronizes the clock every 30 s with the timestamp of a new document. The drop ends the
/// thread.
#[derive(Clone, Debug)]
pub struct NsmClock(Arc<TrustedClock<SystemClock>>);

/// The reason why the clock cannot start.
#[derive(Debug, Error)]
pub enum NsmClockError {
    /// The NSM returned no document.
    #[error("the NSM returned no attestation document: {0}")]
    Nsm(#[from] NsmError),
    /// The NSM returned an error, or a response of another type.
    #[error("the NSM returned no attestation document")]
    OtherResponse,
    /// The document has no timestamp.
    #[error("the time cannot be read from the NSM's document: {0}")]
    Timestamp(#[from] NsmTimestampError),
    /// The call of the NSM was too slow, or this process was paused.
    #[error("the clock cannot be synchronized: {0}")]
    Imprecise(String),
    /// The thread cannot be started.
    #[error("cannot start the thread that synchronizes the clock: {0}")]
    Thread(#[from] std::io::Error),
}

impl NsmClock {
    /// Synchronizes a clock with `nsm`, and starts the thread that keeps the clock synchronized.
    ///
    /// # Errors
    /// If the NSM returns no document within a second, or if the thread cannot be started.
    pub fn start(mut nsm: impl Nsm) -> Result<Self, NsmClockError> {
        let started =
            TrustedClock::start(SystemClock, PauseDetector::global(), || read_time(&mut nsm));
        let (clock, _) = started.map_err(|error| match error {
            SyncError::Attest(error) => error,
            imprecise => NsmClockError::Imprecise(imprecise.to_string()),
        })?;
        let clock = Arc::new(clock);
        let synchronized = Arc::downgrade(&clock);
        thread::Builder::new()
            .name("nsm-clock".to_owned())
            .spawn(move || keep_synchronized(&synchronized, nsm))?;
        Ok(Self(clock))
    }

    /// Returns the current time. After a pause of this process, waits for a synchronization, at most 2 s.
    ///
    /// # Errors
    /// If the NSM has not confirmed the time for over a minute, or since a pause of this process.
    pub async fn now(&self) -> Result<UnixMillis, ClockFault> {
        self.0.wait_until_trusted().await?;
        Ok(self.0.now())
    }
}

/// Synchronizes `clock` whenever a synchronization is due, until the clock is dropped.
fn keep_synchronized<C: Clock>(clock: &Weak<TrustedClock<C>>, mut nsm: impl Nsm) {
    loop {
        let Some(current) = clock.upgrade() else { return };
        let due = current.sync_due().saturating_duration_since(Instant::now());
        if !due.is_zero() {
            drop(current);
            thread::sleep(due.min(MAX_SLEEP));
            continue;
        }
        if let Err(error) = current.synchronize(|| read_time(&mut nsm)) {
            current.record_sync_failure();
            tracing::warn!(%error, "cannot synchronize the clock with the NSM; trying again");
            drop(current);
            thread::sleep(RETRY_PAUSE);
        }
    }
}

/// Returns the timestamp of a new document. The device is trusted, so the document is not verified.
fn read_time(nsm: &mut impl Nsm) -> Result<UnixMillis, NsmClockError> {
    let request = Request::Attestation { user_data: None, nonce: None, public_key: None };
    match nsm.process(request)? {
        Response::Attestation { document } => Ok(nsm_timestamp(&document)?),
        // A response may contain random bytes, so it is not formatted.
        _ => Err(NsmClockError::OtherResponse),
    }
}

#[cfg(all(test, feature = "simulator"))]
mod tests {
    use simulator::{SimulatedNsm, SimulatedPki};

    use super::*;

    /// An NSM that returns the response of another request.
    struct OtherNsm;

    impl Nsm for OtherNsm {
        fn process(&mut self, _: Request) -> Result<Response, NsmError> {
            Ok(Response::LockPCR)
        }
    }

    #[tokio::test]
    async fn nsm_clock_shows_the_time_of_the_document() {
        let time = UnixMillis::from_rfc3339("2031-01-01T00:00:00Z").unwrap();
        let pki = SimulatedPki::new(Arc::new(move || time)).unwrap();
        let clock = NsmClock::start(SimulatedNsm::new(Arc::new(pki))).unwrap();
        let now = clock.now().await.unwrap();
        // The system clock shows another year.
        assert!(now >= time && now.millis_since(time) < 60_000, "{now}");
    }

    #[tokio::test]
    async fn nsm_clock_is_synchronized_after_a_pause() {
        let time = UnixMillis::from_secs(1_900_000_000);
        let pki = SimulatedPki::new(Arc::new(move || time)).unwrap();
        let clock = NsmClock::start(SimulatedNsm::new(Arc::new(pki))).unwrap();
        clock.0.expire();
        assert_eq!(clock.0.check(), Err(ClockFault::Old));
        clock.now().await.unwrap();
    }

    #[test]
    fn nsm_clock_does_not_start_without_a_document() {
        let error = NsmClock::start(OtherNsm).unwrap_err();
        assert!(matches!(error, NsmClockError::OtherResponse), "{error}");
    }
}
