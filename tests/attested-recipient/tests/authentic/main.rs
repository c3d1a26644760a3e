//! Tests of verified connections and of the proxy, with a relay that forges responses.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic fails the test"
)]

mod enclave;
mod forged_responses;
mod http;
mod proxy;
mod proxy_command;
mod proxy_requests;
mod proxy_retries;
mod relay;
mod verified_connection;
