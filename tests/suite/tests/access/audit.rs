//! The members of audit records.

use std::collections::BTreeMap;

use attested_recipient::{Credentials, Document, Kind, UnixMillis};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::credentials::{ACCESS_KEY_ID, ALLOW, ARN, sigv4};
use super::service::{ConfiguredService, rejection};

/// Returns the value of the PCR `index` in the documents of these tests.
fn pcr(index: u8) -> [u8; 48] {
    [index | 0x40; 48]
}

fn document(kind: Kind) -> Document {
    Document {
        kind,
        pcrs: (0..24).map(|index| (index, pcr(index))).collect(),
        ..Document::default()
    }
}

fn base64_pcr(index: u8) -> Value {
    STANDARD.encode(pcr(index)).into()
}

/// Removes the members whose values differ between records. Checks the format of these values.
fn remove_variable_fields(record: &mut Value) {
    let record = record.as_object_mut().unwrap();
    let mut take = |name: &str| match record.remove(name) {
        Some(Value::String(text)) => text,
        other => panic!("{name}: {other:?}"),
    };
    let time = take("eventTime");
    assert!(time.len() == "2026-02-03T10:12:02Z".len(), "{time}");
    assert!(UnixMillis::from_rfc3339(&time).is_some(), "{time}");
    let ids = [take("requestID"), take("eventID")];
    assert_ne!(ids[0], ids[1]);
    for id in ids {
        let groups: Vec<_> = id.split('-').map(str::len).collect();
        assert_eq!(groups, [8, 4, 4, 4, 12], "{id}");
    }
    assert!(take("userAgent").starts_with("attested-recipient/"));
    let stream = take("stream");
    assert!(stream.len() == 16 && stream.bytes().all(|byte| byte.is_ascii_hexdigit()), "{stream}");
}

/// Returns the members of every record of an authenticated caller, and the members in `more`.
fn expected(more: Value) -> Value {
    let mut record = json!({
        "eventVersion": "1.08",
        "userIdentity": {
            "type": "Role",
            "arn": ARN,
            "accountId": "123456789012",
            "accessKeyId": ACCESS_KEY_ID,
        },
        "eventSource": "kms.amazonaws.com",
        "eventName": "GenerateRandom",
        "awsRegion": "eu-west-1",
        "sourceIPAddress": null,
        "requestParameters": { "numberOfBytes": 32 },
        "responseElements": null,
        "readOnly": true,
        "resources": [],
        "eventType": "AwsApiCall",
        "managementEvent": true,
        "recipientAccountId": "123456789012",
        "eventCategory": "Management",
        "sequence": 1,
    });
    let Value::Object(more) = more else { panic!("{more}") };
    record.as_object_mut().unwrap().extend(more);
    record
}

fn only_record(service: ConfiguredService) -> Value {
    let [mut record] = <[Value; 1]>::try_from(service.records()).unwrap();
    remove_variable_fields(&mut record);
    record
}

fn recipient(module_id: &str, pcrs: &[(&str, u8)]) -> Value {
    let mut recipient = Map::new();
    recipient.insert("attestationDocumentModuleId".to_owned(), module_id.into());
    for (name, index) in pcrs {
        recipient.insert(["attestationDocument", name].concat(), base64_pcr(*index));
    }
    json!({ "recipient": recipient })
}

const ENCLAVE_MODULE_ID: &str = "simulated-i-00000000000000000-enc0000000000000000";

fn enclave() -> Value {
    let pcrs = [
        ("EnclaveImageDigest", 0),
        ("EnclavePCR1", 1),
        ("EnclavePCR2", 2),
        ("EnclavePCR3", 3),
        ("EnclavePCR4", 4),
        ("EnclavePCR8", 8),
    ];
    recipient(ENCLAVE_MODULE_ID, &pcrs)
}

#[test]
fn records_granted_enclave_request() {
    let service = ConfiguredService::start(&sigv4(), ALLOW);
    service.generate_for(&document(Kind::Enclave)).unwrap();
    assert_eq!(only_record(service), expected(json!({ "additionalEventData": enclave() })));
}

#[test]
fn documented_record_has_all_fields_of_a_real_record() {
    fn names(value: &Value) -> Vec<&str> {
        value.as_object().unwrap().keys().map(String::as_str).collect()
    }
    let page = include_str!("../../../../docs/configuration.md");
    let (_, block) = page.split_once("```json\n").unwrap();
    let documented: Value = serde_json::from_str(block.split_once("```").unwrap().0).unwrap();
    let service = ConfiguredService::start(&sigv4(), ALLOW);
    service.generate_for(&document(Kind::Enclave)).unwrap();
    let [real] = <[Value; 1]>::try_from(service.records()).unwrap();
    assert_eq!(names(&documented), names(&real));
    assert_eq!(names(&documented["userIdentity"]), names(&real["userIdentity"]));
    let recipient = |record: &Value| record["additionalEventData"]["recipient"].clone();
    let (documented, real) = (recipient(&documented), recipient(&real));
    assert!(names(&documented).iter().all(|name| names(&real).contains(name)));
}

