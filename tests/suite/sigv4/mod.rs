//! A service that looks at signatures and policies, for whichever client: `config.toml`, who is
//! who in it, and what comes of each attempt.

mod audit_trail;
mod clock_skew;
pub(crate) mod identities;

pub(crate) use audit_trail::{Attempt, AuditTrail, simulator};
pub(crate) use clock_skew::{ClientClock, ClockSkew};
