//! How a store comes by its module, token and PIN, and what is asked before any store is.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::slice;
use std::thread;

use serde_json::{Value, json};

use crate::Case;
use crate::clients::Sdk;
use crate::service::{BROKEN, CONNECTED, CONNECTING, GONE, Service, State, is, until};
use crate::softhsm::{CKR_CRYPTOKI_ALREADY_INITIALIZED, PIN, Stage, softhsm_module};
use crate::store_config::{SPARE, Store, VAULT};

pub(crate) const CASES: &[Case] = &[
    ("an_attempt_goes_on_for_as_long_as_each_of_its_calls_returns", an_attempt_goes_on),
    ("a_module_that_does_not_exist_refuses_the_start", a_module_that_does_not_exist),
    ("a_start_that_is_refused_has_called_no_module", a_start_that_is_refused_has_called_no_module),
    ("a_module_that_is_no_library_is_said_to_be_none", || {
        is_no_module(|stage| stage.path("pin"));
    }),
    ("a_library_that_is_no_module_is_said_to_be_none", || {
        // A spy before nothing has a list of functions to offer as little as any other library.
        is_no_module(|stage| {
            let library = stage.path("library.so");
            let mut compile = Command::new("cc");
            compile.args(["-shared", "-x", "c", "/dev/null", "-o"]).arg(&library);
            assert!(compile.status().unwrap().success());
            library
        });
    }),
    ("a_pin_can_come_from_the_environment", a_pin_can_come_from_the_environment),
    ("a_token_can_be_named_by_its_slot", a_token_can_be_named_by_its_slot),
    ("a_label_that_two_tokens_have_names_neither", a_label_that_two_tokens_have_names_neither),
    (
        "a_module_that_others_have_set_up_is_used_as_it_is",
        a_module_that_others_have_set_up_is_used_as_it_is,
    ),
    ("a_token_is_one_store_s_however_it_is_named", a_token_is_one_store_s_however_it_is_named),
    ("stores_that_are_stuck_end_together", stores_that_are_stuck_end_together),
    ("who_may_not_does_not_learn_of_stores", who_may_not_does_not_learn_of_stores),
];

/// Of calls in a row that are slow, any two take longer than one may.
fn an_attempt_goes_on() {
    let slow = |functions: &[&str]| {
        functions.iter().map(|function| format!("{function} sleep 5500\n")).collect::<String>()
    };
    let is_slow_in = |phases: &[(&[&str], &str, usize)]| {
        let stage = Stage::with(&[VAULT]);
        // From the first call on.
        stage.order(&slow(phases[0].0));
        let service = Service::start(&stage);
        for (functions, last, times) in phases {
            stage.order(&slow(functions));
            until(&format!("{last} is called {times} times"), || {
                service.assert_is(&VAULT, CONNECTING);
                (stage.calls(last).len() >= *times).then_some(())
            });
        }
        stage.order("");
        service.until_is(&VAULT, CONNECTED);
        service.end();
    };
    let [token, login, bytes, session] =
        ["C_GetTokenInfo", "C_Login", "C_GenerateRandom", "C_OpenSession"];
    thread::scope(|scope| {
        // Three slots are looked at.
        scope.spawn(|| is_slow_in(&[(&["C_Initialize", token, session, login], login, 1)]));
        // The sessions after the first are for workers.
        scope.spawn(|| is_slow_in(&[(&[login, bytes], bytes, 1), (&[bytes, session], session, 3)]));
    });
}

fn a_module_that_does_not_exist() {
    let stage = Stage::empty();
    let module = stage.path("nowhere.so");
    stage.configure(&VAULT.toml(&module));
    let (status, log) = Service::refuses_to_start(&stage);
    assert_eq!(status.code(), Some(1), "{log}");
    let said = log.lines().find(|line| line.contains(module.to_str().unwrap()));
    assert!(said.is_some_and(|line| line.contains("key_store")), "{log}");
}

/// Whoever ends as it starts would take a module from under the threads that are in it.
fn a_start_that_is_refused_has_called_no_module() {
    let stage = Stage::empty();
    let nowhere = stage.path("nowhere.so");
    stage.configure(&[VAULT.toml(&stage.spy()), SPARE.toml(&nowhere)].concat());
    for _ in 0..10 {
        let (status, log) = Service::refuses_to_start(&stage);
        assert_eq!(status.code(), Some(1), "{log}");
        assert!(log.contains("[[key_store]] number 2: module: "), "{log}");
    }
    assert!(stage.calls("C_Initialize").is_empty());
}

fn is_no_module(module: fn(&Stage) -> PathBuf) {
    let stage = Stage::empty();
    let module = module(&stage);
    stage.configure(&VAULT.toml(&module));
    let service = Service::start(&stage);
    service.until_is(&VAULT, BROKEN);
    assert_eq!(service.draw(VAULT.id, 32).refusal(), ("CustomKeyStoreInvalidStateException", 400));
    service.assert_serves_others();
    let log = fs::read_to_string(stage.path("log")).unwrap();
    let said = log.lines().find(|line| line.contains("the PKCS#11 module cannot be loaded"));
    assert!(said.is_some_and(|line| line.contains(VAULT.id)), "{log}");
    service.end();
}

