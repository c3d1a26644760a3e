//! The rate limits of requests. Each principal has a limit, and there is one limit for all callers together.

use crate::auth::Caller;
use crate::principal::Principal;
use crate::rate::Rate;

/// The rate limits that belong to no principal.
#[derive(Debug)]
pub(crate) struct Throttle {
    /// The limit of unauthenticated callers.
    pub(crate) unauthenticated: Rate,
    /// The limit of all callers together.
    pub(crate) total: Rate,
}

impl Throttle {
    /// Returns whether a request of `caller` is within the limits, and counts the request. Must be called after
    /// authentication, so that unauthenticated callers do not use up the limit of a principal.
    pub(crate) fn allows(&self, caller: &Caller) -> bool {
        let rate = caller.principal().map_or(&self.unauthenticated, Principal::rate);
        rate.try_acquire() && self.total.try_acquire()
    }
}
