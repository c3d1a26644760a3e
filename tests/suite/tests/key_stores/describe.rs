//! Tests of DescribeCustomKeyStores with boto3 and its paginator.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use enclave::clock::{Clock, SystemClock};
use serde_json::{Value, json};

use crate::Case;
use crate::clients::{Outcome, Sdk, SdkError, model};
use crate::kms_model::assert_is_of;
use crate::service::{CONNECTED, Service};
use crate::softhsm::SoftHsm;
use crate::store_config::{EXTERNAL, EXTERNAL_ID, SPARE, Store, VAULT};

pub(crate) const CASES: &[Case] = &[
    ("paginator_returns_no_store", || paginates(0)),
    ("paginator_returns_one_store", || paginates(1)),
    ("paginator_returns_all_stores_in_file_order", || paginates(25)),
    ("finds_store_by_id_or_name_but_not_both", filters),
    ("rejects_unknown_marker", rejects_invalid_markers),
    ("entry_has_exactly_the_configured_members", shows_configured_members),
    ("boto3_raises_each_key_store_error", boto3_raises_each_key_store_error),
];

/// Configures `count` unconnected stores. Every third store is an external key store.
fn with_many_stores(count: usize) -> SoftHsm {
    let hsm = SoftHsm::empty();
    let module = hsm.spy_module();
    let store = |number: usize| match number % 3 {
        2 => EXTERNAL.replace(EXTERNAL_ID, &id(number)).replace("elsewhere", &name(number)),
        _ => {
            let (id, name) = (id(number), name(number));
            let token = format!("slot = {number}");
            Store { id: &id, name: &name, token: &token, connect: false, ..VAULT }.toml(&module)
        }
    };
    hsm.configure(&(0..count).map(store).collect::<String>());
    hsm
}

/// Returns the id of a store. The order of the ids differs from the order of the stores in the
/// file.
fn id(number: usize) -> String {
    format!("cks-{:017x}", 0xabc_def0 + (number * 7) % 25)
}

fn name(number: usize) -> String {
    format!("store {}", (number * 3) % 25)
}

fn describe(parameters: Value) -> Value {
    json!({ "operation": "DescribeCustomKeyStores", "parameters": parameters })
}

fn call(service: &Service<'_>, calls: &[Value]) -> Vec<Outcome> {
    Sdk::Boto3.call(service.url(), calls)
}

fn body(outcome: &Outcome, response: usize) -> Value {
    let response = &outcome.responses[response];
    assert_eq!(response.status, 200, "{outcome:?}");
    serde_json::from_str(&response.body).unwrap()
}

fn ids(page: &Value) -> Vec<String> {
    let stores = page["CustomKeyStores"].as_array().unwrap().iter();
    stores.map(|store| store["CustomKeyStoreId"].as_str().unwrap().to_owned()).collect()
}

