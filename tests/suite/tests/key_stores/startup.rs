//! Tests of the module, the token and the PIN of a store at the start of a service, and of checks
//! that come before the stores.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::slice;
use std::thread;

use serde_json::{Value, json};

use crate::Case;
use crate::clients::Sdk;
use crate::service::{
    CONNECTED, CONNECTING, INTERNAL_FAILURE, Service, State, TOKEN_MISSING, is_in_state, wait_until,
};
use crate::softhsm::{CKR_CRYPTOKI_ALREADY_INITIALIZED, PIN, SoftHsm, softhsm_module};
use crate::store_config::{SPARE, Store, VAULT};

pub(crate) const CASES: &[Case] = &[
    (
        "slow_connection_attempt_continues_while_calls_return",
        slow_connection_attempt_continues_while_calls_return,
    ),
    ("missing_module_prevents_start", missing_module_prevents_start),
    ("failed_start_calls_no_module", failed_start_calls_no_module),
    ("reports_module_that_is_not_a_library", || {
        assert_module_cannot_be_loaded(|hsm| hsm.path("pin"));
    }),
    ("reports_library_that_is_not_a_module", || {
        // This library has no function C_GetFunctionList.
        assert_module_cannot_be_loaded(|hsm| {
            let library = hsm.path("library.so");
            let mut compile = Command::new("cc");
            compile.args(["-shared", "-x", "c", "/dev/null", "-o"]).arg(&library);
            assert!(compile.status().unwrap().success());
            library
        });
    }),
    ("reads_pin_from_the_environment", reads_pin_from_the_environment),
    ("finds_token_by_slot", finds_token_by_slot),
    ("rejects_ambiguous_token_label", rejects_ambiguous_token_label),
    ("uses_module_that_is_already_initialized", uses_module_that_is_already_initialized),
    ("second_store_on_one_token_fails", second_store_on_one_token_fails),
    ("stuck_stores_shut_down_concurrently", stuck_stores_shut_down_concurrently),
    ("denied_callers_learn_nothing_of_stores", denied_callers_learn_nothing_of_stores),
];

/// Delays the calls of a connection attempt. Each call is within the time limit of one call, but
/// two calls together are not.
fn slow_connection_attempt_continues_while_calls_return() {
    let slow = |functions: &[&str]| {
        functions.iter().map(|function| format!("{function} sleep 5500\n")).collect::<String>()
    };
    let is_slow_in = |phases: &[(&[&str], &str, usize)]| {
        let hsm = SoftHsm::with_stores(&[VAULT]);
        // The faults are injected before the first call.
        hsm.inject(&slow(phases[0].0));
        let service = Service::start(&hsm);
        for (functions, last, times) in phases {
            hsm.inject(&slow(functions));
            wait_until(&format!("{last} is called {times} times"), || {
                service.assert_state(&VAULT, CONNECTING);
                (hsm.calls(last).len() >= *times).then_some(())
            });
        }
        hsm.inject("");
        service.wait_until_state(&VAULT, CONNECTED);
        service.shut_down();
    };
    let [token, login, bytes, session] =
        ["C_GetTokenInfo", "C_Login", "C_GenerateRandom", "C_OpenSession"];
    thread::scope(|scope| {
        // The service searches three slots for the token.
        scope.spawn(|| is_slow_in(&[(&["C_Initialize", token, session, login], login, 1)]));
        // The first session belongs to the connection manager, and the others to the workers.
        scope.spawn(|| is_slow_in(&[(&[login, bytes], bytes, 1), (&[bytes, session], session, 3)]));
    });
}

fn missing_module_prevents_start() {
    let hsm = SoftHsm::empty();
    let module = hsm.path("nowhere.so");
    hsm.configure(&VAULT.toml(&module));
    let (status, log) = Service::fails_to_start(&hsm);
    assert_eq!(status.code(), Some(1), "{log}");
    let line = log.lines().find(|line| line.contains(module.to_str().unwrap()));
    assert!(line.is_some_and(|line| line.contains("key_store")), "{log}");
}

