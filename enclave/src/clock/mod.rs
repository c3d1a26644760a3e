//! The clocks of the service, and waits that account for pauses of the process.

mod deadline;
mod nsm_clock;
mod pause_detector;
mod trusted;

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use attestation::time::UnixMillis;

pub(crate) use self::deadline::{Deadline, Delay, sleep, timeout};
pub use self::nsm_clock::{NsmClock, NsmClockError};
pub(crate) use self::pause_detector::PauseDetector;
pub use self::trusted::ClockFault;
pub(crate) use self::trusted::{SyncError, SyncReport, TrustedClock};

/// A clock of the machine.
pub trait Clock: Clone + Send + Sync + 'static {
    /// Returns the current time of the machine.
    fn now(&self) -> UnixMillis;

    /// Returns the time since a fixed start. Unlike the system time, this time cannot be set.
    fn monotonic(&self) -> Duration;
}

/// The system clock.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "all other code reads this clock")]
    fn now(&self) -> UnixMillis {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixMillis::new(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
    }

    fn monotonic(&self) -> Duration {
        static START: OnceLock<Instant> = OnceLock::new();
        START.get_or_init(Instant::now).elapsed()
    }
}

/// A test clock. Its monotonic time equals its current time.
impl<F: Fn() -> UnixMillis + Clone + Send + Sync + 'static> Clock for F {
    fn now(&self) -> UnixMillis {
        self()
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self().as_millis())
    }
}
