//! Tests of `attested-recipient audit verify`: genuine trails, and each kind of manipulation.

#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

mod enclave;
mod large_trail;
mod manipulations;
mod receipts;
