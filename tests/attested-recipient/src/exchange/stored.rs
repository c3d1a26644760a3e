//! The parts of an exchange, and the file that contains them.

use std::fmt;

use attestation::MAX_DOCUMENT_LENGTH;
use attestation::receipt::{MAX_RECEIPT_HEADER_LENGTH, ReceiptBytes, ReceiptError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use thiserror::Error;
use zeroize::{ZeroizeOnDrop, Zeroizing};

/// Maximum length of a request or response body, in bytes.
const MAX_BODY_LENGTH: usize = 64 * 1024;

/// Maximum length of a file, in bytes. It is enough for two bodies, a receipt and a document in base64.
pub const MAX_EXCHANGE_FILE_LENGTH: u64 = 256 * 1024;

/// One exchange with an enclave, in the form that can be stored and shown to others. Its parts are not verified.
///
/// If the response has a `Plaintext`, the exchange is as secret as this `Plaintext`.
pub struct StoredExchange {
    request: Zeroizing<Vec<u8>>,
    response: Zeroizing<Vec<u8>>,
    receipt: String,
    document: Vec<u8>,
}

/// The reason why the parts or the text of a file are not a stored exchange.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum InvalidExchange {
    /// The text is not JSON with exactly the expected members.
    #[error(
        "not a stored exchange: {0}; expected a JSON object with exactly the members request, \
         response, receipt and document, each in base64"
    )]
    Json(String),
    /// A member is not base64 in its canonical form.
    #[error("{member} is not base64 in its canonical form (standard alphabet, padded)")]
    Base64 {
        /// The member.
        member: &'static str,
    },
    /// A part is too long.
    #[error("{member} has {length} bytes, over the maximum of {max}")]
    TooLong {
        /// The member.
        member: &'static str,
        /// Length of the part, in bytes.
        length: usize,
        /// Maximum length, in bytes.
        max: usize,
    },
    /// The receipt is not the text of a header.
    #[error("receipt is not the text of an HTTP header: expected ASCII without control characters")]
    Receipt,
}

/// The members of a file, in base64.
#[derive(Deserialize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
struct Members {
    request: String,
    response: String,
    receipt: String,
    document: String,
}

impl StoredExchange {
    /// Creates an exchange of a request body, a response body, the value of the receipt header, and the enclave's
    /// document.
    ///
    /// # Errors
    /// If a part is too long for a file, or the receipt is not the text of a header.
    pub fn new(
        request: Vec<u8>,
        response: Vec<u8>,
        receipt: String,
        document: Vec<u8>,
    ) -> Result<Self, InvalidExchange> {
        let (request, response) = (Zeroizing::new(request), Zeroizing::new(response));
        for (member, length, max) in [
            ("request", request.len(), MAX_BODY_LENGTH),
            ("response", response.len(), MAX_BODY_LENGTH),
            ("receipt", receipt.len(), MAX_RECEIPT_HEADER_LENGTH),
            ("document", document.len(), MAX_DOCUMENT_LENGTH),
        ] {
            if length > max {
                return Err(InvalidExchange::TooLong { member, length, max });
            }
        }
        match receipt.bytes().all(|byte| byte.is_ascii_graphic()) {
            true => Ok(Self { request, response, receipt, document }),
            false => Err(InvalidExchange::Receipt),
        }
    }

    /// Parses the content of a file.
    ///
    /// # Errors
    /// If `json` does not have exactly the members of an exchange.
    pub fn from_json(json: &[u8]) -> Result<Self, InvalidExchange> {
        // serde would also accept an array of the values.
        if json.trim_ascii_start().first() != Some(&b'{') {
            return Err(InvalidExchange::Json("it does not begin with \"{\"".to_owned()));
        }
        let members: Members = serde_json::from_slice(json)
            .map_err(|error| InvalidExchange::Json(error.to_string()))?;
        let receipt = String::from_utf8(decode("receipt", &members.receipt)?);
        Self::new(
            decode("request", &members.request)?,
            decode("response", &members.response)?,
            receipt.map_err(|_| InvalidExchange::Receipt)?,
            decode("document", &members.document)?,
        )
    }

