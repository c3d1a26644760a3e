//! Numbers within bounds, which the message of a number that is not names.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

/// A whole number from `MIN` to `MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounded<const MIN: u32, const MAX: u32>(u32);

impl<const MIN: u32, const MAX: u32> Bounded<MIN, MAX> {
    pub(super) fn get(self) -> u32 {
        self.0
    }

    pub(super) fn milliseconds(self) -> Duration {
        Duration::from_millis(self.0.into())
    }
}

impl<'de, const MIN: u32, const MAX: u32> Deserialize<'de> for Bounded<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BoundedVisitor<const MIN: u32, const MAX: u32>;
        impl<const MIN: u32, const MAX: u32> Visitor<'_> for BoundedVisitor<MIN, MAX> {
            type Value = Bounded<MIN, MAX>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "a whole number from {MIN} to {MAX}")
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
                match u32::try_from(number) {
                    Ok(within) if (MIN..=MAX).contains(&within) => Ok(Bounded(within)),
                    _ => Err(E::invalid_value(de::Unexpected::Signed(number), &self)),
                }
            }
        }
        deserializer.deserialize_any(BoundedVisitor)
    }
}

/// Up to half a second, in milliseconds or fractions of one: a module that took longer than a second
/// over a document would tell no time.
#[cfg(feature = "simulator")]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Latency(pub(super) Duration);

#[cfg(feature = "simulator")]
impl<'de> Deserialize<'de> for Latency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const MAX_MS: u32 = 500;
        struct LatencyVisitor;
        impl Visitor<'_> for LatencyVisitor {
            type Value = Latency;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "milliseconds from 0 to {MAX_MS}, such as 1 or 0.1")
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Latency, E> {
                match u32::try_from(number) {
                    Ok(ms @ ..=MAX_MS) => Ok(Latency(Duration::from_millis(ms.into()))),
                    _ => Err(E::invalid_value(de::Unexpected::Signed(number), &self)),
                }
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Latency, E> {
                match (0.0..=f64::from(MAX_MS)).contains(&number) {
                    true => Ok(Latency(Duration::from_secs_f64(number / 1000.0))),
                    false => Err(E::invalid_value(de::Unexpected::Float(number), &self)),
                }
            }
        }
        deserializer.deserialize_any(LatencyVisitor)
    }
}
