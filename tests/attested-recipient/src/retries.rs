//! The pauses between attempts of a request that the service throttles (HTTP 429).

use std::time::{Duration, Instant};

use attestation::crypto::fill_random;

/// The first pause, before the random part is added. Each further pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// Maximum pause before the random part is added, unless Retry-After requires a longer pause.
const MAX_PAUSE: Duration = Duration::from_secs(4);

/// The number of attempts of one request, and the schedule of its retries. The type is public because
/// the command uses it. It is not part of the library's interface.
#[doc(hidden)]
#[derive(Debug)]
pub struct Retries {
    deadline: Instant,
    throttled: u32,
}

impl Retries {
    /// Creates a schedule that ends at `deadline`.
    pub fn until(deadline: Instant) -> Self {
        Self { deadline, throttled: 0 }
    }

    /// Returns the number of throttled attempts.
    pub fn throttled(&self) -> u32 {
        self.throttled
    }

    /// Returns the pause before the next attempt. Returns `None` if the deadline is earlier than the
    /// next attempt. The pause is at least `retry_after`, in seconds (RFC 9110, section 10.2.3). A date
    /// in Retry-After is ignored.
    pub fn pause(&mut self, retry_after: Option<&str>) -> Option<Duration> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        self.pause_with_jitter(left, retry_after, random_fraction())
    }

    fn pause_with_jitter(
        &mut self,
        left: Duration,
        retry_after: Option<&str>,
        fraction: f64,
    ) -> Option<Duration> {
        let doublings = self.throttled.min(8);
        self.throttled = self.throttled.saturating_add(1);
        let own = (FIRST_PAUSE * 2_u32.pow(doublings)).min(MAX_PAUSE).min(left / 2);
        let requested = retry_after.and_then(|seconds| seconds.trim().parse().ok());
        let least = own.max(requested.map_or(Duration::ZERO, Duration::from_secs));
        let spare = left.checked_sub(least).filter(|spare| !spare.is_zero())?;
        // The jitter distributes the retries of clients that were throttled at the same time.
        Some(least + (least / 2).min(spare / 2).mul_f64(fraction))
    }
}

/// Returns a random number from 0 to 1, or 0 if the source of randomness fails. The number is not a
/// secret.
fn random_fraction() -> f64 {
    let mut random = [0; 2];
    fill_random(&mut random).map_or(0.0, |()| f64::from(u16::from_be_bytes(random)) / 65535.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(left: Duration, retry_after: Option<&str>, fraction: f64) -> Vec<Option<u128>> {
        let mut retries = Retries::until(Instant::now());
        let pause = |_| retries.pause_with_jitter(left, retry_after, fraction);
        (0..6).map(pause).map(|pause| pause.map(|pause| pause.as_millis())).collect()
    }

    #[test]
    fn pauses_double_up_to_maximum_with_jitter() {
        let left = Duration::from_secs(60);
        let least = [250, 500, 1000, 2000, 4000, 4000].map(Some);
        assert_eq!(pauses(left, None, 0.0), least);
        assert_eq!(pauses(left, Some("soon"), 0.0), least);
        assert_eq!(pauses(left, None, 1.0), [375, 750, 1500, 3000, 6000, 6000].map(Some));
    }

    #[test]
    fn pause_respects_retry_after_and_deadline() {
        let left = Duration::from_secs(10);
        assert_eq!(pauses(left, Some("3"), 0.0)[0], Some(3000));
        assert_eq!(pauses(left, Some("3"), 1.0)[0], Some(4500));
        assert_eq!(pauses(left, Some("9"), 1.0)[0], Some(9500));
        for late in ["10", "11", "18446744073709551615"] {
            assert_eq!(pauses(left, Some(late), 0.0)[0], None, "{late}");
        }
        assert_eq!(pauses(Duration::from_millis(100), None, 1.0)[0], Some(75));
        assert_eq!(pauses(Duration::ZERO, None, 0.0)[0], None);
    }

    #[test]
    fn counts_throttled_attempts() {
        let mut retries = Retries::until(Instant::now() + Duration::from_secs(60));
        assert!((0..3).all(|_| retries.pause(None).is_some()));
        assert_eq!(retries.throttled(), 3);
        let mut late = Retries::until(Instant::now());
        assert_eq!((late.pause(None), late.throttled()), (None, 1));
    }
}
