//! The target for request bodies: arbitrary bytes as the body of both operations. serde_json must read
//! the same values from every accepted body.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kms_api::{DescribeCustomKeyStores, ErrorType, GenerateRandom, InvalidRequest, KmsError};
use serde_json::Value;

/// Maximum length of an error's text, in bytes. An error quotes up to four values of at most 1,024
/// characters.
const MAX_ERROR_LENGTH: usize = 4 * 4 * 1024 + 2048;

/// Checks arbitrary bytes as the body of both operations.
pub fn run(data: &[u8]) {
    match GenerateRandom::parse(data) {
        Ok(request) => generate_random(&request, &json(data)),
        Err(error) => check_error(&error),
    }
    match DescribeCustomKeyStores::parse(data) {
        Ok(request) => describe_custom_key_stores(&request, &json(data)),
        Err(error) => check_error(&error),
    }
}

fn json(data: &[u8]) -> Value {
    let value: Value = serde_json::from_slice(data).expect("serde_json accepts the body");
    assert!(value.is_object());
    value
}

fn generate_random(request: &GenerateRandom, json: &Value) {
    let number = json["NumberOfBytes"].as_u64().expect("a number");
    assert!((1..=1024).contains(&number));
    assert_eq!(u64::try_from(request.number_of_bytes.get()), Ok(number));
    string(&request.custom_key_store_id, &json["CustomKeyStoreId"], 64);
    let recipient = &json["Recipient"];
    let Some(document) = &request.attestation_document else {
        return assert!(recipient.is_null(), "the Recipient was ignored");
    };
    assert_eq!(recipient["KeyEncryptionAlgorithm"], "RSAES_OAEP_SHA_256");
    assert_eq!(recipient["AttestationDocument"], STANDARD.encode(document));
    assert!((1..=262_144).contains(&document.len()));
}

fn describe_custom_key_stores(request: &DescribeCustomKeyStores, json: &Value) {
    string(&request.custom_key_store_id, &json["CustomKeyStoreId"], 64);
    string(&request.custom_key_store_name, &json["CustomKeyStoreName"], 256);
    string(&request.marker, &json["Marker"], 1024);
    let limit = &json["Limit"];
    assert!(limit.is_null() || limit.as_u64().is_some_and(|limit| (1..=1000).contains(&limit)));
}

fn string(ours: &Option<String>, theirs: &Value, max: usize) {
    assert_eq!(ours.as_deref(), theirs.as_str());
    assert!(theirs.is_string() || theirs.is_null());
    assert!(ours.as_ref().is_none_or(|text| (1..=max).contains(&text.chars().count())));
}

/// Checks that the error response is JSON of bounded length.
fn check_error(error: &InvalidRequest) {
    let text = error.to_string();
    assert!(text.len() <= MAX_ERROR_LENGTH, "{} bytes", text.len());
    let body = KmsError::new(ErrorType::Validation, text.clone()).to_json();
    let body: Value = serde_json::from_slice(&body).expect("an error is JSON");
    assert_eq!(body["message"], text);
}
