//! `GET /attestation?nonce=HEX`: this enclave's own document, by which a caller learns what it talks
//! to. The nonce in it, which the caller chose, tells that it is new; its `user_data`, where TLS must end
//! that this enclave ends ([`CaBinding`]).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::http::request::Parts;
use hyper::{StatusCode, header};
use shared::tls::CaBinding;

use crate::http::Answer;
use crate::nsm::NsmThread;
use crate::throttle::Rate;

/// The path.
pub(crate) const PATH: &str = "/attestation";

/// Documents a second; the module makes nothing else meanwhile.
const PER_SECOND: u32 = 10;

/// Bytes of a nonce: enough that nobody has a document with it, and what is of use.
const NONCE_LENGTHS: std::ops::RangeInclusive<usize> = 16..=64;

const NO_NONCE: &str =
    "write /attestation?nonce=HEX, and nothing else: 16 to 64 random bytes in hexadecimal\n";

/// How many may be had, of whoever asks, and what they say.
#[derive(Debug)]
pub(crate) struct OwnDocuments {
    rate: Rate,
    binding: Option<CaBinding>,
}

impl OwnDocuments {
    pub(crate) fn new(binding: Option<CaBinding>) -> Self {
        Self { rate: Rate::per_second(PER_SECOND), binding }
    }

    /// Answers one request for a document.
    pub(crate) async fn answer(&self, nsm: &NsmThread, head: &Parts) -> Answer {
        let Some(nonce) = nonce(head.uri.query()) else {
            return Answer::text(StatusCode::BAD_REQUEST, NO_NONCE);
        };
        if !self.rate.admits_one() {
            let text = "too many documents in a second: try again in one\n";
            return Answer::text(StatusCode::TOO_MANY_REQUESTS, text);
        }
        let user_data = self.binding.map(|binding| binding.to_user_data());
        match nsm.document(nonce, user_data, nsm.deadline()).await {
            Ok(document) if accepts_json(head) => json(&document),
            Ok(document) => Answer::new(StatusCode::OK, "application/octet-stream", document),
            Err(fault) => Answer::new(
                StatusCode::SERVICE_UNAVAILABLE,
                Answer::TEXT,
                format!("no document: {fault}\n").into_bytes(),
            ),
        }
    }
}

/// The one parameter, if it is what it should be.
fn nonce(query: Option<&str>) -> Option<Vec<u8>> {
    let digits = query?.strip_prefix("nonce=")?;
    // The decoder would take a prefix of 0x for none of them.
    let all = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    const_hex::decode(digits).ok().filter(|nonce| all && NONCE_LENGTHS.contains(&nonce.len()))
}

/// A document as JSON: `{"attestation_document": BASE64}`.
pub(crate) fn json(document: &[u8]) -> Answer {
    let document = STANDARD.encode(document);
    let body = serde_json::json!({ "attestation_document": document }).to_string();
    Answer::new(StatusCode::OK, "application/json", body.into_bytes())
}

/// Whether who asks would rather have that than the raw bytes.
pub(crate) fn accepts_json(head: &Parts) -> bool {
    let accept = head.headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("application/json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_16_to_64_bytes_in_hexadecimal_and_alone() {
        let digits = |bytes: usize| format!("nonce={}", "aB".repeat(bytes));
        assert_eq!(nonce(Some(&digits(16))), Some(vec![0xab; 16]));
        assert_eq!(nonce(Some(&digits(64))), Some(vec![0xab; 64]));
        let long = digits(16);
        let bad = [
            String::new(),
            "nonce=".to_owned(),
            digits(15),
            digits(65),
            format!("{long}a"),
            format!("nonce=0x{}", "ab".repeat(16)),
            format!("{long}&nonce={}", "ab".repeat(16)),
            format!("a=b&{long}"),
            format!("{long}&"),
            format!("Nonce={}", "ab".repeat(16)),
            format!("nonce={}", "zz".repeat(16)),
            format!("nonce=%61{}", "ab".repeat(16)),
        ];
        assert_eq!(nonce(None), None);
        for query in bad {
            assert_eq!(nonce(Some(&query)), None, "{query}");
        }
    }
}
