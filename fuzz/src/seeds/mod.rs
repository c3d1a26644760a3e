//! The first inputs of each target: good ones, and hostile ones after the rows of the corpus of hostile
//! input. The fuzzer continues from there.

mod certificate;
mod changes;
mod cms;
mod document;
mod http;
mod key;
mod payload;
mod policy;
mod proxy_header;
mod signed;
mod text;

/// Returns the inputs of the target `target`, or none if no target has that name.
pub fn of(target: &str) -> Vec<Vec<u8>> {
    match target {
        "certificate" => certificate::inputs(),
        "cms_open" => cms::inputs(),
        "document" => document::inputs(),
        "endpoint" => text::endpoints(),
        "http_request" => http::inputs(),
        "json_body" => text::bodies(),
        "policy" => policy::inputs(),
        "proxy_header" => proxy_header::inputs(),
        "recipient_key" => key::inputs(),
        "signed_payload" => payload::inputs(),
        "signed_request" => signed::inputs(),
        _ => Vec::new(),
    }
}
