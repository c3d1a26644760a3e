//! Attested TLS: the binding of an attestation document to the certificate authority that was generated inside
//! the enclave ([`CaBinding`]), and the check that a TLS connection ends at that authority ([`verify_chain`]).

mod ca_binding;
mod not_after;
mod pem;
mod server_chain;

pub use ca_binding::{CaBinding, InvalidBinding};
pub use not_after::not_after;
pub use pem::certificate_pem;
pub use server_chain::{TlsChainError, is_valid_for, verify_chain};
