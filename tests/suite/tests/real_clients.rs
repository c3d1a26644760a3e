//! Tests of real clients behind the relay: boto3, versions 2 and 3 of the AWS SDK for JavaScript,
//! aws4fetch, AWS CLI version 1, and OpenSSL. `tests/suite/clients/setup.sh` installs the clients.
//! botocore's model defines the expected responses.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic fails the test"
)]

#[allow(dead_code, unused_imports, reason = "other tests use the other items")]
mod clients;
#[path = "secret_leaks/secret_search.rs"]
mod secret_search;
#[path = "../sigv4/mod.rs"]
mod sigv4;
mod sigv4_clients;
mod tls_clients;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clients::{
    CannedErrorServer, RelayedService, Sdk, SdkError, TestKey, assert_kms_layout, cli, model,
};
use kms_api::{ErrorType, KmsError, MAX_NUMBER_OF_BYTES};
use serde_json::{Value, json};

const NO_COSE_SIGN1: &str = "Recipient.AttestationDocument: the document is not a COSE_Sign1: a \
                             CBOR array of four, untagged or with tag 18 once";
const TOO_MANY_BYTES: &str = "1 validation error detected: Value '1025' at 'numberOfBytes' failed \
                              to satisfy constraint: Member must have value less than or equal to \
                              1024";
/// Length of an envelope with the maximum content and the largest key, in bytes.
const LONGEST_ENVELOPE: usize = 1743;

fn generate_random(parameters: Value) -> Value {
    json!({ "operation": "GenerateRandom", "parameters": parameters })
}

fn describe_custom_key_stores(parameters: Value) -> Value {
    json!({ "operation": "DescribeCustomKeyStores", "parameters": parameters })
}

fn recipient(document: &[u8]) -> Value {
    json!({
        "KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256",
        "AttestationDocument": STANDARD.encode(document),
    })
}

#[test]
fn boto3_receives_requested_bytes() {
    receives_requested_bytes(Sdk::Boto3);
}

#[test]
fn javascript_receives_requested_bytes() {
    receives_requested_bytes(Sdk::JavaScript);
}

#[test]
fn javascript_v2_receives_requested_bytes() {
    receives_requested_bytes(Sdk::JavaScriptV2);
}

#[test]
fn aws4fetch_receives_requested_bytes() {
    receives_requested_bytes(Sdk::Aws4fetch);
}

fn receives_requested_bytes(sdk: Sdk) {
    let service = RelayedService::simulator();
    let calls = [32, 32, 1, 1024].map(|n| generate_random(json!({ "NumberOfBytes": n })));
    let outcomes = sdk.call(service.endpoint_url(), &calls);
    let drawn: Vec<_> = outcomes.iter().map(|outcome| outcome.only_blob("Plaintext")).collect();
    assert_eq!(drawn.iter().map(Vec::len).collect::<Vec<_>>(), [32, 32, 1, 1024]);
    assert_ne!(drawn[0], drawn[1]);
}

#[test]
fn boto3_receives_envelope_that_openssl_decrypts() {
    receives_envelope_that_openssl_decrypts(Sdk::Boto3);
}

#[test]
fn javascript_receives_envelope_that_openssl_decrypts() {
    receives_envelope_that_openssl_decrypts(Sdk::JavaScript);
}

#[test]
fn javascript_v2_receives_envelope_that_openssl_decrypts() {
    receives_envelope_that_openssl_decrypts(Sdk::JavaScriptV2);
}

#[test]
fn aws4fetch_receives_envelope_that_openssl_decrypts() {
    receives_envelope_that_openssl_decrypts(Sdk::Aws4fetch);
}

fn receives_envelope_that_openssl_decrypts(sdk: Sdk) {
    const NUMBERS_OF_BYTES: [usize; 5] = [1, 15, 16, 32, 1024];
    let service = RelayedService::simulator();
    for (bits, lengths) in [
        (2048, [461, 461, 477, 493, 1487]),
        (3072, [589, 589, 605, 621, 1615]),
        (4096, [717, 717, 733, 749, LONGEST_ENVELOPE]),
    ] {
        let key = TestKey::of_bits(bits);
        let recipient = recipient(&service.document(&key.document()));
        let calls = NUMBERS_OF_BYTES
            .map(|n| generate_random(json!({ "NumberOfBytes": n, "Recipient": recipient })));
        let outcomes = sdk.call(service.endpoint_url(), &calls);
        for ((outcome, number_of_bytes), length) in
            outcomes.iter().zip(NUMBERS_OF_BYTES).zip(lengths)
        {
            let sealed = outcome.only_blob("CiphertextForRecipient");
            assert_eq!(sealed.len(), length, "RSA-{bits}, {number_of_bytes} bytes");
            assert_kms_layout(&sealed, &key, number_of_bytes);
            assert_eq!(key.open(&sealed).len(), number_of_bytes);
        }
    }
}

