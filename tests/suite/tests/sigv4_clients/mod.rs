//! Real clients that sign, with a service that verifies signatures and evaluates policies
//! (`tests/suite/sigv4/config.toml`). The audit trail shows the result of each attempt.

mod accepted;
mod client;
mod clock_skew;
mod rejected;
mod sigv4_service;
mod tampering;
