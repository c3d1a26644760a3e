//! The command `attested-recipient` as its users run it, without a network.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failure here is a test's failure"
)]

mod config_command;
mod eif_command;
mod policy_command;
mod policy_page;
