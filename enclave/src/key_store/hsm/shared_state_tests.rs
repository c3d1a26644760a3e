use std::sync::mpsc;

use tokio::sync::oneshot::error::TryRecvError;
use zeroize::Zeroizing;

use super::super::call_tracker::{ModuleCaller, STUCK_AFTER, ThreadSlot};
use super::*;
use crate::health::HealthFault;

const LOCATION: TokenLocation = TokenLocation { slot: 7, initializations: 1 };
const MINUTE: Duration = Duration::from_secs(60);
const UNHEALTHY: HsmFault = HsmFault::Unhealthy(HealthFault::RepetitionCount);

fn connected() -> (Arc<StoreState>, Connection) {
    let store = Arc::new(StoreState::default());
    let connection = store.connected(LOCATION);
    (store, connection)
}

/// Returns the next step of a worker. Fails instead of waiting forever.
fn next_work(store: &Arc<StoreState>, session: Option<Connection>) -> Work {
    let store = Arc::clone(store);
    let (sender, work) = mpsc::channel();
    thread::spawn(move || drop(sender.send(store.next_work(session))));
    work.recv_timeout(MINUTE).unwrap()
}

/// Returns the status during a call of the connection manager that does not return.
fn status_while_stuck(store: &StoreState) -> Status {
    let caller = ModuleCaller::new(store.calls(), ThreadSlot::CONNECTION_MANAGER);
    caller.call(|| Ok(store.status_at(Instant::now() + STUCK_AFTER))).unwrap()
}

fn stuck() -> Status {
    Status::Failed(HsmFault::Stuck { limit: STUCK_AFTER })
}

#[test]
fn rejects_requests_unless_connected() {
    let store = StoreState::default();
    assert_eq!(store.enqueue(1).unwrap_err(), EnqueueError::NotConnected(Status::Connecting));
    store.attempt_failed(HsmFault::AmbiguousLabel);
    let failed = Status::Failed(HsmFault::AmbiguousLabel);
    assert_eq!(store.enqueue(1).unwrap_err(), EnqueueError::NotConnected(failed.clone()));
    assert_eq!(store.status(), failed);
    store.connected(LOCATION);
    assert!(store.enqueue(1).is_ok());
}

#[test]
fn worker_answers_request_over_the_current_connection() {
    let (store, connection) = connected();
    let mut response = store.enqueue(3).unwrap();
    let Work::Answer(over, request) = next_work(&store, None) else { panic!("unexpected work") };
    assert_eq!((over, over.location, request.length), (connection, LOCATION, 3));
    request.respond(Ok(RandomBytes::new(Zeroizing::new(vec![1, 2, 3]))));
    assert_eq!(response.try_recv().unwrap().unwrap().expose(), [1, 2, 3]);
}

#[test]
fn worker_keeps_a_session_of_the_current_connection() {
    let (store, connection) = connected();
    let _response = store.enqueue(3).unwrap();
    assert!(matches!(next_work(&store, Some(connection)), Work::Answer(..)));
}

#[test]
fn worker_waits_until_a_request_arrives() {
    let (store, connection) = connected();
    assert!(store.lock().next_work(None).is_none());
    assert!(store.lock().next_work(Some(connection)).is_none());
    let waiting = Arc::clone(&store);
    let worker = thread::spawn(move || waiting.next_work(None));
    let _response = store.enqueue(1).unwrap();
    assert!(matches!(worker.join().unwrap(), Work::Answer(..)));
}

#[test]
fn worker_skips_requests_that_no_longer_wait() {
    let (store, _) = connected();
    drop(store.enqueue(1).unwrap());
    let _response = store.enqueue(2).unwrap();
    let Work::Answer(_, request) = next_work(&store, None) else { panic!("unexpected work") };
    assert_eq!(request.length, 2);
}

#[test]
fn full_queue_rejects_requests_until_one_no_longer_waits() {
    let (store, _) = connected();
    let mut responses: Vec<_> = (0..MAX_CONNECTIONS).map(|_| store.enqueue(1).unwrap()).collect();
    assert_eq!(store.enqueue(1).unwrap_err(), EnqueueError::Full);
    responses.pop();
    assert!(store.enqueue(1).is_ok());
}

#[test]
fn lost_connection_ends_all_waits_and_is_reported_once() {
    let (store, connection) = connected();
    let mut response = store.enqueue(1).unwrap();
    assert!(store.connection_lost(connection, &HsmFault::AmbiguousLabel));
    assert!(!store.connection_lost(connection, &HsmFault::ConnectionLost));
    assert_eq!(response.try_recv().unwrap_err(), TryRecvError::Closed);
    assert_eq!(store.fault(), Some(HsmFault::AmbiguousLabel));
    assert_eq!(store.wait(Some(connection), MINUTE), WaitResult::ConnectionEnded);
    assert!(matches!(next_work(&store, Some(connection)), Work::CloseSession));
}

#[test]
fn lost_connection_wakes_the_connection_manager() {
    let (store, connection) = connected();
    let waiting = Arc::clone(&store);
    let manager = thread::spawn(move || waiting.wait(Some(connection), MINUTE));
    assert!(store.connection_lost(connection, &HsmFault::ConnectionLost));
    assert_eq!(manager.join().unwrap(), WaitResult::ConnectionEnded);
}

