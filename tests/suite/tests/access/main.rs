//! Who may call, and what is recorded of it: whole services with a configuration.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a failure here is a test's failure")]

mod audit;
mod configured;
mod plaintext;
mod policies;
mod recipients;
mod relay;
mod sources;
mod throttle;
mod trail;
mod unauthenticated;
mod wallet;
