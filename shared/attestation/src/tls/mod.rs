//! Attested TLS: the binding of an attestation document to the certificate authority that was generated inside
//! the enclave ([`CaBinding`]), and the check that a TLS connection ends at that authority ([`verify_chain`]).

mod binding;
mod chain;
mod pem;
mod validity;

pub use binding::{CaBinding, InvalidBinding};
pub use chain::{UnboundTls, is_valid_for, verify_chain};
pub use pem::certificate_pem;
pub use validity::not_after;
