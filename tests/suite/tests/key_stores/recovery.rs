//! Tests of lost sessions. The service opens a new session within the same request.

use crate::Case;
use crate::service::{CONNECTED, Service, TOKEN_MISSING};
use crate::softhsm::{
    CKR_DEVICE_ERROR, CKR_DEVICE_REMOVED, CKR_FUNCTION_FAILED, CKR_SESSION_CLOSED,
    CKR_SESSION_HANDLE_INVALID, CKR_TOKEN_NOT_PRESENT, SoftHsm,
};
use crate::store_config::{SPARE, VAULT};

pub(crate) const CASES: &[Case] = &[
    ("reopens_invalid_session_within_the_request", || {
        assert_retried_within_the_request(CKR_SESSION_HANDLE_INVALID);
    }),
    ("reopens_closed_session_within_the_request", || {
        assert_retried_within_the_request(CKR_SESSION_CLOSED);
    }),
    ("retries_after_transient_device_removal", || {
        assert_retried_within_the_request(CKR_DEVICE_REMOVED);
    }),
    ("retries_after_transient_token_absence", || {
        assert_retried_within_the_request(CKR_TOKEN_NOT_PRESENT);
    }),
    ("recovers_from_failed_call", || {
        assert_fails_once(CKR_FUNCTION_FAILED);
    }),
    ("recovers_from_device_error", || {
        assert_fails_once(CKR_DEVICE_ERROR);
    }),
    (
        "two_stores_on_one_module_use_their_own_tokens",
        two_stores_on_one_module_use_their_own_tokens,
    ),
];

fn assert_retried_within_the_request(rv: u64) {
    let hsm = SoftHsm::with_stores(&[VAULT]);
    let service = Service::start(&hsm);
    service.wait_until_state(&VAULT, CONNECTED);
    for _ in 0..3 {
        hsm.inject_once("C_GenerateRandom", rv);
        let before = hsm.calls("C_GenerateRandom").len();
        let random = service.draw(VAULT.id, 32).plaintext();
        let calls = hsm.calls("C_GenerateRandom");
        let calls = &calls[before..];
        assert_eq!(calls[0].rv, rv);
        // The self-test at the connection has another length, so this rule does not affect it.
        let given: Vec<_> = calls.iter().filter(|call| call.bytes.len() == 32).collect();
        let [call] = given[..] else { panic!("{calls:?}") };
        assert_eq!(call.bytes, random);
        // The service closes the first session, and opens a new session for the second attempt.
        let calls = hsm.calls_of(&["C_CloseSession", "C_OpenSession", "C_GenerateRandom"]);
        let functions: Vec<_> = calls.iter().map(|call| call.function.as_str()).collect();
        let last = ["C_GenerateRandom", "C_CloseSession", "C_OpenSession", "C_GenerateRandom"];
        assert!(functions.ends_with(&last), "{calls:?}");
        service.assert_state(&VAULT, CONNECTED);
    }
    service.assert_serves_others();
    service.shut_down();
}

fn assert_fails_once(rv: u64) {
    let hsm = SoftHsm::with_stores(&[VAULT]);
    let service = Service::start(&hsm);
    service.wait_until_state(&VAULT, CONNECTED);
    hsm.inject_once("C_GenerateRandom", rv);
    assert_eq!(service.draw(VAULT.id, 32).error(), ("KMSInternalException", 500));
    service.wait_until_state(&VAULT, CONNECTED);
    service.assert_serves(&VAULT, 32);
    service.shut_down();
}

/// Removes one of two tokens. SoftHSM searches for tokens only in C_Initialize, which requires the
/// end of all sessions. The service must not end the sessions of the other store, because that
/// store works.
fn two_stores_on_one_module_use_their_own_tokens() {
    let hsm = SoftHsm::with_stores(&[VAULT, SPARE]);
    let service = Service::start(&hsm);
    for store in [VAULT, SPARE] {
        service.wait_until_state(&store, CONNECTED);
        service.assert_serves(&store, 32);
    }
    hsm.remove_token("spare");
    service.wait_until_state(&SPARE, TOKEN_MISSING);
    // The service did not initialize the module again.
    assert!(hsm.calls("C_Finalize").is_empty());
    service.assert_state(&VAULT, CONNECTED);
    service.assert_serves(&VAULT, 32);
    service.assert_serves_others();
    service.shut_down();
}
