//! How often one may call: a token bucket a principal, and one for all together.

use crate::auth::Caller;
use crate::principal::Principal;
use crate::rate::Rate;

/// The buckets that belong to no principal; each principal has its own.
#[derive(Debug)]
pub(crate) struct Throttle {
    /// Of whoever calls, where nobody is authenticated.
    pub(crate) anyone: Rate,
    /// Of all callers together.
    pub(crate) total: Rate,
}

impl Throttle {
    /// Whether `caller` may call now. Asked once it is known who calls: a stranger uses up nobody's
    /// share.
    pub(crate) fn admits(&self, caller: &Caller) -> bool {
        let rate = caller.principal().map_or(&self.anyone, Principal::rate);
        rate.admits_one() && self.total.admits_one()
    }
}
