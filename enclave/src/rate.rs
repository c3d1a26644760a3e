//! A rate limit, as a token bucket.

use std::num::NonZeroU32;

use governor::clock::MonotonicClock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

/// A limit on the number of requests per second. A burst may have twice this number. The limit can be disabled.
#[derive(Debug)]
pub struct Rate(Option<RateLimiter<NotKeyed, InMemoryState, MonotonicClock, NoOpMiddleware>>);

impl Rate {
    /// Creates a limit of `per_second` requests per second. 0 disables the limit.
    pub fn per_second(per_second: u32) -> Self {
        Self(NonZeroU32::new(per_second).map(|rate| {
            let burst = rate.saturating_mul(NonZeroU32::MIN.saturating_add(1));
            let quota = Quota::per_second(rate).allow_burst(burst);
            RateLimiter::direct_with_clock(quota, MonotonicClock)
        }))
    }

    /// Returns whether one more request is within the limit. Counts only a request within the limit.
    pub(crate) fn try_acquire(&self) -> bool {
        self.0.as_ref().is_none_or(|limiter| limiter.check().is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allows_a_burst_of_twice_the_rate() {
        // The rate is too low to add a token while the test runs.
        let rate = Rate::per_second(1);
        assert_eq!([(); 3].map(|()| rate.try_acquire()), [true, true, false]);
    }

    #[test]
    fn zero_is_unlimited() {
        let rate = Rate::per_second(0);
        assert!((0..10_000).all(|_| rate.try_acquire()));
    }
}
