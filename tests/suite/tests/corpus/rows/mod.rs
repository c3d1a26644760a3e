//! The rows of the corpus, in one file per subject. The test of a row has the row's id as its name.
//! The first letter of an id is the section: A is CBOR and COSE, B the payload, C certificates, D
//! the recipient's key, E HTTP requests, F faults, and G receipts.

mod cbor_encoding;
mod certificate_chain;
mod certificate_encoding;
mod certificates;
mod cli_literals;
mod concurrent_clients;
mod connections;
mod cose;
mod http_bodies;
mod http_framing;
mod http_routing;
mod json;
mod key_store_faults;
mod log_escaping;
mod missing_pcrs;
mod nsm_faults;
mod panic;
mod payload;
mod process_failures;
mod receipt_documents;
mod receipt_exchanges;
mod receipt_form;
mod recipient_key;
mod request_members;
mod resource_exhaustion;
mod sigv4_authorization;
mod sigv4_scope;
mod sigv4_signed_headers;
mod sigv4_tampering;
mod system_clock;
mod zero_pcrs;

use crate::harness::row::Row;

/// The section letter of the rows in a module, and the function that returns these rows.
pub(crate) type Module = (char, fn() -> Vec<Row>);

pub(crate) const MODULES: [Module; 30] = [
    ('A', cose::rows),
    ('A', cbor_encoding::rows),
    ('B', payload::rows),
    ('B', missing_pcrs::rows),
    ('B', zero_pcrs::rows),
    ('C', certificate_chain::rows),
    ('C', certificates::rows),
    ('D', recipient_key::rows),
    ('E', http_framing::rows),
    ('E', http_bodies::rows),
    ('E', http_routing::rows),
    ('E', json::rows),
    ('E', request_members::rows),
    ('E', sigv4_authorization::rows),
    ('E', sigv4_signed_headers::rows),
    ('E', sigv4_scope::rows),
    ('E', sigv4_tampering::rows),
    ('E', log_escaping::rows),
    ('E', cli_literals::rows),
    ('F', nsm_faults::rows),
    ('F', system_clock::rows),
    ('F', concurrent_clients::rows),
    ('F', panic::rows),
    ('F', connections::rows),
    ('F', resource_exhaustion::rows),
    ('F', process_failures::rows),
    ('F', key_store_faults::rows),
    ('G', receipt_form::rows),
    ('G', receipt_documents::rows),
    ('G', receipt_exchanges::rows),
];
