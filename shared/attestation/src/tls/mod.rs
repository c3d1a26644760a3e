//! Attested TLS: what an enclave's attestation document says of the certificate authority that was
//! generated inside the enclave ([`CaBinding`]), and whether a TLS connection ends at that authority
//! ([`verify_chain`]).

mod binding;
mod chain;
mod pem;
mod validity;

pub use binding::{CaBinding, InvalidBinding};
pub use chain::{UnboundTls, is_valid_for, verify_chain};
pub use pem::certificate_pem;
pub use validity::not_after;
