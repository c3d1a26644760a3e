//! Connections to an enclave whose responses prove where they came from.
//!
//! A [`Verifier`] opens connections to one [`Upstream`]. It fetches the enclave's document on each connection
//! and verifies it: steps 4 to 6 of the [checklist](attestation::receipt). The connection then proves its
//! responses in one of two ways:
//!
//! - `https`: attested TLS. The document attests the key of the certificate of this handshake. Names and
//!   issuers are not judged.
//! - `http`: each response with a status below 400 has a receipt, for a new nonce.
//!
//! The module keeps no state between connections, so a restarted enclave with a new identity needs no change
//! of the configuration.

mod authorities;
mod clock;
mod connection;
mod document;
mod error;
mod link;
mod request;
mod response;
mod upstream;

pub use self::authorities::{Authorities, InvalidAuthorities};
pub use self::clock::{ClockUnavailable, VerifierClock};
pub use self::connection::{MAX_RESPONSE_LENGTH, VerifiedConnection, Verifier};
pub use self::error::{ConnectionError, ErrorKind};
pub use self::request::{InvalidRequest, Request};
pub use self::response::{Proof, Response};
pub use self::upstream::{InvalidUpstream, Upstream};
pub use crate::http1::FramingError;
