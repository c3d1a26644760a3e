//! A limit per enclave, so that one enclave cannot use the capacity of all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use transport::LogThrottle;

/// The number of permits in use, by CID.
type InUse = Mutex<HashMap<u32, usize>>;

/// A limit on the permits of each CID.
#[derive(Debug)]
pub(super) struct PerCidLimit {
    limit: usize,
    in_use: Arc<InUse>,
    /// Message that is logged when an enclave reaches the limit.
    warning: &'static str,
    exceeded: LogThrottle,
}

/// A permit, returned on drop.
#[derive(Debug)]
pub(super) struct CidPermit(Option<(Arc<InUse>, u32)>);

impl PerCidLimit {
    /// Creates a limit of `limit` permits per CID. `warning` is logged when an enclave reaches it.
    pub(super) fn new(limit: usize, warning: &'static str) -> Self {
        Self { limit, in_use: Arc::default(), warning, exceeded: LogThrottle::default() }
    }

    /// Returns a permit, or `None` if the enclave has reached the limit. A peer without a CID has no limit.
    pub(super) fn try_acquire(&self, cid: Option<u32>) -> Option<CidPermit> {
        let Some(cid) = cid else { return Some(CidPermit(None)) };
        let mut in_use = lock(&self.in_use);
        let count = in_use.entry(cid).or_default();
        if *count < self.limit {
            *count += 1;
            return Some(CidPermit(Some((Arc::clone(&self.in_use), cid))));
        }
        if self.exceeded.should_log() {
            tracing::warn!(cid, limit = self.limit, "{}", self.warning);
        }
        None
    }
}

impl Drop for CidPermit {
    fn drop(&mut self) {
        if let Some((in_use, cid)) = &self.0 {
            let mut in_use = lock(in_use);
            if let Some(count) = in_use.get_mut(cid) {
                *count -= 1;
            }
            in_use.retain(|_, count| *count > 0);
        }
    }
}

fn lock(in_use: &InUse) -> MutexGuard<'_, HashMap<u32, usize>> {
    in_use.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cid_has_its_own_limit() {
        let limit = PerCidLimit::new(4, "too many");
        let mut permits: Vec<_> = (0..4).map(|_| limit.try_acquire(Some(16)).unwrap()).collect();
        assert!(limit.try_acquire(Some(16)).is_none());
        let others = [limit.try_acquire(Some(17)).unwrap(), limit.try_acquire(None).unwrap()];
        permits.pop();
        let again = limit.try_acquire(Some(16)).unwrap();
        assert!(limit.try_acquire(Some(16)).is_none());
        drop((permits, others, again));
        assert!(lock(&limit.in_use).is_empty());
    }
}
