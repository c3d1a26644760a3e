//! Log lines of requests that are refused or fail.

use std::array;
use std::sync::atomic::{AtomicU64, Ordering};

use kms_api::ErrorType;

use super::error::Refusal;
use crate::auth::Authenticator;
use crate::request::Received;
use crate::throttle::Rate;

/// Lines a second about unauthenticated callers for each type of error, and twice that in a burst. By
/// type, so that a flood of requests without a signature does not hide the client with an old secret.
const LINES_PER_SECOND: u32 = 10;

/// The log lines of refused requests. Each authenticated caller's refusal has one; those of
/// unauthenticated callers are limited in rate, lest they fill the log, and each line tells how many of
/// its type were left out before it.
#[derive(Debug)]
pub(crate) struct RefusalLog {
    /// In the order of [`ErrorType::ALL`].
    budgets: [Budget; ErrorType::ALL.len()],
}

#[derive(Debug)]
struct Budget {
    rate: Rate,
    omitted: AtomicU64,
}

impl RefusalLog {
    pub(crate) fn new() -> Self {
        let budget =
            |_| Budget { rate: Rate::per_second(LINES_PER_SECOND), omitted: AtomicU64::new(0) };
        Self { budgets: array::from_fn(budget) }
    }

    /// Logs why `request` is refused with `error`. Returns `false` if the limits left that out.
    pub(super) fn log(
        &self,
        refusal: &Refusal,
        error: ErrorType,
        request: &Received<'_>,
        authenticator: &Authenticator,
        is_unauthenticated: bool,
    ) -> bool {
        let omitted = if is_unauthenticated { self.admit(error) } else { Some(0) };
        let Some(omitted) = omitted else { return false };
        let access_key_id = match refusal {
            Refusal::Authentication(_) => authenticator.claimed_access_key_id(request.head),
            _ => None,
        };
        refusal.log(request, access_key_id, omitted);
        true
    }

    /// Returns how many lines were left out since the last one of this type, or `None` if this one is
    /// left out too.
    fn admit(&self, error: ErrorType) -> Option<u64> {
        let mut budgets = ErrorType::ALL.iter().zip(&self.budgets);
        let Some((_, Budget { rate, omitted })) = budgets.find(|(known, _)| **known == error)
        else {
            return Some(0);
        };
        if rate.admits_one() {
            return Some(omitted.swap(0, Ordering::Relaxed));
        }
        omitted.fetch_add(1, Ordering::Relaxed);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_out_a_flood_of_one_error_and_tells_how_much() {
        let log = RefusalLog::new();
        let flood = ErrorType::MissingAuthenticationToken;
        let admitted: Vec<_> = (0..1000).filter_map(|_| log.admit(flood)).collect();
        // A burst, and more where time passes.
        let lines = u64::try_from(admitted.len()).unwrap();
        assert!((20..500).contains(&lines), "{lines}");
        // Another error is not affected.
        assert_eq!(log.admit(ErrorType::InvalidSignature), Some(0));
        let omitted = loop {
            match log.admit(flood) {
                Some(omitted) => break omitted,
                None => std::thread::yield_now(),
            }
        };
        assert!(omitted >= 1000 - lines - admitted.iter().sum::<u64>(), "{omitted}");
    }
}
