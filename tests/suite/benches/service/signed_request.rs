//! The bytes of a signed request.

use attested_recipient::Credentials;
use enclave::clock::{Clock, SystemClock};

/// Returns a signed request for 32 bytes. The signature is valid for five minutes, so the request can be repeated.
pub(crate) fn signed_request(credentials: &Credentials) -> Vec<u8> {
    let body = r#"{"NumberOfBytes":32}"#;
    let (host, target) = ("127.0.0.1", "TrentService.GenerateRandom");
    let headers = credentials.signed_headers(host, target, body.as_bytes(), SystemClock.now());
    let headers: String =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    format!("POST / HTTP/1.1\r\n{headers}content-length: {length}\r\n\r\n{body}").into_bytes()
}
