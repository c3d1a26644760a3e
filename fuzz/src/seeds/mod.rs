//! The initial inputs of each target, which the fuzzer mutates. Some inputs are valid. The others follow
//! the rows of the corpus of hostile input (`tests/suite/tests/corpus`).

mod certificate;
mod cms_open;
mod document;
mod endpoint;
mod http_request;
mod identity;
mod json_body;
mod mutations;
mod policy;
mod proxy_header;
mod receipt;
mod recipient_key;
mod signed_payload;
mod signed_request;

/// Returns the inputs of the target `target`, or an empty list if there is no such target.
pub fn for_target(target: &str) -> Vec<Vec<u8>> {
    match target {
        "certificate" => certificate::inputs(),
        "cms_open" => cms_open::inputs(),
        "document" => document::inputs(),
        "endpoint" => endpoint::inputs(),
        "http_request" => http_request::inputs(),
        "identity" => identity::inputs(),
        "json_body" => json_body::inputs(),
        "policy" => policy::inputs(),
        "proxy_header" => proxy_header::inputs(),
        "receipt" => receipt::inputs(),
        "recipient_key" => recipient_key::inputs(),
        "signed_payload" => signed_payload::inputs(),
        "signed_request" => signed_request::inputs(),
        _ => Vec::new(),
    }
}
