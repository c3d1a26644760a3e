//! Tests of stored exchanges: the offline verification of receipts, disclosures and time stamps.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic fails the test"
)]

mod changed_bits;
mod disclosure;
mod enclave;
mod envelope;
mod python_example;
mod random;
mod time_stamp;
mod time_stamp_authority;
#[path = "../../../../shared/attestation/tests/vectors/mod.rs"]
mod vectors;
mod verify_receipt;
