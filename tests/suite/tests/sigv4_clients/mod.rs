//! Tests of real clients that sign their requests. The service verifies signatures and evaluates
//! policies (`tests/suite/sigv4/config.toml`). The audit trail contains the result of each attempt.

mod accepted;
mod client;
mod clock_skew;
mod rejected;
mod sigv4_service;
mod tampering;
