//! The table `[throttle]`.

use serde::Deserialize;

use crate::rate::Rate;
use crate::throttle::Throttle;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ThrottleTable {
    /// Maximum requests per second of each principal, and of all unauthenticated callers together. 0 disables the
    /// limits.
    #[serde(default)]
    pub(super) requests_per_second_per_principal: u32,
    /// Maximum requests per second of all callers together. 0 disables the limit.
    #[serde(default)]
    requests_per_second_total: u32,
}

impl ThrottleTable {
    /// Builds the limit for unauthenticated callers and the total limit.
    pub(super) fn throttle(&self) -> Throttle {
        Throttle {
            unauthenticated: Rate::per_second(self.requests_per_second_per_principal),
            total: Rate::per_second(self.requests_per_second_total),
        }
    }
}
