//! `attested-recipient trust` and clients with TLS, against enclaves that are right, wrong, or somebody
//! else.

#![expect(clippy::unwrap_used, reason = "a failure here is a test's failure")]

mod accepted;
mod bundle;
mod client;
mod command;
mod constraints;
mod enclave;
mod man_in_the_middle;
mod no_enclave;
mod refused;
mod terminator;
mod usage;
#[path = "../../../shared/tests/vectors/mod.rs"]
mod vectors;
