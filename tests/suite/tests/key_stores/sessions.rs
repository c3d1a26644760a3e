//! Tests of the sessions and logins of a store: their number, lost sessions, and requests that are
//! in progress when the connection ends.

use std::thread;

use crate::Case;
use crate::service::{CONNECTED, Service, TOKEN_MISSING, wait_until};
use crate::softhsm::{
    CKR_GENERAL_ERROR, CKR_SESSION_HANDLE_INVALID, CKR_USER_ALREADY_LOGGED_IN, SoftHsm,
};
use crate::store_config::VAULT;

pub(crate) const CASES: &[Case] = &[
    (
        "replaces_login_session_without_failing_requests",
        replaces_login_session_without_failing_requests,
    ),
    ("successful_login_resets_the_failure_count", successful_login_resets_the_failure_count),
    ("fails_request_in_flight_when_a_health_test_fails", || {
        assert_fails_request_in_flight("C_GenerateRandom zeros\n")
    }),
    ("fails_request_in_flight_when_another_call_fails", || {
        assert_fails_request_in_flight("C_GenerateRandom return 0x06\n");
    }),
    ("closes_every_session_on_shutdown", closes_every_session_on_shutdown),
];

fn connected(hsm: &SoftHsm) -> Service<'_> {
    let service = Service::start(hsm);
    service.wait_until_state(&VAULT, CONNECTED);
    service
}

fn replaces_login_session_without_failing_requests() {
    let hsm = SoftHsm::with_stores(&[VAULT]);
    let service = connected(&hsm);
    // The request uses its own session. The first session keeps the user logged in.
    service.assert_serves(&VAULT, 32);
    let of_sessions = ["C_GetSessionInfo", "C_CloseSession", "C_OpenSession", "C_Login"];
    hsm.inject_once("C_GetSessionInfo", CKR_SESSION_HANDLE_INVALID);
    let calls = wait_until("the session is replaced and used", || {
        service.assert_state(&VAULT, CONNECTED);
        let calls = hsm.calls_of(&of_sessions);
        let invalid_handle = calls.iter().position(|call| call.rv == CKR_SESSION_HANDLE_INVALID)?;
        let calls = calls[invalid_handle..].iter().map(|call| (call.function.clone(), call.rv));
        let calls: Vec<_> = calls.collect();
        (calls.len() >= 5).then_some(calls)
    });
    // The old session must be closed before the new session is opened, because both may have the
    // same handle.
    let expected = [
        ("C_GetSessionInfo", CKR_SESSION_HANDLE_INVALID),
        ("C_CloseSession", 0),
        ("C_OpenSession", 0),
        ("C_Login", CKR_USER_ALREADY_LOGGED_IN),
        ("C_GetSessionInfo", 0),
    ];
    let expected = expected.map(|(function, rv)| (function.to_owned(), rv));
    assert_eq!(calls[..5], expected);
    service.assert_state(&VAULT, CONNECTED);
    assert_eq!(service.metric("key_store_connection_failures_total"), 0);
    service.assert_serves(&VAULT, 32);
    service.shut_down();
}

fn successful_login_resets_the_failure_count() {
    let hsm = SoftHsm::with_stores(&[VAULT]);
    let failed_twice = [CKR_GENERAL_ERROR, CKR_GENERAL_ERROR, 0];
    hsm.inject_times("C_Login", CKR_GENERAL_ERROR, 2);
    let service = connected(&hsm);
    assert_eq!(hsm.return_codes("C_Login"), failed_twice);
    hsm.remove_token("vault");
    service.wait_until_state(&VAULT, TOKEN_MISSING);
    hsm.inject_times("C_Login", CKR_GENERAL_ERROR, 2);
    hsm.restore_token("vault");
    service.wait_until_state(&VAULT, CONNECTED);
    assert_eq!(hsm.return_codes("C_Login"), [failed_twice, failed_twice].concat());
    service.assert_serves(&VAULT, 32);
    service.shut_down();
}

fn assert_fails_request_in_flight(others: &str) {
    let hsm = SoftHsm::with_stores(&[VAULT]);
    let service = connected(&hsm);
    let opened = hsm.calls("C_OpenSession").len();
    hsm.inject(&["C_GenerateRandom hold 48\n", others].concat());
    thread::scope(|scope| {
        let held = scope.spawn(|| service.draw(VAULT.id, 48));
        // A worker has taken the held request from the store's queue. The next request ends the
        // connection, which closes the queue.
        service.wait_until_called("C_OpenSession", opened + 1);
        assert_eq!(service.draw(VAULT.id, 32).error(), ("KMSInternalException", 500));
        hsm.inject("");
        assert_eq!(held.join().unwrap().error(), ("KMSInternalException", 500));
    });
    let calls = hsm.calls("C_GenerateRandom");
    let good = calls.iter().filter(|call| call.rv == 0 && call.bytes.len() == 48);
    assert_eq!(good.count(), 1, "{calls:?}");
    service.assert_serves_others();
    service.shut_down();
}

fn closes_every_session_on_shutdown() {
    let hsm = SoftHsm::with_stores(&[VAULT]);
    let service = connected(&hsm);
    let opened = hsm.calls("C_OpenSession").len();
    hsm.inject("C_GenerateRandom hold\n");
    thread::scope(|scope| {
        let held = [(); 4].map(|()| scope.spawn(|| service.draw(VAULT.id, 32)));
        service.wait_until_called("C_OpenSession", opened + 4);
        // A shutdown that does not wait for the call would end earlier.
        hsm.inject("C_CloseSession sleep 100\n");
        for held in held {
            assert_eq!(held.join().unwrap().plaintext().len(), 32);
        }
    });
    service.shut_down();
    let closed = hsm.return_codes("C_CloseSession");
    assert_eq!(closed, vec![0; opened + 4]);
    assert_eq!(hsm.return_codes("C_OpenSession"), closed);
}
