//! A simulator of the Nitro PKI and of the Nitro Secure Module, for ordinary hardware.
//!
//! Its documents have real COSE signatures. Their P-384 certificate chains have the form of AWS's chains, but
//! end at the simulator's own root. The simulator signs any document for any caller, so production must never
//! trust it. Its trust anchors have another type ([`Simulated`](attestation::Simulated)) than those of
//! production.

#[cfg(production)]
compile_error!("the crate `simulator` must not be part of a production build");

mod call_counter;
mod certificate;
mod chain;
pub mod der;
mod distinguished_names;
mod document_builder;
mod document_spec;
mod fault_injection;
mod issued_certificate;
mod key;
mod nsm;
mod root;
mod simulated_pki;
mod state_file;

pub use call_counter::CallCounter;
pub use certificate::{CertificateSpec, Extension, KeyUsage, Overrides};
pub use chain::Chain;
pub use distinguished_names::ROOT_COMMON_NAME;
pub use document_builder::DocumentBuilder;
pub use document_spec::{DocumentSpec, SigningError, default_pcrs, image_pcrs, sign_payload};
pub use fault_injection::{Fault, FaultInjection, FaultTrigger, Readiness};
pub use key::Key;
pub use nsm::SimulatedNsm;
pub use root::{Root, RootError};
pub use simulated_pki::{ClockFn, DocumentRequest, SimulatedPki, SimulatedPkiError};
pub use state_file::{StateFileError, load_or_create};
