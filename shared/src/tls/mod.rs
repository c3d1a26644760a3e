//! TLS that ends inside an enclave: the certificate authority that is born there ([`Authority`]), what
//! the enclave's attestation document says of it ([`CaBinding`]), and whether a TLS connection ends at
//! it ([`verify_chain`]).

mod authority;
mod binding;
mod chain;
#[cfg(test)]
mod chain_tests;

pub use authority::{Authority, AuthorityError, Issued, certificate_pem};
pub use binding::{CaBinding, InvalidBinding};
pub use chain::{UnboundTls, verify_chain};
