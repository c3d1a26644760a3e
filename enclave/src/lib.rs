//! The service inside the enclave. It holds all secrets, and makes all security decisions.
//!
//! A request passes these steps:
//!
//! 1. [`http`] reads the request, within limits.
//! 2. [`auth`] verifies the signature of the raw request, which authenticates the caller. `throttle` limits
//!    the request rate of the caller.
//! 3. `kms` parses the operation and the recipient's attestation document.
//! 4. [`attestation`] verifies the document. If there is a document, steps 4 to 7 run on the threads of the
//!    crypto pool.
//! 5. [`policy`] authorizes the request. Only [`policy`] creates an [`Authorized`](policy::Authorized), which step 6
//!    requires.
//! 6. [`entropy`] draws random bytes from the NSM and the DRBG. If the request names a custom key store, the
//!    store draws the bytes from its HSM.
//! 7. `kms/response.rs` builds the response. The response is either plaintext or sealed.
//! 8. `request_log` writes the log line, the metrics and the audit record. `kms/api_error.rs` maps errors
//!    to the responses that callers receive.
//! 9. `receipts` signs the receipt of a successful response, which contains the number of the audit record.
//!
//! The modules form layers. `docs/explanation/architecture.md` shows the layers, and `.ci/layers` checks them.
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
mod receipts;
pub mod request;
mod request_log;
mod service;
mod throttle;
pub mod tls;

pub use key_store::{KeyStoreError, KeyStoreErrorReason};
pub use logging_setup::{configure_logging, init_logging, init_logging_to, report_exit};
pub use service::{Service, StartError};
