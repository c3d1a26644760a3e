//! The table `[throttle]`.

use serde::Deserialize;

use crate::rate::Rate;
use crate::throttle::Throttle;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ThrottleTable {
    /// Requests per second of one principal. 0 is no limit.
    #[serde(default)]
    pub(super) requests_per_second_per_principal: u32,
    /// Requests per second of all principals together. 0 is no limit.
    #[serde(default)]
    requests_per_second_total: u32,
}

impl ThrottleTable {
    /// Returns the limits that belong to no principal.
    pub(super) fn throttle(&self) -> Throttle {
        Throttle {
            anyone: Rate::per_second(self.requests_per_second_per_principal),
            total: Rate::per_second(self.requests_per_second_total),
        }
    }
}
