//! Tests of `attested-recipient trust` and of TLS clients with valid enclaves, invalid enclaves and
//! other servers.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a panic fails the test"
)]

mod accepted;
#[path = "../binaries/mod.rs"]
#[allow(dead_code, reason = "other tests use the other items")]
mod binaries;
mod ca_bundle;
mod client;
mod command_line;
mod enclave;
mod handshake_flood;
mod man_in_the_middle;
mod name_constraints;
mod not_an_enclave;
mod pcrs_any_of;
mod rejected;
mod throttling;
mod tls_terminator;
mod trust_command;
#[path = "../../../../shared/attestation/tests/vectors/mod.rs"]
mod vectors;