fn a_pin_can_come_from_the_environment() {
    let stage = Stage::with(&[Store { pin: r#"pin_env = "VAULT_PIN""#, ..VAULT }]);
    fs::remove_file(stage.path("pin")).unwrap();
    let service = Service::start_in(&stage, &[("VAULT_PIN", PIN)]);
    service.until_is(&VAULT, CONNECTED);
    service.assert_serves(&VAULT, 32);
    service.end();
}

fn a_token_can_be_named_by_its_slot() {
    let stage = Stage::empty();
    let by_slot = VAULT.toml(&stage.spy());
    let by_slot = by_slot.replace(VAULT.token, &format!("slot = {}", stage.slot("vault")));
    stage.configure(&by_slot);
    let service = Service::start(&stage);
    service.until_is(&VAULT, CONNECTED);
    service.assert_serves(&VAULT, 32);
    service.end();
}

fn a_label_that_two_tokens_have_names_neither() {
    let stage = Stage::with(&[VAULT]);
    stage.make_token("vault", PIN);
    let service = Service::start(&stage);
    service.until_is(&VAULT, GONE);
    assert_eq!(service.said("several slots have a token with that token_label: write slot"), 1);
    assert!(stage.calls("C_Login").is_empty());
    service.end();
}

/// The spy is one module, what it forwards to another: but that can be set up only once.
fn a_module_that_others_have_set_up_is_used_as_it_is() {
    let stage = Stage::empty();
    stage.configure(&[SPARE.toml(softhsm_module().as_ref()), VAULT.toml(&stage.spy())].concat());
    stage.order("C_Initialize hold\n");
    let service = Service::start(&stage);
    service.until_is(&SPARE, CONNECTED);
    service.assert_is(&VAULT, CONNECTING);
    stage.order("");
    service.until_is(&VAULT, CONNECTED);
    assert_eq!(stage.returned("C_Initialize"), [CKR_CRYPTOKI_ALREADY_INITIALIZED]);
    service.assert_serves(&VAULT, 32);
    assert_eq!(service.draw(SPARE.id, 32).plaintext().len(), 32);
    service.end();
}

/// Once its user is logged in, nobody else in the process needs the PIN.
fn a_token_is_one_store_s_however_it_is_named() {
    const TAKEN: State = ("FAILED", Some("USER_LOGGED_IN"));
    let stage = Stage::empty();
    let slot = format!("slot = {}", stage.slot("vault"));
    let by_slot = Store { token: &slot, pin: VAULT.pin, ..SPARE };
    let elsewhere = stage.path("tokens/../spy.so");
    stage.configure(&[VAULT.toml(&stage.spy()), by_slot.toml(&elsewhere)].concat());
    let service = Service::start(&stage);
    let (one, other) = until("one is connected, and the other is not", || {
        let shown = [VAULT, by_slot].map(|store| service.describe(store.id));
        let is_connected = |shown: &Value| is(shown, CONNECTED);
        let has_failed = |shown: &Value| is(shown, TAKEN);
        match &shown {
            [first, second] if is_connected(first) && has_failed(second) => Some((VAULT, by_slot)),
            [first, second] if is_connected(second) && has_failed(first) => Some((by_slot, VAULT)),
            _ => None,
        }
    });
    assert_eq!(stage.calls("C_Login").len(), 1);
    service.assert_serves(&one, 32);
    assert_eq!(service.draw(other.id, 32).refusal(), ("CustomKeyStoreInvalidStateException", 400));
    let log = fs::read_to_string(stage.path("log")).unwrap();
    assert!(log.contains(&format!("its token is that of key store {}", one.id)), "{log}");
    service.end();
}

/// So many that a second for each would be far too long.
fn stores_that_are_stuck_end_together() {
    let stage = Stage::empty();
    stage.order("C_Initialize hold\n");
    let store = |number: usize| {
        let (id, name) = (format!("cks-1234567890abc{number:04}"), number.to_string());
        let token = format!("token_label = \"{number}\"");
        Store { id: &id, name: &name, token: &token, ..VAULT }.toml(&stage.spy())
    };
    stage.configure(&(0..99).map(store).collect::<String>());
    let service = Service::start(&stage);
    let shown = service.call("DescribeCustomKeyStores", &json!({})).body["CustomKeyStores"].clone();
    assert!(shown.as_array().unwrap().iter().all(|store| is(store, CONNECTING)), "{shown}");
    service.end();
}

/// Signature, then form, then policy, then the store.
fn who_may_not_does_not_learn_of_stores() {
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
    let stage = Stage::empty();
    fs::write(stage.path("policy.json"), DESCRIBE_ALONE).unwrap();
    stage.configure(&[SIGV4, &VAULT.toml(&stage.spy())].concat());
    let service = Service::start(&stage);
    let unsigned = json!({ "NumberOfBytes": 32, "CustomKeyStoreId": VAULT.id });
    let refusal = service.call("GenerateRandom", &unsigned);
    assert_eq!(refusal.refusal(), ("MissingAuthenticationTokenException", 400));
    let draw = |id: &str, n: u64| {
        let parameters = json!({ "NumberOfBytes": n, "CustomKeyStoreId": id });
        json!({ "operation": "GenerateRandom", "parameters": parameters })
    };
    let describe = json!({ "operation": "DescribeCustomKeyStores", "parameters": {} });
    until("it is connected", || {
        let shown = Sdk::Boto3.call(service.url(), slice::from_ref(&describe));
        let stores = shown[0].answer.as_ref().unwrap()["CustomKeyStores"].clone();
        (stores[0]["ConnectionState"] == "CONNECTED").then_some(())
    });
    let calls = stage.calls("C_GenerateRandom").len();
    let asked = [draw(VAULT.id, 1025), draw(VAULT.id, 32), draw("cks-fffffffffffffffff", 32)];
    let outcomes = Sdk::Boto3.call(service.url(), &asked);
    let names: Vec<_> =
        outcomes.iter().map(|outcome| outcome.error.as_ref().unwrap().name.as_str()).collect();
    assert_eq!(names, ["ValidationException", "AccessDeniedException", "AccessDeniedException"]);
    assert_eq!(stage.calls("C_GenerateRandom").len(), calls);
    service.end();
}
