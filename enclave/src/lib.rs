//! The service inside the enclave: it holds every secret and takes every decision.
//!
//! One request, and where each step is taken:
//!
//! 1. [`http`] reads it, within bounds.
//! 2. [`auth`] authenticates the caller, over the request as it came; `throttle` limits its rate.
//! 3. `kms` parses the operation, and with it the recipient's attestation document.
//! 4. The document is verified: [`attestation`]. This and the next three are done by the crypto pool,
//!    threads of their own, where there is a document.
//! 5. [`policy`] admits the request; only it makes an [`Authorized`](policy::Authorized).
//! 6. [`entropy`] draws random bytes, for admitted requests alone, from what the NSM's thread gives; or
//!    a custom key store does, from its HSM.
//! 7. `kms/response.rs` builds the answer: in the clear, or sealed, never both.
//! 8. `request_log` writes log line, metrics and audit record. `kms/error_mapping.rs` alone says what a caller is
//!    told of an error.
//!
//! Modules are in layers, which `docs/explanation/architecture.md` shows and `.ci/layers` checks.
//!
//! What differs between an enclave and a simulator is one type parameter: [`platform::Platform`].

#[cfg(all(production, feature = "simulator"))]
compile_error!("the feature `simulator` must not be part of a production build");

mod attestation_endpoint;
pub mod audit;
pub mod auth;
pub mod clock;
pub mod config;
pub mod config_pcrs;
mod crypto_pool;
pub mod egress;
pub mod entropy;
mod health;
pub mod http;
pub mod iam;
pub mod init;
mod key_store;
pub mod kms;
mod log_forwarder;
mod logging_setup;
mod metrics;
mod nsm;
pub mod platform;
pub mod policy;
pub mod principal;
pub mod rate;
pub mod request;
mod request_log;
mod service;
mod throttle;
pub mod tls;

pub use key_store::{KeyStoreError, KeyStoreErrorReason};
pub use logging_setup::{configure_logging, init_logging, init_logging_to, report_exit};
pub use service::{Service, StartError};
