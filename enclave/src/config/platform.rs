//! The table `[platform]`.

use serde::Deserialize;
use thiserror::Error;

use crate::platform::PlatformSettings;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlatformTable {
    /// Names of the accepted clocksources, as in sysfs.
    clocksources: Option<Vec<String>>,
}

impl PlatformTable {
    /// Returns the settings, with defaults for absent keys.
    pub(super) fn settings(self) -> Result<PlatformSettings, InvalidPlatform> {
        match self.clocksources {
            None => Ok(PlatformSettings::default()),
            Some(clocksources)
                if clocksources.is_empty() || clocksources.iter().any(String::is_empty) =>
            {
                Err(InvalidPlatform::NoClocksource)
            }
            Some(clocksources) => Ok(PlatformSettings { clocksources }),
        }
    }
}

/// The error for the table `[platform]`.
#[derive(Debug, Error)]
pub enum InvalidPlatform {
    /// An empty list of clocksources, or an empty name.
    #[error(
        "[platform] clocksources is empty or contains an empty name: list at least one, such as \
         \"kvm-clock\""
    )]
    NoClocksource,
}
