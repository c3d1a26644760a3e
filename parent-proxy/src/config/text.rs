//! Values with the same textual form on the command line, in the environment and in the file.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::{Serialize, Serializer};

/// Maximum of every duration: a year, in seconds.
const MAX_SECONDS: u64 = 365 * 24 * 60 * 60;

/// A value that is parsed from text and printed as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text<T>(pub(super) T);

impl<T: FromStr> FromStr for Text<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        text.parse().map(Self)
    }
}

impl<T: Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de, T: FromStr<Err: Display>> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(D::Error::custom)
    }
}

/// A duration in whole seconds, from `MIN` to [`MAX_SECONDS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seconds<const MIN: u64>(u64);

impl<const MIN: u64> Seconds<MIN> {
    pub(super) fn from_duration(duration: Duration) -> Self {
        Self(duration.as_secs())
    }

    pub(super) fn duration(self) -> Duration {
        Duration::from_secs(self.0)
    }

    fn check(seconds: u64) -> Result<Self, String> {
        Some(Self(seconds))
            .filter(|_| (MIN..=MAX_SECONDS).contains(&seconds))
            .ok_or_else(Self::range_message)
    }

    fn range_message() -> String {
        format!("write whole seconds, from {MIN} to {MAX_SECONDS}")
    }
}

impl<const MIN: u64> FromStr for Seconds<MIN> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map_or_else(|_| Err(Self::range_message()), Self::check)
    }
}

impl<const MIN: u64> Serialize for Seconds<MIN> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

impl<'de, const MIN: u64> Deserialize<'de> for Seconds<MIN> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = i64::deserialize(deserializer)?;
        u64::try_from(seconds)
            .map_or_else(|_| Err(Self::range_message()), Self::check)
            .map_err(D::Error::custom)
    }
}
