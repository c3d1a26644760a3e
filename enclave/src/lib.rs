//! The service inside the enclave: it holds every secret and takes every decision.
//!
//! One request, and where each step is taken:
//!
//! 1. [`http`] reads it, within bounds.
//! 2. [`kms`] parses the operation, and with it the recipient's attestation document.
//! 3. The document is verified: [`shared::attestation`].
//! 4. [`policy`] admits the request; only it makes an [`Admitted`](policy::Admitted).
//! 5. [`entropy`] draws random bytes, for admitted requests alone.
//! 6. [`Admitted::deliver`](policy::Admitted::deliver) answers in the clear, or sealed, never both.
//! 7. [`kms`] writes the answer; its `error.rs` alone says what a stranger is told.
//!
//! What differs between an enclave and a simulator is one type parameter: [`platform::Platform`].

#[cfg(all(production, feature = "simulator"))]
compile_error!("the feature `simulator` must not be part of a production build");

pub mod auth;
pub mod clock;
pub mod config;
pub mod entropy;
pub mod http;
pub mod kms;
mod nsm;
pub mod platform;
pub mod policy;
pub mod principal;
mod process;
mod service;

pub use process::{exit_with, init_log};
pub use service::{Service, StartError};
