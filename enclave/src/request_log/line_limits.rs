//! Limits on the log lines about unauthenticated callers.

use std::array;
use std::sync::atomic::{AtomicU64, Ordering};

use kms_api::ErrorType;

use crate::rate::Rate;

/// Maximum log lines about unauthenticated callers, per second and error type. A burst may have twice this number.
/// Because each type has its own limit, a flood of unsigned requests does not suppress the lines about a client
/// that signs with an old secret.
const LINES_PER_SECOND: u32 = 10;

/// Limits on the log lines about unauthenticated callers, so that these lines do not fill the log. Each line contains
/// the number of lines that were omitted since the last line of the same type.
#[derive(Debug)]
pub(super) struct LineLimits {
    /// The budget of each error type, in the order of [`ErrorType::ALL`].
    budgets: [Budget; ErrorType::ALL.len()],
}

#[derive(Debug)]
struct Budget {
    rate: Rate,
    omitted: AtomicU64,
}

impl LineLimits {
    pub(super) fn new() -> Self {
        let budget =
            |_| Budget { rate: Rate::per_second(LINES_PER_SECOND), omitted: AtomicU64::new(0) };
        Self { budgets: array::from_fn(budget) }
    }

    /// Returns the number of lines that were omitted since the last line of this type. Returns `None` if this
    /// line must be omitted.
    pub(super) fn allow(&self, error: ErrorType) -> Option<u64> {
        let mut budgets = ErrorType::ALL.iter().zip(&self.budgets);
        let Some((_, Budget { rate, omitted })) =
            budgets.find(|(error_type, _)| **error_type == error)
        else {
            return Some(0);
        };
        if rate.try_acquire() {
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
    fn omits_lines_over_the_limit_and_reports_the_count() {
        let limits = LineLimits::new();
        let flood = ErrorType::MissingAuthenticationToken;
        let allowed: Vec<_> = (0..1000).filter_map(|_| limits.allow(flood)).collect();
        // A burst, and more lines if time passes.
        let lines = u64::try_from(allowed.len()).unwrap();
        assert!((20..500).contains(&lines), "{lines}");
        // Another error is not affected.
        assert_eq!(limits.allow(ErrorType::InvalidSignature), Some(0));
        let omitted = loop {
            match limits.allow(flood) {
                Some(omitted) => break omitted,
                None => std::thread::yield_now(),
            }
        };
        assert!(omitted >= 1000 - lines - allowed.iter().sum::<u64>(), "{omitted}");
    }
}
