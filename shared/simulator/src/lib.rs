//! A forged Nitro world for ordinary hardware: real COSE over real P-384 chains shaped like AWS's,
//! under a root of its own. Whoever asks gets any document signed, so it must never be trusted: its
//! anchors are of another type ([`Simulated`](attestation::Simulated)) than production's.

#[cfg(production)]
compile_error!("the crate `simulator` must not be part of a production build");

mod certificate;
mod conditions;
pub mod der;
mod draws;
mod forge;
mod forgery;
mod key;
mod nsm;
mod pki;
mod state;
mod world;

pub use certificate::{CertificateSpec, Extension, Instead, KeyUsage};
pub use conditions::{Conditions, Fault, Onset, Readiness};
pub use draws::Draws;
pub use forge::{DocumentSpec, ForgeError, default_pcrs, sign_payload};
pub use forgery::Forgery;
pub use key::Key;
pub use nsm::SimulatedNsm;
pub use pki::{Chain, ROOT_COMMON_NAME, Root, RootError};
pub use state::{StateError, load_or_create};
pub use world::{DocumentRequest, Now, World, WorldError};