#[test]
fn records_granted_nitro_tpm_request() {
    let service = ConfiguredService::start(&sigv4(), ALLOW);
    service.generate_for(&document(Kind::NitroTpm)).unwrap();
    let record = only_record(service);
    let module_id =
        record["additionalEventData"]["recipient"]["attestationDocumentModuleId"].as_str().unwrap();
    assert!(module_id.contains("-tpm"), "{module_id}");
    let names = [4, 7, 8, 9, 16, 23].map(|index| (format!("NitroTPMPCR{index}"), index));
    let pcrs: Vec<_> = names.iter().map(|(name, index)| (name.as_str(), *index)).collect();
    let recipient = recipient(module_id, &pcrs);
    assert_eq!(record, expected(json!({ "additionalEventData": recipient })));
}

#[test]
fn records_granted_request_without_recipient() {
    let service = ConfiguredService::start(&sigv4(), ALLOW);
    service.generate_plain().unwrap();
    assert_eq!(only_record(service), expected(json!({})));
}

#[test]
fn records_principal_and_measurements_of_denied_request() {
    let deny = ALLOW.replace("Allow", "Deny");
    let service = ConfiguredService::start(&sigv4(), &deny);
    let (error_type, message) = rejection(service.generate_for(&document(Kind::Enclave)));
    let rejected = json!({
        "errorCode": error_type,
        "errorMessage": message,
        "additionalEventData": enclave(),
    });
    assert_eq!(rejected["errorCode"], "AccessDeniedException");
    assert_eq!(only_record(service), expected(rejected));
}

#[test]
fn omits_claims_of_unverified_document() {
    let service = ConfiguredService::start(&sigv4(), ALLOW);
    let stale = Document { age_seconds: 1000, ..document(Kind::Enclave) };
    let (error_type, message) = rejection(service.generate_for(&stale));
    let record = only_record(service);
    let rejected = json!({ "errorCode": "ValidationException", "errorMessage": message });
    assert_eq!(error_type, "ValidationException");
    assert_eq!(record, expected(rejected));
}

#[test]
fn records_forged_signature_as_anonymous() {
    let service = ConfiguredService::start(&sigv4(), ALLOW);
    let forger = Credentials::new(ACCESS_KEY_ID, "wrong secret", "eu-west-1");
    let forger = suite::client(service.endpoint_url()).with_credentials(forger);
    let (error_type, message) = rejection(forger.generate_random(32).map(|bytes| bytes.to_vec()));
    assert_eq!(error_type, "InvalidSignatureException");
    let mut expected = expected(json!({
        "userIdentity": { "type": "AWSAccount", "accountId": "ANONYMOUS_PRINCIPAL" },
        "eventName": null,
        "requestParameters": null,
        "errorCode": error_type,
        "errorMessage": message,
    }));
    expected.as_object_mut().unwrap().remove("recipientAccountId");
    assert_eq!(only_record(service), expected);
}

#[test]
fn writes_one_record_per_kms_request_with_its_request_id() {
    let service = ConfiguredService::start("", ALLOW);
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let url = service.endpoint_url().to_owned();
    let send = |method: &str, path: &str, target: &str, body: Vec<u8>| {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{url}{path}"))
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", target)
            .body(body)
            .unwrap();
        let response = agent.run(request).unwrap();
        response.headers()["x-amzn-requestid"].to_str().unwrap().to_owned()
    };
    let generate = "TrentService.GenerateRandom";
    let ids = [
        send("POST", "/", generate, br#"{"NumberOfBytes":1}"#.to_vec()),
        send("POST", "/", generate, b"{".to_vec()),
        send("POST", "/", "TrentService.Decrypt", b"{}".to_vec()),
        send("POST", "/", "TrentService.DescribeCustomKeyStores", b"{}".to_vec()),
        // The service rejects the next requests before it reads the body.
        send("POST", "/", generate, vec![b' '; 512 * 1024 + 1]),
    ];
    // The next requests are not KMS requests, so they have no audit record.
    send("GET", "/healthz", generate, Vec::new());
    send("GET", "/readyz", generate, Vec::new());
    send("POST", "/elsewhere", generate, Vec::new());
    let records = service.records();
    let recorded: BTreeMap<_, _> = records
        .iter()
        .map(|record| {
            let text = |name: &str| record[name].as_str().map(ToOwned::to_owned);
            (text("requestID").unwrap(), (text("eventName"), text("errorCode")))
        })
        .collect();
    assert_eq!((records.len(), recorded.len()), (ids.len(), ids.len()));
    let [generate, describe] = ["GenerateRandom", "DescribeCustomKeyStores"].map(Some);
    for (id, (name, error)) in ids.iter().zip([
        (generate, None),
        (generate, Some("SerializationException")),
        (None, Some("UnknownOperationException")),
        (describe, None),
        (None, Some("RequestEntityTooLargeException")),
    ]) {
        let expected = (name.map(ToOwned::to_owned), error.map(ToOwned::to_owned));
        assert_eq!(recorded[id], expected);
    }
}