#[test]
fn boto3_raises_kms_errors_after_one_attempt() {
    throws_kms_errors_after_one_attempt(Sdk::Boto3);
}

#[test]
fn javascript_throws_kms_errors_after_one_attempt() {
    throws_kms_errors_after_one_attempt(Sdk::JavaScript);
}

fn throws_kms_errors_after_one_attempt(sdk: Sdk) {
    const VALIDATION: (&str, bool) = ("ValidationException", false);
    const NOT_FOUND: (&str, bool) = ("CustomKeyStoreNotFoundException", true);
    const INVALID_MARKER: (&str, bool) = ("InvalidMarkerException", true);
    let cases = [
        (generate_random(json!({})), VALIDATION, "NumberOfBytes is required."),
        (generate_random(json!({ "NumberOfBytes": 1025 })), VALIDATION, TOO_MANY_BYTES),
        (
            generate_random(json!({ "NumberOfBytes": 32, "Recipient": recipient(b"no document") })),
            VALIDATION,
            NO_COSE_SIGN1,
        ),
        (
            generate_random(json!({ "NumberOfBytes": 32, "CustomKeyStoreId": "cks-1" })),
            NOT_FOUND,
            "The custom key store cks-1 does not exist.",
        ),
        (
            describe_custom_key_stores(json!({ "CustomKeyStoreName": "vault" })),
            NOT_FOUND,
            "The custom key store vault does not exist.",
        ),
        (
            describe_custom_key_stores(json!({ "Marker": "AAAA" })),
            INVALID_MARKER,
            "The marker was not returned by an earlier call of this operation.",
        ),
    ];
    let calls: Vec<_> = cases.iter().map(|(call, ..)| call.clone()).collect();
    let service = RelayedService::simulator();
    let outcomes = sdk.call(service.endpoint_url(), &calls);
    for (outcome, (call, (name, typed), message)) in outcomes.iter().zip(cases) {
        let expected = SdkError { name: name.to_owned(), message: message.to_owned(), typed };
        assert_eq!(outcome.error.as_ref(), Some(&expected), "{call}");
        assert_eq!(outcome.statuses(), [400], "{call}");
    }
}

#[test]
fn zero_bytes_are_rejected_by_boto3_or_by_the_service() {
    let service = RelayedService::simulator();
    let calls = [generate_random(json!({ "NumberOfBytes": 0 }))];
    let [boto3, javascript] =
        [Sdk::Boto3, Sdk::JavaScript].map(|sdk| sdk.call(service.endpoint_url(), &calls).remove(0));
    assert!(boto3.statuses().is_empty());
    assert_eq!(boto3.error.unwrap().name, "ParamValidationError");
    assert_eq!(javascript.statuses(), [400]);
    assert_eq!(
        javascript.error.unwrap().message,
        "1 validation error detected: Value '0' at 'numberOfBytes' failed to satisfy constraint: \
         Member must have value greater than or equal to 1"
    );
}

