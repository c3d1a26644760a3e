//! Rate-limited logging of repeated failures.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The time without a failure after which the next failure is logged again.
const QUIET_PERIOD: Duration = Duration::from_secs(10);

/// A throttle for the log lines of one kind of failure.
///
/// Only the first failure of a burst is logged, so that many clients cannot flood the log.
#[derive(Debug, Default)]
pub struct LogThrottle {
    last_failure: Mutex<Option<Instant>>,
}

impl LogThrottle {
    /// Records a failure. Returns whether it is the first one after a quiet period, so that it should be
    /// logged.
    pub fn should_log(&self) -> bool {
        let now = Instant::now();
        let mut last = self.last_failure.lock().unwrap_or_else(PoisonError::into_inner);
        last.replace(now).is_none_or(|last| now.duration_since(last) >= QUIET_PERIOD)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn logs_again_only_after_quiet_period() {
        let throttle = LogThrottle::default();
        assert!(throttle.should_log());
        for _ in 0..5 {
            advance(QUIET_PERIOD / 2).await;
            assert!(!throttle.should_log());
        }
        advance(QUIET_PERIOD).await;
        assert!(throttle.should_log());
    }
}
