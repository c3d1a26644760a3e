//! A service that verifies signatures and evaluates policies, for the tests of every client. The
//! parts are the configuration `config.toml`, the identities in it, and the audit records.

mod audit_trail;
mod clock_skew;
pub(crate) mod identities;

pub(crate) use audit_trail::{Attempt, AuditTrail, simulator};
pub(crate) use clock_skew::{ClientClock, ClockSkew};
