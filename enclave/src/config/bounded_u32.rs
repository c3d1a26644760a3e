//! Integers with bounds that are checked during deserialization.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

/// An integer from `MIN` to `MAX`. The error for a number outside these bounds contains both bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BoundedU32<const MIN: u32, const MAX: u32>(u32);

impl<const MIN: u32, const MAX: u32> BoundedU32<MIN, MAX> {
    pub(super) fn get(self) -> u32 {
        self.0
    }

    pub(super) fn milliseconds(self) -> Duration {
        Duration::from_millis(self.0.into())
    }
}

impl<'de, const MIN: u32, const MAX: u32> Deserialize<'de> for BoundedU32<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BoundedU32Visitor<const MIN: u32, const MAX: u32>;
        impl<const MIN: u32, const MAX: u32> Visitor<'_> for BoundedU32Visitor<MIN, MAX> {
            type Value = BoundedU32<MIN, MAX>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "a whole number from {MIN} to {MAX}")
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
                match u32::try_from(number) {
                    Ok(within) if (MIN..=MAX).contains(&within) => Ok(BoundedU32(within)),
                    _ => Err(E::invalid_value(de::Unexpected::Signed(number), &self)),
                }
            }
        }
        deserializer.deserialize_any(BoundedU32Visitor)
    }
}
