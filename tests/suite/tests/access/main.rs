//! Tests of authorization and of audit records. Each test starts a whole service with its own
//! configuration.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a panic fails the test")]

mod audit;
mod audit_buffer;
mod client_address;
mod credentials;
mod plaintext;
mod policies;
mod recipients;
mod service;
mod tcp_relay;
mod throttle;
mod unauthenticated;
