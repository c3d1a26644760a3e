//! The settings of the table `[entropy]`.

use super::reseed::ReseedPolicy;
use crate::nsm::NsmSettings;

/// The settings of the entropy source.
#[derive(Clone, Copy, Debug)]
pub struct EntropySettings {
    /// Settings of the NSM thread.
    pub(crate) nsm: NsmSettings,
    /// The rule for reseeds of DRBG instances.
    pub(crate) reseed_policy: ReseedPolicy,
}

impl EntropySettings {
    /// Logs the settings.
    pub(crate) fn announce(&self) {
        let Self { nsm, reseed_policy } = self;
        let NsmSettings { deadline, watchdog, prefetch, max_age } = nsm;
        let (reseed, reseed_generate_calls, reseed_interval_ms) = match reseed_policy {
            ReseedPolicy::PerRequest => ("per-request", None, None),
            ReseedPolicy::Interval { generate_calls, period } => {
                ("interval", Some(*generate_calls), Some(period.as_millis()))
            }
        };
        tracing::info!(
            reseed,
            reseed_generate_calls,
            reseed_interval_ms,
            prefetch,
            max_age_ms = max_age.as_millis(),
            deadline_ms = deadline.as_millis(),
            watchdog_ms = watchdog.as_millis(),
            "[entropy]"
        );
    }
}

impl Default for EntropySettings {
    fn default() -> Self {
        Self { nsm: NsmSettings::default(), reseed_policy: ReseedPolicy::PerRequest }
    }
}
