//! A service that verifies signatures and evaluates policies, for every client: `config.toml`, its
//! identities and the recorded attempts.

mod audit_trail;
mod clock_skew;
pub(crate) mod identities;

pub(crate) use audit_trail::{Attempt, AuditTrail, simulator};
pub(crate) use clock_skew::{ClientClock, ClockSkew};
