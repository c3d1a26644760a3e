//! Fuzz targets for all code that parses untrusted bytes. A target is a function of arbitrary bytes. The
//! function panics if it finds an error.
//!
//! libFuzzer calls the targets through `fuzz_targets/`. The tests call them with the inputs in `corpus/`
//! and with the seeds. The program `seeds` writes the seeds to files.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failure here is a finding"
)]

pub mod certificate;
pub mod cms_open;
mod connection;
mod decoders;
pub mod document;
pub mod endpoint;
pub mod fixture;
pub mod http_request;
pub mod identity;
pub mod json_body;
mod placeholder;
pub mod policy;
pub mod proxy_header;
pub mod receipt;
pub mod recipient_key;
pub mod seeds;
mod shortest_form;
pub mod signed_payload;
pub mod signed_request;

/// A fuzz target: its name, and the function that runs it on an input.
pub type Target = (&'static str, fn(&[u8]));

/// All fuzz targets.
pub const TARGETS: [Target; 13] = [
    ("certificate", certificate::run),
    ("cms_open", cms_open::run),
    ("document", document::run),
    ("endpoint", endpoint::run),
    ("http_request", http_request::run),
    ("identity", identity::run),
    ("json_body", json_body::run),
    ("policy", policy::run),
    ("proxy_header", proxy_header::run),
    ("receipt", receipt::run),
    ("recipient_key", recipient_key::run),
    ("signed_payload", signed_payload::run),
    ("signed_request", signed_request::run),
];