#[test]
fn late_loss_of_an_earlier_connection_is_ignored() {
    let (store, earlier) = connected();
    assert!(store.connection_lost(earlier, &HsmFault::ConnectionLost));
    let later = store.connected(LOCATION);
    assert_ne!(earlier, later);
    assert!(!store.connection_lost(earlier, &HsmFault::ConnectionLost));
    assert_eq!(store.status(), Status::Connected);
    assert_eq!(store.wait(Some(later), Duration::ZERO), WaitResult::Elapsed);
    // The worker must close the session of an earlier connection, even if the slot of both connections is
    // the same.
    assert!(matches!(next_work(&store, Some(earlier)), Work::CloseSession));
}

#[test]
fn stuck_call_shows_as_fault_while_it_lasts() {
    let (store, _) = connected();
    assert_eq!(status_while_stuck(&store), stuck());
    assert_eq!(store.status_at(Instant::now() + STUCK_AFTER), Status::Connected);
}

#[test]
fn stuck_attempt_to_connect_hides_the_fault_before_it() {
    let store = StoreState::default();
    assert_eq!(status_while_stuck(&store), stuck());
    assert_eq!(store.status(), Status::Connecting);
    store.attempt_failed(HsmFault::ConnectionLost);
    assert_eq!(status_while_stuck(&store), stuck());
    assert_eq!(store.status(), Status::Failed(HsmFault::ConnectionLost));
}

#[test]
fn final_fault_survives_later_events_and_stuck_calls() {
    let (store, connection) = connected();
    assert!(store.connection_lost(connection, &UNHEALTHY));
    store.attempt_failed(HsmFault::ConnectionLost);
    let later = store.connected(LOCATION);
    assert!(!store.is_current(later) && !store.is_current(connection));
    assert!(!store.connection_lost(later, &UNHEALTHY));
    assert_eq!(status_while_stuck(&store), Status::Failed(UNHEALTHY));
    assert_eq!(store.wait(Some(later), MINUTE), WaitResult::ConnectionEnded);
}

#[test]
fn final_fault_of_an_earlier_connection_ends_the_current_one() {
    let (store, earlier) = connected();
    assert!(store.connection_lost(earlier, &HsmFault::ConnectionLost));
    let later = store.connected(LOCATION);
    assert!(store.is_current(later));
    assert!(store.connection_lost(earlier, &UNHEALTHY));
    assert!(!store.connection_lost(later, &UNHEALTHY));
    assert_eq!(store.status(), Status::Failed(UNHEALTHY));
    assert_eq!(store.wait(Some(later), MINUTE), WaitResult::ConnectionEnded);
}

#[test]
fn close_ends_all_waits_and_rejects_calls() {
    let (store, connection) = connected();
    let mut response = store.enqueue(1).unwrap();
    assert!(!store.is_closed());
    store.close();
    assert!(store.is_closed());
    assert!(matches!(next_work(&store, None), Work::Stop));
    assert!(matches!(next_work(&store, Some(connection)), Work::Stop));
    assert_eq!(store.wait(Some(connection), MINUTE), WaitResult::Closed);
    assert_eq!(store.wait(None, MINUTE), WaitResult::Closed);
    assert_eq!(response.try_recv().unwrap_err(), TryRecvError::Closed);
    let caller = ModuleCaller::new(store.calls(), ThreadSlot::CONNECTION_MANAGER);
    assert_eq!(caller.call(|| Ok(())), Err(HsmFault::ConnectionLost));
}

#[test]
fn close_waits_for_registered_threads() {
    let store = Arc::new(StoreState::default());
    let registered = Arc::clone(&store);
    let (sender, is_registered) = mpsc::channel();
    let thread = thread::spawn(move || {
        let _guard = registered.register_thread();
        sender.send(()).unwrap();
        while registered.wait(None, MINUTE) != WaitResult::Closed {}
    });
    is_registered.recv().unwrap();
    store.close();
    store.wait_for_threads(Instant::now() + MINUTE);
    assert_eq!(store.lock().threads, 0);
    thread.join().unwrap();
}

#[test]
fn close_waits_no_longer_than_its_deadline() {
    let store = StoreState::default();
    let _guard = store.register_thread();
    store.close();
    store.wait_for_threads(Instant::now());
    assert_eq!(store.lock().threads, 1);
}

#[test]
fn panic_of_a_thread_fails_the_store_and_its_requests() {
    let (store, _) = connected();
    let mut response = store.enqueue(1).unwrap();
    let registered = Arc::clone(&store);
    let thread = thread::spawn(move || {
        let _guard = registered.register_thread();
        panic!("a panic of this test");
    });
    thread.join().unwrap_err();
    assert_eq!(store.status(), Status::Failed(HsmFault::ThreadPanicked));
    assert_eq!(store.lock().threads, 0);
    assert_eq!(response.try_recv().unwrap_err(), TryRecvError::Closed);
}

#[test]
fn end_of_a_thread_without_panic_changes_no_state() {
    let (store, _) = connected();
    drop(store.register_thread());
    assert_eq!(store.status(), Status::Connected);
}
