use std::sync::mpsc;
use std::thread;

use super::super::connection_state::Status;
use super::super::store::tests::store;
use super::*;
use crate::health::HealthFault;

/// Returns a connection manager whose module is a file that is not a module.
fn manager(store: &Arc<Store>) -> ConnectionManager {
    let pin = RawAuthPin::new(Box::new(Vec::new()));
    ConnectionManager::new(store, Token::Slot(7), pin)
}

#[test]
fn failed_attempt_fails_the_store_and_is_counted() {
    let store = store();
    let mut manager = manager(&store);
    for attempts in 1..=2 {
        assert_eq!(manager.connect_and_check(false), Duration::ZERO);
        assert!(matches!(store.state.fault(), Some(HsmFault::Module(_))));
        assert_eq!(store.metrics.failures.get(), attempts);
    }
}

#[test]
fn attempt_that_a_close_interrupts_is_no_fault() {
    let store = store();
    store.state.close();
    assert_eq!(manager(&store).connect_and_check(false), Duration::ZERO);
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
