//! How entropy is kept and used: the table `[entropy]`.

use std::time::Duration;

/// How entropy is kept and used.
#[derive(Clone, Copy, Debug)]
pub struct EntropySettings {
    /// How long a caller waits for a block.
    pub(crate) deadline: Duration,
    /// How long a call of the NSM may take before it is not asked again.
    pub(crate) watchdog: Duration,
    /// Blocks kept ready.
    pub(crate) prefetch: usize,
    /// How old a block may be when it is used.
    pub(crate) max_age: Duration,
    /// When DRBGs are reseeded.
    pub(crate) prediction_resistance: PredictionResistance,
}

impl EntropySettings {
    /// Says what is in effect.
    pub(crate) fn announce(&self) {
        let Self { deadline, watchdog, prefetch, max_age, prediction_resistance } = self;
        tracing::info!(
            ?prediction_resistance,
            prefetch,
            ?max_age,
            ?deadline,
            ?watchdog,
            "[entropy]"
        );
    }
}

/// When DRBGs are reseeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PredictionResistance {
    /// Before every answer.
    Request,
    /// After so many generates, or so much time, whichever comes first.
    Interval {
        /// Generates.
        requests: u64,
        /// Time.
        period: Duration,
    },
}

impl Default for EntropySettings {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(1),
            watchdog: Duration::from_secs(3),
            prefetch: 64,
            max_age: Duration::from_secs(60),
            prediction_resistance: PredictionResistance::Request,
        }
    }
}
