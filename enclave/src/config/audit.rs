//! The table `[audit]`: limits on the records of unauthenticated callers.

use serde::Deserialize;

use super::bounded_u32::BoundedU32;
use crate::audit::UnauthenticatedLimits;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditTable {
    /// Maximum audit records of unauthenticated callers per second. A burst may have twice this number.
    unauthenticated_per_second: Option<BoundedU32<1, 1_000_000>>,
    /// Maximum fill of the audit queue, in percent, at which it accepts a record of an unauthenticated caller.
    unauthenticated_queue_percent: Option<BoundedU32<1, 50>>,
}

impl AuditTable {
    pub(super) fn limits(&self) -> UnauthenticatedLimits {
        let UnauthenticatedLimits { per_second, queue_percent } = UnauthenticatedLimits::default();
        UnauthenticatedLimits {
            per_second: self.unauthenticated_per_second.map_or(per_second, BoundedU32::get),
            queue_percent: self
                .unauthenticated_queue_percent
                .map_or(queue_percent, BoundedU32::get),
        }
    }
}