    /// Returns the content of a file. A change of a single bit of the four parts makes the exchange invalid.
    pub fn to_json(&self) -> Zeroizing<String> {
        let Self { request, response, receipt, document } = self;
        let encode = |bytes: &[u8]| Zeroizing::new(STANDARD.encode(bytes));
        Zeroizing::new(format!(
            "{{\n  \"request\": \"{}\",\n  \"response\": \"{}\",\n  \"receipt\": \"{}\",\n  \"document\": \
             \"{}\"\n}}\n",
            *encode(request),
            *encode(response),
            *encode(receipt.as_bytes()),
            *encode(document),
        ))
    }

    /// Returns the request body.
    pub fn request(&self) -> &[u8] {
        &self.request
    }

    /// Returns the response body.
    pub fn response(&self) -> &[u8] {
        &self.response
    }

    /// Returns the value of the receipt header.
    pub fn receipt(&self) -> &str {
        &self.receipt
    }

    /// Returns the enclave's document.
    pub fn document(&self) -> &[u8] {
        &self.document
    }

    /// Decodes the receipt header.
    pub(super) fn receipt_bytes(&self) -> Result<ReceiptBytes, ReceiptError> {
        ReceiptBytes::from_header(self.receipt.as_bytes())
    }
}

/// The output contains no part of the exchange, because the response can be secret.
impl fmt::Debug for StoredExchange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("StoredExchange(..)")
    }
}

fn decode(member: &'static str, text: &str) -> Result<Vec<u8>, InvalidExchange> {
    STANDARD.decode(text).map_err(|_| InvalidExchange::Base64 { member })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange() -> StoredExchange {
        let (request, response) = (b"{}".to_vec(), b"{\"Plaintext\":\"AA==\"}".to_vec());
        StoredExchange::new(request, response, "0oRY".to_owned(), vec![1, 2, 3]).unwrap()
    }

    #[test]
    fn file_round_trips() {
        let json = exchange().to_json();
        let parsed = StoredExchange::from_json(json.as_bytes()).unwrap();
        assert_eq!(parsed.to_json(), json);
        assert_eq!(parsed.request(), b"{}");
        assert_eq!(parsed.response(), b"{\"Plaintext\":\"AA==\"}");
        assert_eq!((parsed.receipt(), parsed.document()), ("0oRY", &[1, 2, 3][..]));
        assert_eq!(format!("{parsed:?}"), "StoredExchange(..)");
    }

    #[test]
    fn longest_exchange_fits_into_a_file() {
        let body = vec![0; MAX_BODY_LENGTH];
        let receipt = "A".repeat(MAX_RECEIPT_HEADER_LENGTH);
        let document = vec![0; MAX_DOCUMENT_LENGTH];
        let longest = StoredExchange::new(body.clone(), body.clone(), receipt.clone(), document);
        let length = longest.unwrap().to_json().len();
        assert!(u64::try_from(length).unwrap() <= MAX_EXCHANGE_FILE_LENGTH, "{length}");
        let too_long = StoredExchange::new([&body[..], &[0]].concat(), body, receipt, Vec::new());
        let error = too_long.unwrap_err();
        assert!(matches!(error, InvalidExchange::TooLong { member: "request", .. }), "{error}");
    }

    #[test]
    fn rejects_other_members_and_forms() {
        let json = exchange().to_json();
        for (changed, error) in [
            (json.replace("\"request\"", "\"Request\""), "unknown field"),
            (json.replacen("{\n", "{\"more\": \"\",\n", 1), "unknown field"),
            (json.replacen("{\n", "{\"request\": \"e30=\",\n", 1), "duplicate field"),
            (json.replace("  \"receipt\": \"MG9SWQ==\",\n", ""), "missing field"),
            (json.replace("\"e30=\"", "null"), "expected a string"),
            (format!("{}x", *json), "trailing characters"),
            ("[\"\",\"\",\"\",\"\"]".to_owned(), "does not begin"),
            (String::new(), "does not begin"),
            (json.replace("e30=", "e31="), "request is not base64"),
            (json.replace("e30=", "e30"), "request is not base64"),
            (json.replace("MG9SWQ==", "/w=="), "not the text of an HTTP header"),
            (json.replace("MG9SWQ==", "IA=="), "not the text of an HTTP header"),
        ] {
            assert_ne!(changed, *json);
            let rejected = StoredExchange::from_json(changed.as_bytes()).unwrap_err().to_string();
            assert!(rejected.contains(error), "{changed}: {rejected}");
        }
    }
}
