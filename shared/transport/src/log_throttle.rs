//! Runs of like failures.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Failures further apart than this are two episodes.
const QUIET_PERIOD: Duration = Duration::from_secs(10);

/// A run of like failures, of which the log gets the first: a flood of clients must not become a
/// flood of lines.
#[derive(Debug, Default)]
pub struct LogThrottle {
    last_failure: Mutex<Option<Instant>>,
}

impl LogThrottle {
    /// Notes a failure, and tells whether it is the first of its episode.
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
