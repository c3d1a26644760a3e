//! The table `[entropy]`.

use std::time::Duration;

use serde::Deserialize;
use thiserror::Error;

use super::bounded::Bounded;
use crate::entropy::{EntropySettings, PredictionResistance};
use crate::nsm::NsmSettings;

/// Generates between two reseeds of a DRBG that is not reseeded for each.
pub(super) const RESEED_REQUESTS: u32 = 1024;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EntropyTable {
    /// How long a caller waits for the NSM.
    deadline_ms: Option<Bounded<10, 60_000>>,
    /// How long a call of the NSM may take.
    watchdog_ms: Option<Bounded<100, 120_000>>,
    /// Blocks kept ready; 0 is none.
    prefetch: Option<Bounded<0, 1024>>,
    /// How old one may be when it is used.
    max_age_ms: Option<Bounded<100, 600_000>>,
    #[serde(default)]
    prediction_resistance: PredictionResistanceMode,
    reseed_requests: Option<Bounded<1, 65_536>>,
    reseed_interval_ms: Option<Bounded<100, 600_000>>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum PredictionResistanceMode {
    /// Each answer has entropy of its own.
    #[default]
    Request,
    /// Several share it.
    Interval,
}

impl EntropyTable {
    pub(super) fn settings(self) -> Result<EntropySettings, InvalidEntropy> {
        let default = NsmSettings::default();
        let prefetch = self.prefetch.map(|prefetch| prefetch.get());
        let prefetch = prefetch
            .and_then(|prefetch| usize::try_from(prefetch).ok())
            .unwrap_or(default.prefetch);
        let max_age = self.max_age_ms.map_or(default.max_age, Bounded::milliseconds);
        check_idle_rate(prefetch, max_age)?;
        let nsm = NsmSettings {
            deadline: self.deadline_ms.map_or(default.deadline, Bounded::milliseconds),
            watchdog: self.watchdog_ms.map_or(default.watchdog, Bounded::milliseconds),
            prefetch,
            max_age,
        };
        Ok(EntropySettings { nsm, prediction_resistance: self.prediction_resistance()? })
    }

    /// Whether DRBGs are reseeded now and then.
    pub(super) fn has_intervals(&self) -> bool {
        matches!(self.prediction_resistance, PredictionResistanceMode::Interval)
    }

    fn prediction_resistance(&self) -> Result<PredictionResistance, InvalidEntropy> {
        let (requests, period) = (self.reseed_requests, self.reseed_interval_ms);
        match self.prediction_resistance {
            PredictionResistanceMode::Interval => Ok(PredictionResistance::Interval {
                requests: requests.map_or(RESEED_REQUESTS, Bounded::get).into(),
                period: period.map_or(NsmSettings::default().max_age, Bounded::milliseconds),
            }),
            PredictionResistanceMode::Request if requests.is_none() && period.is_none() => {
                Ok(PredictionResistance::Request)
            }
            PredictionResistanceMode::Request => Err(InvalidEntropy::UnusedReseedInterval),
        }
    }
}

/// Blocks a second that an idle service may ask for: a module gives some thousands, and the kernel's
/// own generator needs some of them.
const MAX_IDLE_RATE: u128 = 100;

/// Whatever is ready is replaced when it is too old, whether anybody asks or not.
fn check_idle_rate(prefetch: usize, max_age: Duration) -> Result<(), InvalidEntropy> {
    let blocks = u128::try_from(prefetch).unwrap_or(u128::MAX).saturating_mul(1000);
    match blocks <= MAX_IDLE_RATE * max_age.as_millis() {
        true => Ok(()),
        false => Err(InvalidEntropy::IdleRate),
    }
}

/// The error for the table `[entropy]`.
#[derive(Debug, Error)]
pub enum InvalidEntropy {
    /// How often to reseed, where each answer is reseeded for.
    #[error(
        "[entropy] reseed_requests and reseed_interval_ms need prediction_resistance = \"interval\": \
         without it every answer has entropy of its own"
    )]
    UnusedReseedInterval,
    /// Blocks that grow too old sooner than anybody wants.
    #[error(
        "[entropy] prefetch blocks every max_age_ms would keep an idle NSM busy: at most 100 a second, \
         so make prefetch smaller or max_age_ms longer"
    )]
    IdleRate,
}
