//! Tests of several crates together. Client, relay and enclave run in one process and use the
//! loopback interface.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic fails the test"
)]

mod command;
mod errors;
mod log_forwarding;
mod proxy_protocol;
mod receipts;
mod service;
mod simulated_time;
mod simulator_endpoint;
#[path = "../../../../shared/attestation/tests/vectors/mod.rs"]
mod vectors;
