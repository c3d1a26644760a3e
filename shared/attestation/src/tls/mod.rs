//! Attested TLS: the binding of a certificate authority to an attestation document.
//!
//! The authority is generated inside the enclave, and the enclave's document contains the digest of its key
//! ([`CaBinding`]). [`verify_chain`] checks that a TLS server's certificates chain to that authority.

mod ca_binding;
mod not_after;
mod pem;
mod server_chain;

pub use ca_binding::{CaBinding, InvalidBinding};
pub use not_after::not_after;
pub use pem::certificate_pem;
pub use server_chain::{TlsChainError, is_valid_for, verify_chain};
