//! The table `[entropy]`.

use std::time::Duration;

use serde::Deserialize;
use thiserror::Error;

use super::bounded_u32::BoundedU32;
use crate::entropy::{EntropySettings, ReseedPolicy};
use crate::nsm::NsmSettings;

/// Default of `reseed_generate_calls`.
pub(super) const RESEED_GENERATE_CALLS: u32 = 1024;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EntropyTable {
    /// Maximum time that a caller waits for the NSM, in milliseconds.
    deadline_ms: Option<BoundedU32<10, 60_000>>,
    /// Maximum duration of a call of the NSM, in milliseconds.
    watchdog_ms: Option<BoundedU32<100, 120_000>>,
    /// Number of prefetched blocks. 0 disables prefetching.
    prefetch: Option<BoundedU32<0, 1024>>,
    /// Maximum age of a block at its use, in milliseconds.
    max_age_ms: Option<BoundedU32<100, 600_000>>,
    #[serde(default)]
    reseed: ReseedMode,
    /// Number of generate calls of a DRBG instance between two reseeds.
    reseed_generate_calls: Option<BoundedU32<1, 65_536>>,
    /// Time between two reseeds of a DRBG instance, in milliseconds.
    reseed_interval_ms: Option<BoundedU32<100, 600_000>>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ReseedMode {
    /// Every response is generated with fresh entropy.
    #[default]
    PerRequest,
    /// A DRBG instance is reseeded after `reseed_generate_calls` generate calls or `reseed_interval_ms`,
    /// whichever comes first.
    Interval,
}

impl EntropyTable {
    /// Returns the settings, with defaults for absent keys.
    pub(super) fn settings(self) -> Result<EntropySettings, InvalidEntropy> {
        let default = NsmSettings::default();
        let prefetch = self.prefetch.map(|prefetch| prefetch.get());
        let prefetch = prefetch
            .and_then(|prefetch| usize::try_from(prefetch).ok())
            .unwrap_or(default.prefetch);
        let max_age = self.max_age_ms.map_or(default.max_age, BoundedU32::milliseconds);
        check_idle_rate(prefetch, max_age)?;
        let nsm = NsmSettings {
            deadline: self.deadline_ms.map_or(default.deadline, BoundedU32::milliseconds),
            watchdog: self.watchdog_ms.map_or(default.watchdog, BoundedU32::milliseconds),
            prefetch,
            max_age,
        };
        Ok(EntropySettings { nsm, reseed_policy: self.reseed_policy()? })
    }

    /// Returns whether DRBGs are reseeded at intervals.
    pub(super) fn reseeds_at_intervals(&self) -> bool {
        matches!(self.reseed, ReseedMode::Interval)
    }

    fn reseed_policy(&self) -> Result<ReseedPolicy, InvalidEntropy> {
        let (generate_calls, period) = (self.reseed_generate_calls, self.reseed_interval_ms);
        match self.reseed {
            ReseedMode::Interval => Ok(ReseedPolicy::Interval {
                generate_calls: generate_calls
                    .map_or(RESEED_GENERATE_CALLS, BoundedU32::get)
                    .into(),
                period: period.map_or(NsmSettings::default().max_age, BoundedU32::milliseconds),
            }),
            ReseedMode::PerRequest if generate_calls.is_none() && period.is_none() => {
                Ok(ReseedPolicy::PerRequest)
            }
            ReseedMode::PerRequest => Err(InvalidEntropy::UnusedReseedInterval),
        }
    }
}

/// Maximum number of blocks that an idle service may request per second. The limit leaves capacity of the NSM for
/// the kernel's random number generator. The capacity has not been measured. `docs/operating.md` assumes 1,000
/// blocks per second.
const MAX_IDLE_RATE: u128 = 100;

/// Rejects settings under which an idle service would exceed [`MAX_IDLE_RATE`]. The service replaces each prefetched
/// block once the block is older than `max_age`, even without requests.
fn check_idle_rate(prefetch: usize, max_age: Duration) -> Result<(), InvalidEntropy> {
    let blocks = u128::try_from(prefetch).unwrap_or(u128::MAX).saturating_mul(1000);
    match blocks <= MAX_IDLE_RATE * max_age.as_millis() {
        true => Ok(()),
        false => Err(InvalidEntropy::IdleRate { prefetch, max_age }),
    }
}

/// The error for the table `[entropy]`.
#[derive(Debug, Error)]
pub enum InvalidEntropy {
    /// A reseed interval in the mode `per-request`.
    #[error(
        "[entropy] reseed_generate_calls and reseed_interval_ms have no effect with \
         reseed = \"per-request\": write reseed = \"interval\", or remove them"
    )]
    UnusedReseedInterval,
    /// More blocks per second than an idle service may request.
    #[error(
        "[entropy] with prefetch = {prefetch} and max_age_ms = {max_age_ms} an idle service would \
         request more than {MAX_IDLE_RATE} blocks a second: decrease prefetch or increase max_age_ms",
        max_age_ms = .max_age.as_millis()
    )]
    IdleRate {
        /// The number of prefetched blocks.
        prefetch: usize,
        /// The maximum age of a block.
        max_age: Duration,
    },
}
