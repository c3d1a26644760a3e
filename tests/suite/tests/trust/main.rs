//! `attested-recipient trust` and clients with TLS, against enclaves that are right, wrong, or somebody
//! else.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a failure here is a test's failure"
)]

mod accepted;
mod any_of;
#[path = "../binaries/mod.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod binaries;
mod bundle;
mod client;
mod command;
mod constraints;
mod enclave;
mod man_in_the_middle;
mod no_enclave;
mod refused;
mod starved;
mod terminator;
mod throttled;
mod usage;
#[path = "../../../../shared/attestation/tests/vectors/mod.rs"]
mod vectors;
