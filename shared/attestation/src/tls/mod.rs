//! Attested TLS: the keys of TLS that an attestation document attests.
//!
//! The server's key and the certificate authority are generated inside the enclave, and the enclave's document
//! contains the digests of both keys ([`Identity`](crate::Identity)). [`verify_chain`] checks that a TLS server's
//! certificates chain to that authority.

mod not_after;
mod pem;
mod server_chain;
mod spki_digest;

pub use not_after::not_after;
pub use pem::certificate_pem;
pub use server_chain::{TlsChainError, is_valid_for, verify_chain};
pub use spki_digest::spki_digest;