#[test]
fn javascript_reads_capitalised_message() {
    let service = RelayedService::simulator();
    let calls = [generate_random(json!({ "NumberOfBytes": "32" }))];
    let outcome = Sdk::JavaScript.call(service.endpoint_url(), &calls).remove(0);
    assert!(outcome.responses[0].body.contains(r#""Message":"#), "{outcome:?}");
    let name = "SerializationException".to_owned();
    let message = "STRING_VALUE can not be converted to an Integer".to_owned();
    assert_eq!(outcome.error, Some(SdkError { name, message, typed: false }));
}

#[test]
fn sdks_receive_413_for_oversized_requests() {
    // The base64 of this document is shorter than the 4 MiB that the service reads before it closes
    // the connection.
    const OVERSIZED_DOCUMENT_LENGTH: usize = 2_000_000;
    let service = RelayedService::simulator();
    let document = recipient(&vec![0; OVERSIZED_DOCUMENT_LENGTH]);
    let calls = [generate_random(json!({ "NumberOfBytes": 32, "Recipient": document }))];
    for sdk in [Sdk::Boto3, Sdk::JavaScript] {
        let outcome = sdk.call(service.endpoint_url(), &calls).remove(0);
        assert_eq!(outcome.statuses(), [413], "{sdk:?}");
        assert_eq!(outcome.error.unwrap().name, "RequestEntityTooLargeException", "{sdk:?}");
    }
}

#[test]
fn sdks_receive_empty_key_store_list() {
    let service = RelayedService::simulator();
    for sdk in [Sdk::Boto3, Sdk::JavaScript] {
        let calls = [describe_custom_key_stores(json!({}))];
        let outcome = sdk.call(service.endpoint_url(), &calls).remove(0);
        let response = Value::from(outcome.output.unwrap());
        assert_eq!(response, json!({ "CustomKeyStores": [] }), "{sdk:?}");
    }
}

#[test]
fn sdks_retry_server_faults_but_not_client_faults() {
    for sdk in [Sdk::Boto3, Sdk::JavaScript] {
        let server = CannedErrorServer::start(vec![
            KmsError::new(ErrorType::KmsInternal, "ours"),
            KmsError::new(ErrorType::Validation, "theirs"),
        ]);
        let relay = RelayedService::in_front_of(server.address());
        let calls = [generate_random(json!({ "NumberOfBytes": 32 }))];
        let outcome = sdk.call(relay.endpoint_url(), &calls).remove(0);
        assert_eq!(outcome.statuses(), [500, 400], "{sdk:?}");
        assert_eq!(outcome.error.unwrap().message, "theirs");
    }
}

#[test]
fn sdks_retry_when_throttled() {
    for sdk in [Sdk::Boto3, Sdk::JavaScript] {
        let server = CannedErrorServer::start(vec![
            KmsError::new(ErrorType::Throttling, "slower"),
            KmsError::new(ErrorType::Validation, "theirs"),
        ]);
        let relay = RelayedService::in_front_of(server.address());
        let calls = [generate_random(json!({ "NumberOfBytes": 32 }))];
        let outcome = sdk.call(relay.endpoint_url(), &calls).remove(0);
        // This is the only error with status 400 that SDKs retry.
        assert_eq!(outcome.statuses(), [400, 400], "{sdk:?}");
        assert_eq!(outcome.error.unwrap().message, "theirs");
    }
}

#[test]
fn sdks_have_an_exception_class_for_server_faults() {
    for sdk in [Sdk::Boto3, Sdk::JavaScript] {
        let server =
            CannedErrorServer::start(vec![KmsError::new(ErrorType::KmsInternal, "ours"); 2]);
        let relay = RelayedService::in_front_of(server.address());
        let calls = [generate_random(json!({ "NumberOfBytes": 32 }))];
        let outcome = sdk.call(relay.endpoint_url(), &calls).remove(0);
        let (name, message) = ("KMSInternalException".to_owned(), "ours".to_owned());
        assert_eq!(outcome.error, Some(SdkError { name, message, typed: true }), "{sdk:?}");
        assert_eq!(outcome.statuses(), [500, 500], "{sdk:?}");
    }
}

#[test]
fn cli_prints_requested_bytes() {
    let service = RelayedService::simulator();
    let output = cli(service.endpoint_url(), &["--number-of-bytes", "32"]);
    assert_eq!(only_blob_printed(&output.stdout, "Plaintext").len(), 32);
}

#[test]
fn cli_prints_envelope_for_document_from_file() {
    let service = RelayedService::simulator();
    let key = TestKey::of_bits(2048);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("document");
    std::fs::write(&file, service.document(&key.document())).unwrap();
    let recipient = cli_recipient("@=fileb://", file.to_str().unwrap());
    let arguments = ["--number-of-bytes", "32", "--recipient", &recipient];
    let output = cli(service.endpoint_url(), &arguments);
    let sealed = only_blob_printed(&output.stdout, "CiphertextForRecipient");
    assert_kms_layout(&sealed, &key, 32);
    assert_eq!(key.open(&sealed).len(), 32);
}

#[test]
fn cli_error_explains_how_to_send_a_document() {
    let service = RelayedService::simulator();
    let document = STANDARD.encode(service.document(&TestKey::of_bits(2048).document()));
    for (assignment, value, message) in [
        (
            "=fileb://",
            "document",
            "the document is the text of a file reference, not the file's content; with AWS CLI v1 \
             write AttestationDocument@=fileb://FILE",
        ),
        (
            "=",
            &document,
            "the document is base64 text of an attestation document: it was encoded twice; send \
             the raw bytes (with AWS CLI v1 write AttestationDocument@=fileb://FILE)",
        ),
    ] {
        let recipient = cli_recipient(assignment, value);
        let arguments = ["--number-of-bytes", "32", "--recipient", &recipient];
        let message = ["Recipient.AttestationDocument: ", message].concat();
        assert_cli_fails(&service, &arguments, &message);
    }
}

#[test]
fn cli_prints_the_error_message() {
    let service = RelayedService::simulator();
    assert_cli_fails(&service, &["--number-of-bytes", "1025"], TOO_MANY_BYTES);
    assert_cli_fails(&service, &[], "NumberOfBytes is required.");
}

fn cli_recipient(assignment: &str, value: &str) -> String {
    ["KeyEncryptionAlgorithm=RSAES_OAEP_SHA_256,AttestationDocument", assignment, value].concat()
}

fn only_blob_printed(stdout: &[u8], member: &str) -> Vec<u8> {
    let response: Value = serde_json::from_slice(stdout).expect("JSON on stdout");
    let members: Vec<_> = response.as_object().unwrap().keys().collect();
    assert_eq!(members, [member]);
    STANDARD.decode(response[member].as_str().unwrap()).unwrap()
}

fn assert_cli_fails(service: &RelayedService, arguments: &[&str], message: &str) {
    let output = cli(service.endpoint_url(), arguments);
    let expected = format!(
        "An error occurred (ValidationException) when calling the GenerateRandom operation: \
         {message}"
    );
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.lines().any(|line| line.ends_with(&expected)), "{stderr}\nexpected: {expected}");
    assert_eq!((output.status.code(), output.stdout), (Some(255), Vec::new()));
}

#[test]
fn error_names_and_statuses_match_the_model() {
    let model = model();
    for (operation, error) in [
        ("GenerateRandom", ErrorType::CustomKeyStoreNotFound),
        ("GenerateRandom", ErrorType::KmsInternal),
        ("DescribeCustomKeyStores", ErrorType::CustomKeyStoreNotFound),
        ("DescribeCustomKeyStores", ErrorType::InvalidMarker),
        ("DescribeCustomKeyStores", ErrorType::KmsInternal),
    ] {
        let declared = model["operations"][operation]["errors"].as_array().unwrap();
        let name = error.name();
        assert!(declared.iter().any(|declared| declared["shape"] == name), "{operation}: {name}");
        let is_fault = model["shapes"][name]["fault"] == true;
        assert_eq!(error.status(), if is_fault { 500 } else { 400 }, "{name}");
    }
}

#[test]
fn limits_match_the_model() {
    let model = model();
    let limit = |shape: &str, bound: &str| {
        let limit = model["shapes"][shape][bound].as_u64().expect(shape);
        usize::try_from(limit).unwrap()
    };
    let max_bytes = limit("NumberOfBytesType", "max");
    assert_eq!(max_bytes, usize::from(MAX_NUMBER_OF_BYTES));
    assert_eq!((limit("NumberOfBytesType", "min"), limit("CustomKeyStoreIdType", "min")), (1, 1));
    assert!(LONGEST_ENVELOPE <= limit("CiphertextType", "max"));

    // A value above the limit causes the error of this limit. A value at the limit causes another
    // error.
    let max_document = limit("AttestationDocumentType", "max");
    let max_id = limit("CustomKeyStoreIdType", "max");
    let document = |length| recipient(&vec![0; length]);
    let id = |length| "a".repeat(length);
    let cases = [
        (
            json!({ "NumberOfBytes": max_bytes + 1 }),
            rejected_above(&format!("'{}' ", max_bytes + 1), "numberOfBytes", "value", max_bytes),
        ),
        (
            json!({ "NumberOfBytes": 1, "CustomKeyStoreId": id(max_id + 1) }),
            rejected_above(&format!("'{}' ", id(max_id + 1)), "customKeyStoreId", "length", max_id),
        ),
        (
            json!({ "NumberOfBytes": 1, "CustomKeyStoreId": id(max_id) }),
            format!("The custom key store {} does not exist.", id(max_id)),
        ),
        (
            json!({ "NumberOfBytes": 1, "Recipient": document(max_document + 1) }),
            rejected_above("", "recipient.attestationDocument", "length", max_document),
        ),
        (
            json!({ "NumberOfBytes": 1, "Recipient": document(max_document) }),
            format!(
                "Recipient.AttestationDocument: the document has {max_document} bytes; at most \
                 16384 are allowed"
            ),
        ),
    ];
    let calls = cases.clone().map(|(parameters, _)| generate_random(parameters));
    let service = RelayedService::simulator();
    let outcomes = Sdk::Boto3.call(service.endpoint_url(), &calls);
    for (outcome, (_, message)) in outcomes.into_iter().zip(cases) {
        assert_eq!(outcome.error.unwrap().message, message);
    }
}

fn rejected_above(value: &str, member: &str, measure: &str, limit: usize) -> String {
    format!(
        "1 validation error detected: Value {value}at '{member}' failed to satisfy constraint: \
         Member must have {measure} less than or equal to {limit}"
    )
}
