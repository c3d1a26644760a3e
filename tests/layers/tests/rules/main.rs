//! Tests of the checker with small crates that violate one rule each.

#![expect(clippy::unwrap_used, reason = "an error in a test is a failure of the test")]

mod command;
mod cycles;
mod fixture;
mod layers;
mod reading;
mod unreadable;
