//! Responses are authentic, whatever stands between client and enclave.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic fails the test"
)]

mod enclave;
mod forged_responses;
mod http;
mod relay;
mod verified_connection;