/// Checks that a failed start does not unload a module while threads execute its code.
fn failed_start_calls_no_module() {
    let hsm = SoftHsm::empty();
    let nowhere = hsm.path("nowhere.so");
    hsm.configure(&[VAULT.toml(&hsm.spy_module()), SPARE.toml(&nowhere)].concat());
    for _ in 0..10 {
        let (status, log) = Service::fails_to_start(&hsm);
        assert_eq!(status.code(), Some(1), "{log}");
        assert!(log.contains("[[key_store]] number 2: module: "), "{log}");
    }
    assert!(hsm.calls("C_Initialize").is_empty());
}

fn assert_module_cannot_be_loaded(module: fn(&SoftHsm) -> PathBuf) {
    let hsm = SoftHsm::empty();
    let module = module(&hsm);
    hsm.configure(&VAULT.toml(&module));
    let service = Service::start(&hsm);
    service.wait_until_state(&VAULT, INTERNAL_FAILURE);
    assert_eq!(service.draw(VAULT.id, 32).error(), ("CustomKeyStoreInvalidStateException", 400));
    service.assert_serves_others();
    let log = fs::read_to_string(hsm.path("log")).unwrap();
    let line = log.lines().find(|line| line.contains("the PKCS#11 module cannot be loaded"));
    assert!(line.is_some_and(|line| line.contains(VAULT.id)), "{log}");
    service.shut_down();
}

