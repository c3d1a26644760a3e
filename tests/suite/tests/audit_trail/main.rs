//! Tests of `attested-recipient audit verify`: genuine trails, and each kind of manipulation.

mod enclave;
mod large_trail;
mod manipulations;
mod receipts;
