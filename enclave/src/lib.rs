//! The service inside the enclave. It holds all secrets, and makes all decisions.
//!
//! A request passes these steps:
//!
//! 1. [`http`] reads the request, within limits.
//! 2. [`auth`] authenticates the caller over the raw request, and `throttle` limits its rate.
//! 3. `kms` parses the operation, with the recipient's attestation document.
//! 4. [`attestation`] verifies the document. If there is a document, steps 4 to 7 run on the threads of the
//!    crypto pool.
//! 5. [`policy`] authorizes the request. Only it creates an [`Authorized`](policy::Authorized).
//! 6. [`entropy`] draws random bytes from the NSM and the DRBG, or a custom key store draws them from its HSM.
//! 7. `kms/response.rs` builds the response: plaintext or sealed, never both.
//! 8. `request_log` writes the log line, the metrics and the audit record. `kms/api_error.rs` maps errors
//!    to the responses that callers receive.
//!
//! The modules are in layers, which `docs/explanation/architecture.md` shows and `.ci/layers` checks.
//!
//! An enclave and the simulator differ in one type parameter: [`platform::Platform`].

#[cfg(all(production, feature = "simulator"))]
compile_error!("the feature `simulator` must not be part of a production build");

mod attestation_endpoint;
pub mod audit;
pub mod auth;
pub mod clock;
pub mod config;
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
pub mod pcr_extension;
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
