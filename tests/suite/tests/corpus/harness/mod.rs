//! The parts from which the rows of the corpus are built: requests, documents, services and
//! expected responses.

pub(crate) mod audit_capture;
pub(crate) mod cbor;
pub(crate) mod configuration;
pub(crate) mod cose;
pub(crate) mod document_error;
pub(crate) mod enveloped_data;
pub(crate) mod fault_injection;
pub(crate) mod hsm;
pub(crate) mod log_capture;
pub(crate) mod payload;
pub(crate) mod receipts;
pub(crate) mod relayed_enclave;
pub(crate) mod requests;
pub(crate) mod response;
pub(crate) mod row;
pub(crate) mod service;
pub(crate) mod signed_requests;
pub(crate) mod sigv4_signer;
pub(crate) mod summary;
