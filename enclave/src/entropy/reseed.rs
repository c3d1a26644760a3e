//! The decision whether a DRBG instance must be reseeded.

use std::time::{Duration, Instant};

use super::drbg_pool::DrbgInstance;

/// The rule that decides when a DRBG instance must be reseeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReseedPolicy {
    /// Reseeds before every request.
    PerRequest,
    /// Reseeds an instance when one of two limits is reached.
    Interval {
        /// Maximum number of generate calls of the instance since its last reseed.
        generate_calls: u64,
        /// Maximum time since the last reseed.
        period: Duration,
    },
}

impl ReseedPolicy {
    /// Returns whether `instance` must be reseeded before it generates bytes.
    pub(super) fn is_due(self, instance: &DrbgInstance, now: Instant) -> bool {
        match self {
            Self::PerRequest => true,
            Self::Interval { generate_calls, period } => {
                instance.reseeded_at().is_none_or(|at| now.duration_since(at) >= period)
                    || instance.generate_calls_since_reseed() >= generate_calls
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::nsm::Block;

    fn block(byte: u8) -> Block {
        Block::new(Zeroizing::new(vec![byte; 256]))
    }

    fn generate(instance: &mut DrbgInstance) {
        instance.generate(&mut [0; 32]).unwrap();
    }

    #[test]
    fn interval_is_due_before_first_answer_and_at_either_limit() {
        let now = Instant::now();
        let mut instance = DrbgInstance::instantiate(&block(1), &block(2)).unwrap();
        let period = Duration::from_secs(10);
        let policy = ReseedPolicy::Interval { generate_calls: 2, period };
        let due = |instance: &DrbgInstance, after| policy.is_due(instance, now + after);
        assert!(due(&instance, Duration::ZERO));
        instance.reseed(block(3), now).unwrap();
        assert!(!due(&instance, period - Duration::from_nanos(1)));
        assert!(due(&instance, period));
        generate(&mut instance);
        assert!(!due(&instance, Duration::ZERO));
        generate(&mut instance);
        assert!(due(&instance, Duration::ZERO));
    }
}
