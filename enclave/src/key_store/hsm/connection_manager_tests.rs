use std::sync::mpsc;
use std::thread;

use cryptoki::context::Function;
use cryptoki::error::{Error as Pkcs11Error, RvError};

use super::super::state::Status;
use super::super::store::tests::store;
use super::*;
use crate::health::HealthFault;

const NONE: Duration = Duration::ZERO;

/// Returns a connection manager whose module is a file that is not a module.
fn manager(store: &Arc<Store>) -> ConnectionManager {
    let pin = RawAuthPin::new(Box::new(Vec::new()));
    ConnectionManager::new(store, Token::Slot(7), pin)
}

fn login_fault(code: RvError) -> HsmFault {
    Pkcs11Error::Pkcs11(code, Function::Login).into()
}

#[test]
fn delay_doubles_up_to_its_maximum() {
    let mut retry = Retry::default();
    let delays: Vec<_> = (0..9).map(|_| retry.next_delay(NONE).as_millis()).collect();
    assert_eq!(delays, [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
}

#[test]
fn delay_starts_anew_after_a_connection_that_outlasts_it() {
    let mut retry = Retry { last_delay: Some(MAX_DELAY), rejected_logins: 0 };
    assert_eq!(retry.next_delay(MAX_DELAY), MAX_DELAY);
    assert_eq!(retry.next_delay(MAX_DELAY + CHECK_INTERVAL), FIRST_DELAY);
    assert_eq!(retry.next_delay(NONE), FIRST_DELAY * 2);
}

#[test]
fn rejected_login_has_its_own_delay() {
    let mut retry = Retry::default();
    retry.count_login(Err(login_fault(RvError::GeneralError))).unwrap_err();
    assert_eq!(retry.next_delay(NONE), REJECTED_LOGIN_DELAY);
    assert_eq!(retry.next_delay(NONE), REJECTED_LOGIN_DELAY);
    retry.count_login(Ok(())).unwrap();
    assert_eq!(retry.next_delay(NONE), FIRST_DELAY);
}

#[test]
fn third_login_rejected_in_a_row_is_final() {
    let mut retry = Retry::default();
    let fault = login_fault(RvError::GeneralError);
    for _ in 1..MAX_REJECTED_LOGINS {
        assert_eq!(retry.count_login(Err(fault.clone())), Err(fault.clone()));
    }
    let rejected = retry.count_login(Err(fault.clone())).unwrap_err();
    assert_eq!(rejected, HsmFault::LoginsRejected { last: Box::new(fault) });
    assert!(rejected.is_final());
}

#[test]
fn accepted_login_resets_the_count_of_rejected_logins() {
    let mut retry = Retry::default();
    let fault = login_fault(RvError::GeneralError);
    for _ in 0..2 {
        for _ in 1..MAX_REJECTED_LOGINS {
            assert_eq!(retry.count_login(Err(fault.clone())), Err(fault.clone()));
        }
        retry.count_login(Ok(())).unwrap();
    }
}

#[test]
fn login_that_failed_with_the_device_is_not_counted() {
    let mut retry = Retry::default();
    for code in [RvError::DeviceError, RvError::DeviceRemoved, RvError::SessionHandleInvalid] {
        retry.count_login(Err(login_fault(code))).unwrap_err();
        assert_eq!(retry.rejected_logins, 0, "{code:?}");
    }
}

#[test]
fn failed_attempt_fails_the_store_and_is_counted() {
    let store = store();
    let mut manager = manager(&store);
    for attempts in 1..=2 {
        assert_eq!(manager.connect_and_check(false), NONE);
        assert!(matches!(store.state.fault(), Some(HsmFault::Module(_))));
        assert_eq!(store.metrics.failures.get(), attempts);
    }
}

#[test]
fn attempt_that_a_close_interrupts_is_no_fault() {
    let store = store();
    store.state.close();
    assert_eq!(manager(&store).connect_and_check(false), NONE);
    assert_eq!(store.state.status(), Status::Connecting);
    assert_eq!(store.metrics.failures.get(), 0);
}

/// Runs a connection manager to its end. Fails instead of waiting forever.
fn run(manager: ConnectionManager) {
    let (sender, end) = mpsc::channel();
    thread::spawn(move || {
        manager.run();
        sender.send(()).unwrap();
    });
    end.recv_timeout(Duration::from_secs(60)).unwrap();
}

#[test]
fn connection_manager_ends_once_the_store_is_closed() {
    let store = store();
    store.state.close();
    run(manager(&store));
    assert_eq!(store.metrics.failures.get(), 0);
}

#[test]
fn connection_manager_ends_after_a_final_fault() {
    let store = store();
    let fault = HsmFault::Unhealthy(HealthFault::RepetitionCount);
    store.state.attempt_failed(fault.clone());
    run(manager(&store));
    assert_eq!(store.state.fault(), Some(fault));
}
