//! The table `[simulator]`, which only the simulator accepts.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use simulator::{Fault, FaultInjection, FaultTrigger};
use thiserror::Error;

use super::bounded_u32::BoundedU32;
use super::profile::Profile;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SimulatorTable {
    #[serde(default)]
    nsm: SimulatedNsmTable,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SimulatedNsmTable {
    image: Option<ImageName>,
    #[serde(default)]
    latency_ms: Latency,
    fault: Option<FaultName>,
    /// Number of NSM calls after start-up until the fault begins.
    after: Option<BoundedU32<0, { u32::MAX }>>,
}

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

impl SimulatorTable {
    /// Rejects the table in production.
    pub(super) fn check(profile: Profile) -> Result<(), InvalidSimulator> {
        match profile {
            Profile::Production => Err(InvalidSimulator::InProduction),
            Profile::Development => Ok(()),
        }
    }

    /// Returns the name of the simulated image, from which its measurements are derived.
    pub(super) fn image(&self) -> Option<&str> {
        self.nsm.image.as_ref().map(|ImageName(name)| name.as_str())
    }

    /// Returns the latency and the fault of the simulated NSM.
    pub(super) fn fault_injection(&self) -> Result<FaultInjection, InvalidSimulator> {
        let nsm = &self.nsm;
        let calls = nsm.after.map(BoundedU32::get);
        let trigger = calls
            .map_or(FaultTrigger::Boot, |calls| FaultTrigger::AfterReady { calls: calls.into() });
        let fault = match nsm.fault {
            Some(fault) => Some((Fault::from(fault), trigger)),
            None if nsm.after.is_some() => return Err(InvalidSimulator::AfterWithoutFault),
            None => None,
        };
        Ok(FaultInjection { latency: nsm.latency_ms.0, fault })
    }
}

/// A name of 1 to 64 characters.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct ImageName(String);

impl TryFrom<String> for ImageName {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        match name.chars().count() {
            1..=64 => Ok(Self(name)),
            _ => Err("expected a name of 1 to 64 characters"),
        }
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

/// A latency from 0 to 500 ms, written in milliseconds with an optional fraction.
///
/// The maximum is below one second, because the service does not set its clock from a document that takes longer
/// than one second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Latency(Duration);

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

/// The error for the table `[simulator]`.
#[derive(Debug, Error)]
pub enum InvalidSimulator {
    /// The key `after` without the key `fault`.
    #[error("[simulator.nsm] after has no effect without fault: set fault, or remove after")]
    AfterWithoutFault,
    /// The table in production.
    #[error("[simulator] is only for enclave-simulator: remove it")]
    InProduction,
}
