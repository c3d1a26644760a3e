//! TLS that ends inside an enclave: the certificate authority that is born there ([`Authority`]), what
//! the enclave's attestation document says of it ([`CaBinding`]), and whether a TLS connection ends at
//! it ([`verify_chain`]). A key that others made is [read](private_key_from_pem) as well.

mod authority;
mod binding;
mod chain;
#[cfg(test)]
mod chain_tests;
mod key;
mod private_key;
mod validity;

pub use authority::{Authority, AuthorityError, Issued, certificate_pem};
pub use binding::{CaBinding, InvalidBinding};
pub use chain::{UnboundTls, is_valid_for, verify_chain};
pub use private_key::{InvalidPrivateKey, private_key_from_pem};
pub use validity::not_after;
