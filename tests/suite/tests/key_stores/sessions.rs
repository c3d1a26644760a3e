//! A store's sessions and its logins: how many there are, what becomes of one that is gone, and of a
//! request that is in the module as the connection ends.

use std::thread;

use crate::Case;
use crate::service::{CONNECTED, GONE, Service, until};
use crate::softhsm::{
    CKR_GENERAL_ERROR, CKR_SESSION_HANDLE_INVALID, CKR_USER_ALREADY_LOGGED_IN, Stage,
};
use crate::store_config::VAULT;

pub(crate) const CASES: &[Case] = &[
    (
        "a_session_that_keeps_the_user_logged_in_is_replaced_without_anybody_s_notice",
        the_keeper_s_session_is_replaced,
    ),
    ("a_login_that_works_forgives_those_before_it", a_login_that_works_forgives_those_before_it),
    ("a_request_in_the_module_as_bytes_fail_a_test_gets_none_though_its_own_are_good", || {
        a_request_in_the_module_gets_none("C_GenerateRandom zeros\n")
    }),
    ("a_request_in_the_module_as_a_call_fails_gets_none_though_its_own_are_good", || {
        a_request_in_the_module_gets_none("C_GenerateRandom return 0x06\n");
    }),
    ("every_session_is_closed_at_the_end", every_session_is_closed_at_the_end),
];

fn connected(stage: &Stage) -> Service<'_> {
    let service = Service::start(stage);
    service.until_is(&VAULT, CONNECTED);
    service
}

fn the_keeper_s_session_is_replaced() {
    let stage = Stage::with(&[VAULT]);
    let service = connected(&stage);
    // By a session of its own, which keeps the user logged in.
    service.assert_serves(&VAULT, 32);
    let of_sessions = ["C_GetSessionInfo", "C_CloseSession", "C_OpenSession", "C_Login"];
    stage.order_once("C_GetSessionInfo", CKR_SESSION_HANDLE_INVALID);
    let calls = until("it is replaced, and looked after", || {
        service.assert_is(&VAULT, CONNECTED);
        let calls = stage.calls_of(&of_sessions);
        let gone = calls.iter().position(|call| call.rv == CKR_SESSION_HANDLE_INVALID)?;
        let calls = calls[gone..].iter().map(|call| (call.function.clone(), call.rv));
        let calls: Vec<_> = calls.collect();
        (calls.len() >= 5).then_some(calls)
    });
    // Closed first: its handle may be the next one's.
    let expected = [
        ("C_GetSessionInfo", CKR_SESSION_HANDLE_INVALID),
        ("C_CloseSession", 0),
        ("C_OpenSession", 0),
        ("C_Login", CKR_USER_ALREADY_LOGGED_IN),
        ("C_GetSessionInfo", 0),
    ];
    let expected = expected.map(|(function, rv)| (function.to_owned(), rv));
    assert_eq!(calls[..5], expected);
    service.assert_is(&VAULT, CONNECTED);
    assert_eq!(service.metric("key_store_failures_total"), 0);
    service.assert_serves(&VAULT, 32);
    service.end();
}

fn a_login_that_works_forgives_those_before_it() {
    let stage = Stage::with(&[VAULT]);
    let refused_twice = [CKR_GENERAL_ERROR, CKR_GENERAL_ERROR, 0];
    stage.order_times("C_Login", CKR_GENERAL_ERROR, 2);
    let service = connected(&stage);
    assert_eq!(stage.returned("C_Login"), refused_twice);
    stage.take_away("vault");
    service.until_is(&VAULT, GONE);
    stage.order_times("C_Login", CKR_GENERAL_ERROR, 2);
    stage.put_back("vault");
    service.until_is(&VAULT, CONNECTED);
    assert_eq!(stage.returned("C_Login"), [refused_twice, refused_twice].concat());
    service.assert_serves(&VAULT, 32);
    service.end();
}

fn a_request_in_the_module_gets_none(others: &str) {
    let stage = Stage::with(&[VAULT]);
    let service = connected(&stage);
    let opened = stage.calls("C_OpenSession").len();
    stage.order(&["C_GenerateRandom hold 48\n", others].concat());
    thread::scope(|scope| {
        let held = scope.spawn(|| service.draw(VAULT.id, 48));
        // It is no longer in the line, which ends with the connection.
        service.until_called("C_OpenSession", opened + 1);
        assert_eq!(service.draw(VAULT.id, 32).refusal(), ("KMSInternalException", 500));
        stage.order("");
        assert_eq!(held.join().unwrap().refusal(), ("KMSInternalException", 500));
    });
    let calls = stage.calls("C_GenerateRandom");
    let good = calls.iter().filter(|call| call.rv == 0 && call.bytes.len() == 48);
    assert_eq!(good.count(), 1, "{calls:?}");
    service.assert_serves_others();
    service.end();
}

fn every_session_is_closed_at_the_end() {
    let stage = Stage::with(&[VAULT]);
    let service = connected(&stage);
    let opened = stage.calls("C_OpenSession").len();
    stage.order("C_GenerateRandom hold\n");
    thread::scope(|scope| {
        let held = [(); 4].map(|()| scope.spawn(|| service.draw(VAULT.id, 32)));
        service.until_called("C_OpenSession", opened + 4);
        // Whoever does not wait for it ends before.
        stage.order("C_CloseSession sleep 100\n");
        for held in held {
            assert_eq!(held.join().unwrap().plaintext().len(), 32);
        }
    });
    service.end();
    let closed = stage.returned("C_CloseSession");
    assert_eq!(closed, vec![0; opened + 4]);
    assert_eq!(stage.returned("C_OpenSession"), closed);
}
