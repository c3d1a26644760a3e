//! Who may call, and what is recorded of it: whole services with a configuration.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a failure here is a test's failure"
)]

mod audit;
mod configured;
mod hunt;
mod policies;
mod recipients;
mod secrets;
mod throttle;