fn paginates(count: usize) {
    let hsm = with_many_stores(count);
    let service = Service::start(&hsm);
    let model = model();
    let by_default = json!({});
    let sizes = [1, 10, 25].map(|size| (size, json!({ "PageSize": size })));
    let sizes: Vec<_> = sizes.into_iter().chain([(100, by_default)]).collect();
    let calls: Vec<_> = sizes
        .iter()
        .map(|(_, pages)| {
            let mut call = describe(json!({}));
            call["pages"] = pages.clone();
            call
        })
        .collect();
    for (outcome, (size, _)) in call(&service, &calls).iter().zip(sizes) {
        let pages = outcome.output.as_ref().unwrap()["pages"].as_array().unwrap();
        let received: Vec<_> = pages.iter().flat_map(ids).collect();
        assert_eq!(received, (0..count).map(id).collect::<Vec<_>>(), "pages of {size}");
        let number = count.div_ceil(size).max(1);
        assert_eq!((pages.len(), outcome.responses.len()), (number, number), "pages of {size}");
        let mut markers = BTreeSet::new();
        for page in 0..number {
            let body = body(outcome, page);
            assert_is_of(&model, "DescribeCustomKeyStoresResponse", &body);
            let is_last = page + 1 == number;
            assert_eq!(body["Truncated"] == true, !is_last, "{body}");
            assert_eq!(body.get("NextMarker").is_none(), is_last, "{body}");
            markers.extend(body["NextMarker"].as_str().map(str::to_owned));
        }
        // No two markers are equal.
        assert_eq!(markers.len(), number - 1);
        if count == 0 {
            assert_eq!(outcome.responses[0].body, r#"{"CustomKeyStores":[]}"#);
        }
    }
    service.shut_down();
}

fn filters() {
    let hsm = with_many_stores(25);
    let service = Service::start(&hsm);
    let found = [
        (json!({ "CustomKeyStoreId": id(17) }), 17),
        (json!({ "CustomKeyStoreName": name(4) }), 4),
        // The response contains one store and is not truncated.
        (json!({ "CustomKeyStoreName": name(24), "Limit": 1 }), 24),
    ];
    let outcomes = call(&service, &found.clone().map(|(parameters, _)| describe(parameters)));
    for (outcome, (parameters, number)) in outcomes.iter().zip(found) {
        let body = body(outcome, 0);
        assert_eq!(ids(&body), [id(number)], "{parameters}");
        assert!(body["Truncated"] != true && body.get("NextMarker").is_none(), "{body}");
    }
    let rejected = [
        (json!({ "CustomKeyStoreId": "cks-fffffffffffffffff" }), NOT_FOUND),
        // A part of a name, a name in another case, and a value in the wrong member do not match.
        (json!({ "CustomKeyStoreId": "cks-" }), NOT_FOUND),
        (json!({ "CustomKeyStoreName": "store" }), NOT_FOUND),
        (json!({ "CustomKeyStoreName": "STORE 3" }), NOT_FOUND),
        (json!({ "CustomKeyStoreName": id(17) }), NOT_FOUND),
        (json!({ "CustomKeyStoreId": id(0), "CustomKeyStoreName": name(0) }), VALIDATION),
    ];
    let outcomes = call(&service, &rejected.clone().map(|(parameters, _)| describe(parameters)));
    for (outcome, (parameters, rejection)) in outcomes.iter().zip(rejected) {
        assert_fails(outcome, rejection, &parameters);
    }
    service.shut_down();
}

/// The name of an error, whether boto3 has a class for the error, and the status of each attempt.
type ExpectedError = (&'static str, bool, &'static [u16]);
const NOT_FOUND: ExpectedError = ("CustomKeyStoreNotFoundException", true, &[400]);
const VALIDATION: ExpectedError = ("ValidationException", false, &[400]);
const INVALID_MARKER: ExpectedError = ("InvalidMarkerException", true, &[400]);

fn assert_fails(outcome: &Outcome, (name, typed, statuses): ExpectedError, parameters: &Value) {
    let Some(SdkError { name: is, typed: is_typed, .. }) = &outcome.error else {
        panic!("{parameters}: {outcome:?}")
    };
    assert_eq!((is.as_str(), *is_typed), (name, typed), "{parameters}");
    assert_eq!(outcome.statuses(), statuses, "{parameters}");
}

fn rejects_invalid_markers() {
    let hsm = with_many_stores(25);
    let service = Service::start(&hsm);
    let first = call(&service, &[describe(json!({ "Limit": 10 }))]).remove(0);
    let marker = body(&first, 0)["NextMarker"].as_str().unwrap().to_owned();
    let (rest, last) = marker.split_at(marker.len() - 1);
    let other = if last == "A" { "B" } else { "A" };
    let markers = [
        "AAAA".to_owned(),
        rest.to_owned(),
        [&marker, "A"].concat(),
        [rest, other].concat(),
        // The list starts with markers of other implementations.
        "10".to_owned(),
        id(9),
        id(10),
    ];
    // The service rejects every guessed marker that is not the valid marker.
    let markers: Vec<_> = markers.into_iter().filter(|invalid| *invalid != marker).collect();
    let calls: Vec<_> =
        markers.iter().map(|invalid| describe(json!({ "Limit": 10, "Marker": invalid }))).collect();
    for (outcome, invalid) in call(&service, &calls).iter().zip(markers) {
        assert_fails(outcome, INVALID_MARKER, &Value::from(invalid));
    }
    let next = describe(json!({ "Limit": 10, "Marker": marker }));
    let next = call(&service, &[next]).remove(0);
    assert_eq!(ids(&body(&next, 0)), (10..20).map(id).collect::<Vec<_>>());
    service.shut_down();
}

fn shows_configured_members() {
    let hsm = SoftHsm::empty();
    let keys = concat!(env!("CARGO_MANIFEST_DIR"), "/keys/tls/p256.crt.pem");
    let certificate = fs::read_to_string(keys).unwrap();
    fs::write(hsm.path("customerCA.crt"), &certificate).unwrap();
    let anchored = "trust_anchor_certificate = \"customerCA.crt\"\n";
    let stores = [&VAULT.toml(&hsm.spy_module()), anchored, EXTERNAL].concat();
    hsm.configure(&stores);
    let now = || Duration::from_millis(SystemClock.now().as_millis()).as_secs_f64();
    let before = now();
    let service = Service::start(&hsm);
    service.wait_until_state(&VAULT, CONNECTED);
    let outcome = call(&service, &[describe(json!({}))]).remove(0);
    let body = body(&outcome, 0);
    assert_is_of(&model(), "DescribeCustomKeyStoresResponse", &body);
    let mut entries = body["CustomKeyStores"].as_array().unwrap().clone();
    // boto3 must parse the same time.
    let parsed = outcome.output.unwrap()["CustomKeyStores"][0]["CreationDate"].as_f64().unwrap();
    for entry in &mut entries {
        let created = entry.as_object_mut().unwrap().remove("CreationDate").unwrap();
        let created = created.as_f64().unwrap();
        // The time has whole seconds.
        let around = before - 1.0..=now();
        assert!(around.contains(&created), "{around:?} {created}");
        assert!((created - parsed).abs() < 0.001, "{created} {parsed}");
    }
    let expected = json!([
        {
            "CustomKeyStoreId": VAULT.id,
            "CustomKeyStoreName": "vault",
            "CustomKeyStoreType": "AWS_CLOUDHSM",
            "CloudHsmClusterId": VAULT.cluster_id(),
            "TrustAnchorCertificate": certificate,
            "ConnectionState": "CONNECTED",
        },
        {
            "CustomKeyStoreId": EXTERNAL_ID,
            "CustomKeyStoreName": "elsewhere",
            "CustomKeyStoreType": "EXTERNAL_KEY_STORE",
            "ConnectionState": "DISCONNECTED",
            "XksProxyConfiguration": {
                "Connectivity": "PUBLIC_ENDPOINT",
                "UriEndpoint": "https://xks.example.com",
                "UriPath": "/team/kms/xks/v1",
            },
        },
    ]);
    assert_eq!(Value::from(entries), expected);
    service.shut_down();
}

fn boto3_raises_each_key_store_error() {
    const INVALID_STATE: ExpectedError = ("CustomKeyStoreInvalidStateException", true, &[400]);
    const UNSUPPORTED: ExpectedError = ("UnsupportedOperationException", true, &[400]);
    // The error is a server fault, so boto3 retries.
    const TIMEOUT: ExpectedError = ("DependencyTimeoutException", true, &[500, 500]);
    const DISCONNECTED_STORE: Store<'_> =
        Store { id: "cks-dddddddddddddddd0", name: "off", connect: false, ..SPARE };
    let hsm = SoftHsm::empty();
    let short_deadline = Store { deadline_ms: 300, ..VAULT };
    let stores = [short_deadline, DISCONNECTED_STORE].map(|store| store.toml(&hsm.spy_module()));
    hsm.configure(&[&stores.concat(), EXTERNAL].concat());
    let service = Service::start(&hsm);
    service.wait_until_state(&VAULT, CONNECTED);
    hsm.inject("C_GenerateRandom hold\n");
    let rejected = [
        ("cks-fffffffffffffffff", NOT_FOUND),
        (DISCONNECTED_STORE.id, INVALID_STATE),
        (EXTERNAL_ID, UNSUPPORTED),
        (VAULT.id, TIMEOUT),
    ];
    let calls = rejected.map(|(id, _)| {
        let parameters = json!({ "NumberOfBytes": 32, "CustomKeyStoreId": id });
        json!({ "operation": "GenerateRandom", "parameters": parameters })
    });
    for (outcome, (id, rejection)) in call(&service, &calls).iter().zip(rejected) {
        assert_fails(outcome, rejection, &Value::from(id));
    }
    service.assert_serves_others();
    service.shut_down();
}
