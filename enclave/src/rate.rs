//! A limit on how often something may happen: a token bucket.

use std::num::NonZeroU32;

use governor::clock::MonotonicClock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

/// A bucket: so many requests a second, and twice that in a burst; or no bound at all.
#[derive(Debug)]
pub struct Rate(Option<RateLimiter<NotKeyed, InMemoryState, MonotonicClock, NoOpMiddleware>>);

impl Rate {
    /// `per_second` requests; 0 is no bound.
    pub fn per_second(per_second: u32) -> Self {
        Self(NonZeroU32::new(per_second).map(|rate| {
            let burst = rate.saturating_mul(NonZeroU32::MIN.saturating_add(1));
            let quota = Quota::per_second(rate).allow_burst(burst);
            RateLimiter::direct_with_clock(quota, MonotonicClock)
        }))
    }

    /// Whether one more request is within the rate; it counts if it is.
    pub(crate) fn admits_one(&self) -> bool {
        self.0.as_ref().is_none_or(|limiter| limiter.check().is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admits_a_burst_of_twice_the_rate_and_no_more() {
        // So slow that no token is added while this runs.
        let rate = Rate::per_second(1);
        assert_eq!([(); 3].map(|()| rate.admits_one()), [true, true, false]);
    }

    #[test]
    fn zero_is_no_bound() {
        let rate = Rate::per_second(0);
        assert!((0..10_000).all(|_| rate.admits_one()));
    }
}
