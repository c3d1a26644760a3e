//! Forged and replayed responses. A relay holds no secret of the enclave, but sees every request. Each
//! client that verifies responses must reject what the relay makes of them, with the reason.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic fails the test"
)]

#[path = "../binaries/mod.rs"]
#[allow(dead_code, unused_imports, reason = "other tests use the other items")]
mod binaries;
#[path = "../clients/mod.rs"]
#[allow(dead_code, unused_imports, reason = "other tests use the other items")]
mod clients;
mod forging_relay;
mod forging_script;
mod plain_connections;
mod script_attacks;
#[path = "../../sigv4/mod.rs"]
#[allow(dead_code, unused_imports, reason = "other tests use the other items")]
mod sigv4;
mod tls_connections;
mod tls_interceptor;
#[path = "../../../../shared/attestation/tests/vectors/mod.rs"]
mod vectors;
mod victims;
