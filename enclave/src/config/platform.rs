//! The tables of what the service stands on: `[entropy]`, `[platform]` and, on a laptop,
//! `[simulator]`.

use std::time::Duration;

use serde::Deserialize;

use super::bounded::Bounded;
#[cfg(feature = "simulator")]
use super::bounded::Latency;
use super::error::MeaningError;
use crate::entropy::{EntropySettings, PredictionResistance};
use crate::nsm::NsmSettings;
use crate::platform::PlatformSettings;

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
    pub(super) fn settings(self) -> Result<EntropySettings, MeaningError> {
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

    fn prediction_resistance(&self) -> Result<PredictionResistance, MeaningError> {
        let (requests, period) = (self.reseed_requests, self.reseed_interval_ms);
        match self.prediction_resistance {
            PredictionResistanceMode::Interval => Ok(PredictionResistance::Interval {
                requests: requests.map_or(RESEED_REQUESTS, Bounded::get).into(),
                period: period.map_or(NsmSettings::default().max_age, Bounded::milliseconds),
            }),
            PredictionResistanceMode::Request if requests.is_none() && period.is_none() => {
                Ok(PredictionResistance::Request)
            }
            PredictionResistanceMode::Request => Err(MeaningError::UnusedReseedInterval),
        }
    }
}

/// Blocks a second that an idle service may ask for: a module gives some thousands, and the kernel's
/// own generator needs some of them.
const MAX_IDLE_RATE: u128 = 100;

/// Whatever is ready is replaced when it is too old, whether anybody asks or not.
fn check_idle_rate(prefetch: usize, max_age: Duration) -> Result<(), MeaningError> {
    let blocks = u128::try_from(prefetch).unwrap_or(u128::MAX).saturating_mul(1000);
    match blocks <= MAX_IDLE_RATE * max_age.as_millis() {
        true => Ok(()),
        false => Err(MeaningError::IdleRate),
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlatformTable {
    /// Clocksources that are accepted, as sysfs names them.
    clocksources: Option<Vec<String>>,
}

impl PlatformTable {
    pub(super) fn settings(self) -> Result<PlatformSettings, MeaningError> {
        match self.clocksources {
            None => Ok(PlatformSettings::default()),
            Some(clocksources)
                if clocksources.is_empty() || clocksources.iter().any(String::is_empty) =>
            {
                Err(MeaningError::NoClocksource)
            }
            Some(clocksources) => Ok(PlatformSettings { clocksources }),
        }
    }
}

#[cfg(feature = "simulator")]
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SimulatorTable {
    #[serde(default)]
    nsm: SimulatedNsmTable,
}

#[cfg(feature = "simulator")]
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SimulatedNsmTable {
    #[serde(default)]
    latency_ms: Latency,
    fault: Option<FaultName>,
    /// Calls that still work once the service is ready.
    after: Option<Bounded<0, { u32::MAX }>>,
}

#[cfg(feature = "simulator")]
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum FaultName {
    Short,
    Long,
    Empty,
    Repeat,
    Zeros,
    Ones,
    Counter,
    Stuck,
    Error,
    Malformed,
    Hang,
}

#[cfg(feature = "simulator")]
mod simulated {
    use simulator::{Conditions, Fault, Onset};

    use super::{Bounded, FaultName, MeaningError, SimulatorTable};

    impl SimulatorTable {
        pub(in crate::config) fn conditions(&self) -> Result<Conditions, MeaningError> {
            let nsm = &self.nsm;
            let calls = nsm.after.map(Bounded::get);
            let onset =
                calls.map_or(Onset::Boot, |calls| Onset::AfterReady { calls: calls.into() });
            let fault = match nsm.fault {
                Some(fault) => Some((Fault::from(fault), onset)),
                None if nsm.after.is_some() => return Err(MeaningError::AfterWithoutFault),
                None => None,
            };
            Ok(Conditions { latency: nsm.latency_ms.0, fault })
        }
    }

    impl From<FaultName> for Fault {
        fn from(name: FaultName) -> Self {
            match name {
                FaultName::Short => Self::Short,
                FaultName::Long => Self::Long,
                FaultName::Empty => Self::Empty,
                FaultName::Repeat => Self::Repeat,
                FaultName::Zeros => Self::Zeros,
                FaultName::Ones => Self::Ones,
                FaultName::Counter => Self::Counter,
                FaultName::Stuck => Self::Stuck,
                FaultName::Error => Self::Error,
                FaultName::Malformed => Self::Malformed,
                FaultName::Hang => Self::Hang,
            }
        }
    }
}
