//! How entropy is kept and used: the table `[entropy]`.

use std::time::Duration;

use crate::nsm::NsmSettings;

/// Settings of the entropy source.
#[derive(Clone, Copy, Debug)]
pub struct EntropySettings {
    /// Settings of the NSM's thread.
    pub(crate) nsm: NsmSettings,
    /// When DRBGs are reseeded.
    pub(crate) prediction_resistance: PredictionResistance,
}

impl EntropySettings {
    /// Logs the settings in effect.
    pub(crate) fn announce(&self) {
        let Self { nsm, prediction_resistance } = self;
        let NsmSettings { deadline, watchdog, prefetch, max_age } = nsm;
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
        Self { nsm: NsmSettings::default(), prediction_resistance: PredictionResistance::Request }
    }
}
