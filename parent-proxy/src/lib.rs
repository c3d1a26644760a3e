//! Relays client TCP to the enclave. It is untrusted: it sees bytes, and can drop or delay them.
//!
//! Bytes pass unread: no HTTP, no TLS and no verifier is linked here. What the relay does decide is
//! how long and how many: every connection has deadlines ([`Config`]), memory is bounded in each
//! direction, and an idle connection holds no buffer at all.
//!
//! Beside that it can hand the enclave a file at boot: its configuration.
//!
//! `relay` accepts and drains, `connection` keeps one connection's deadlines, `pump` moves the bytes
//! of one connection and `direction` those of one direction.

mod config;
mod connection;
mod descriptors;
mod direction;
mod handout;
mod pump;
mod relay;
mod upstream;

pub use config::Config;
pub use descriptors::warn_of_few_descriptors;
pub use handout::Handout;
pub use relay::{Drained, Relay};
