//! What a request does not notice: sessions that are lost, and that are opened again for it.

use crate::Case;
use crate::service::{CONNECTED, GONE, Service};
use crate::softhsm::{
    CKR_DEVICE_ERROR, CKR_DEVICE_REMOVED, CKR_FUNCTION_FAILED, CKR_SESSION_CLOSED,
    CKR_SESSION_HANDLE_INVALID, CKR_TOKEN_NOT_PRESENT, Stage,
};
use crate::store_config::{SPARE, VAULT};

pub(crate) const CASES: &[Case] = &[
    ("a_session_that_is_invalid_is_opened_again_for_the_same_request", || {
        is_answered_all_the_same(CKR_SESSION_HANDLE_INVALID);
    }),
    ("a_session_that_is_closed_is_opened_again_for_the_same_request", || {
        is_answered_all_the_same(CKR_SESSION_CLOSED);
    }),
    ("a_device_that_is_removed_for_a_moment_does_not_matter_to_the_request", || {
        is_answered_all_the_same(CKR_DEVICE_REMOVED);
    }),
    ("a_token_that_is_not_present_for_a_moment_does_not_matter_to_the_request", || {
        is_answered_all_the_same(CKR_TOKEN_NOT_PRESENT);
    }),
    ("a_fault_of_one_call_is_over_without_anybody_s_doing", || {
        is_refused_once(CKR_FUNCTION_FAILED);
    }),
    ("a_fault_of_the_device_in_one_call_is_over_without_anybody_s_doing", || {
        is_refused_once(CKR_DEVICE_ERROR);
    }),
    ("two_stores_on_one_module_give_what_their_own_tokens_give", two_stores_on_one_module),
];

fn is_answered_all_the_same(rv: u64) {
    let stage = Stage::with(&[VAULT]);
    let service = Service::start(&stage);
    service.until_is(&VAULT, CONNECTED);
    for _ in 0..3 {
        stage.order_once("C_GenerateRandom", rv);
        let before = stage.calls("C_GenerateRandom").len();
        let random = service.draw(VAULT.id, 32).plaintext();
        let calls = stage.calls("C_GenerateRandom");
        let calls = &calls[before..];
        assert_eq!(calls[0].rv, rv);
        // What is tested at a connection comes in calls of another length.
        let given: Vec<_> = calls.iter().filter(|call| call.bytes.len() == 32).collect();
        let [call] = given[..] else { panic!("{calls:?}") };
        assert_eq!(call.bytes, random);
        // Over another session, for which the first made room.
        let calls = stage.calls_of(&["C_CloseSession", "C_OpenSession", "C_GenerateRandom"]);
        let functions: Vec<_> = calls.iter().map(|call| call.function.as_str()).collect();
        let last = ["C_GenerateRandom", "C_CloseSession", "C_OpenSession", "C_GenerateRandom"];
        assert!(functions.ends_with(&last), "{calls:?}");
        service.assert_is(&VAULT, CONNECTED);
    }
    service.assert_serves_others();
    service.end();
}

fn is_refused_once(rv: u64) {
    let stage = Stage::with(&[VAULT]);
    let service = Service::start(&stage);
    service.until_is(&VAULT, CONNECTED);
    stage.order_once("C_GenerateRandom", rv);
    assert_eq!(service.draw(VAULT.id, 32).refusal(), ("KMSInternalException", 500));
    service.until_is(&VAULT, CONNECTED);
    service.assert_serves(&VAULT, 32);
    service.end();
}

/// SoftHSM looks for tokens at C_Initialize alone, and that would end the sessions of the other store: what
/// works is left alone.
fn two_stores_on_one_module() {
    let stage = Stage::with(&[VAULT, SPARE]);
    let service = Service::start(&stage);
    for store in [VAULT, SPARE] {
        service.until_is(&store, CONNECTED);
        service.assert_serves(&store, 32);
    }
    stage.take_away("spare");
    service.until_is(&SPARE, GONE);
    // Nobody set anything up anew for it.
    assert!(stage.calls("C_Finalize").is_empty());
    service.assert_is(&VAULT, CONNECTED);
    service.assert_serves(&VAULT, 32);
    service.assert_serves_others();
    service.end();
}