fn reads_pin_from_the_environment() {
    let hsm = SoftHsm::with_stores(&[Store { pin: r#"pin_env = "VAULT_PIN""#, ..VAULT }]);
    fs::remove_file(hsm.path("pin")).unwrap();
    let service = Service::start_in(&hsm, &[("VAULT_PIN", PIN)]);
    service.wait_until_state(&VAULT, CONNECTED);
    service.assert_serves(&VAULT, 32);
    service.shut_down();
}

fn finds_token_by_slot() {
    let hsm = SoftHsm::empty();
    let by_slot = VAULT.toml(&hsm.spy_module());
    let by_slot = by_slot.replace(VAULT.token, &format!("slot = {}", hsm.slot("vault")));
    hsm.configure(&by_slot);
    let service = Service::start(&hsm);
    service.wait_until_state(&VAULT, CONNECTED);
    service.assert_serves(&VAULT, 32);
    service.shut_down();
}

fn rejects_ambiguous_token_label() {
    let hsm = SoftHsm::with_stores(&[VAULT]);
    hsm.make_token("vault", PIN);
    let service = Service::start(&hsm);
    service.wait_until_state(&VAULT, TOKEN_MISSING);
    assert_eq!(
        service.count_log_lines("several slots have a token with this token_label: set slot"),
        1
    );
    assert!(hsm.calls("C_Login").is_empty());
    service.shut_down();
}

/// Configures two stores. One uses SoftHSM directly, and the other uses the module in front of
/// SoftHSM. These are different modules, but SoftHSM can be initialized only once.
fn uses_module_that_is_already_initialized() {
    let hsm = SoftHsm::empty();
    hsm.configure(&[SPARE.toml(softhsm_module().as_ref()), VAULT.toml(&hsm.spy_module())].concat());
    hsm.inject("C_Initialize hold\n");
    let service = Service::start(&hsm);
    service.wait_until_state(&SPARE, CONNECTED);
    service.assert_state(&VAULT, CONNECTING);
    hsm.inject("");
    service.wait_until_state(&VAULT, CONNECTED);
    assert_eq!(hsm.return_codes("C_Initialize"), [CKR_CRYPTOKI_ALREADY_INITIALIZED]);
    service.assert_serves(&VAULT, 32);
    assert_eq!(service.draw(SPARE.id, 32).plaintext().len(), 32);
    service.shut_down();
}

/// Checks that two stores cannot share a token. A login applies to the whole process, so the second
/// store would need no PIN.
fn second_store_on_one_token_fails() {
    const USER_LOGGED_IN: State = ("FAILED", Some("USER_LOGGED_IN"));
    let hsm = SoftHsm::empty();
    let slot = format!("slot = {}", hsm.slot("vault"));
    let by_slot = Store { token: &slot, pin: VAULT.pin, ..SPARE };
    let other_path = hsm.path("tokens/../spy.so");
    hsm.configure(&[VAULT.toml(&hsm.spy_module()), by_slot.toml(&other_path)].concat());
    let service = Service::start(&hsm);
    let (one, other) = wait_until("one store is connected and the other has failed", || {
        let shown = [VAULT, by_slot].map(|store| service.describe(store.id));
        let is_connected = |shown: &Value| is_in_state(shown, CONNECTED);
        let has_failed = |shown: &Value| is_in_state(shown, USER_LOGGED_IN);
        match &shown {
            [first, second] if is_connected(first) && has_failed(second) => Some((VAULT, by_slot)),
            [first, second] if is_connected(second) && has_failed(first) => Some((by_slot, VAULT)),
            _ => None,
        }
    });
    assert_eq!(hsm.calls("C_Login").len(), 1);
    service.assert_serves(&one, 32);
    assert_eq!(service.draw(other.id, 32).error(), ("CustomKeyStoreInvalidStateException", 400));
    let log = fs::read_to_string(hsm.path("log")).unwrap();
    assert!(log.contains(&format!("key store {} uses the same token", one.id)), "{log}");
    service.shut_down();
}

/// Configures many stores, so that the start would take too long if each store delayed it by a
/// second.
fn stuck_stores_shut_down_concurrently() {
    let hsm = SoftHsm::empty();
    hsm.inject("C_Initialize hold\n");
    let store = |number: usize| {
        let (id, name) = (format!("cks-1234567890abc{number:04}"), number.to_string());
        let token = format!("token_label = \"{number}\"");
        Store { id: &id, name: &name, token: &token, ..VAULT }.toml(&hsm.spy_module())
    };
    hsm.configure(&(0..99).map(store).collect::<String>());
    let service = Service::start(&hsm);
    let shown = service.call("DescribeCustomKeyStores", &json!({})).body["CustomKeyStores"].clone();
    assert!(
        shown.as_array().unwrap().iter().all(|store| is_in_state(store, CONNECTING)),
        "{shown}"
    );
    service.shut_down();
}

/// Checks the order of the checks: signature, request, policy, store.
fn denied_callers_learn_nothing_of_stores() {
    const SIGV4: &str = r#"
[auth]
mode = "sigv4"
region = "eu-west-1"

[[credential]]
access_key_id = "AKIDEXAMPLE"
secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
principal = "arn:aws:iam::123456789012:role/wallet"
policies = ["policy.json"]
"#;
    const DESCRIBE_ALONE: &str = r#"{"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "kms:DescribeCustomKeyStores", "Resource": "*"}]}"#;
    let hsm = SoftHsm::empty();
    fs::write(hsm.path("policy.json"), DESCRIBE_ALONE).unwrap();
    hsm.configure(&[SIGV4, &VAULT.toml(&hsm.spy_module())].concat());
    let service = Service::start(&hsm);
    let unsigned = json!({ "NumberOfBytes": 32, "CustomKeyStoreId": VAULT.id });
    let rejection = service.call("GenerateRandom", &unsigned);
    assert_eq!(rejection.error(), ("MissingAuthenticationTokenException", 400));
    let draw = |id: &str, n: u64| {
        let parameters = json!({ "NumberOfBytes": n, "CustomKeyStoreId": id });
        json!({ "operation": "GenerateRandom", "parameters": parameters })
    };
    let describe = json!({ "operation": "DescribeCustomKeyStores", "parameters": {} });
    wait_until("the store is connected", || {
        let shown = Sdk::Boto3.call(service.url(), slice::from_ref(&describe));
        let stores = shown[0].output.as_ref().unwrap()["CustomKeyStores"].clone();
        (stores[0]["ConnectionState"] == "CONNECTED").then_some(())
    });
    let calls = hsm.calls("C_GenerateRandom").len();
    let asked = [draw(VAULT.id, 1025), draw(VAULT.id, 32), draw("cks-fffffffffffffffff", 32)];
    let outcomes = Sdk::Boto3.call(service.url(), &asked);
    let names: Vec<_> =
        outcomes.iter().map(|outcome| outcome.error.as_ref().unwrap().name.as_str()).collect();
    assert_eq!(names, ["ValidationException", "AccessDeniedException", "AccessDeniedException"]);
    assert_eq!(hsm.calls("C_GenerateRandom").len(), calls);
    service.shut_down();
}
