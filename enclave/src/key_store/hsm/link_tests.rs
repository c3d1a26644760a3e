use std::sync::{Arc, mpsc};

use tokio::sync::oneshot::error::TryRecvError;
use zeroize::Zeroizing;

use super::super::caller::Caller;
use super::*;
use crate::entropy::HealthFault;

const PLACE: Place = Place { slot: 7, set_ups: 1 };

fn seat() -> Seat {
    Seat::workers().next().unwrap()
}

fn connected() -> (Arc<Link>, Connection) {
    let link = Arc::new(Link::new());
    let connection = link.connected(PLACE);
    (link, connection)
}

/// The work that there is. Who waits for some fails, and does not wait for ever.
fn work(link: &Arc<Link>, connection: Option<Connection>) -> Work {
    let link = Arc::clone(link);
    let (found, finds) = mpsc::channel();
    thread::spawn(move || drop(found.send(link.work(connection))));
    finds.recv_timeout(Duration::from_secs(60)).unwrap()
}

fn bytes() -> RandomBytes {
    RandomBytes::new(Zeroizing::new(vec![1, 2, 3]))
}

#[test]
fn nobody_waits_for_a_store_that_is_not_connected() {
    let link = Link::new();
    assert_eq!(link.ask(1).unwrap_err(), NoPlace::NotConnected(Condition::Connecting));
    link.not_connected(HsmFault::SeveralTokens);
    let failed = Condition::Failed(HsmFault::SeveralTokens);
    assert_eq!(link.ask(1).unwrap_err(), NoPlace::NotConnected(failed.clone()));
    assert_eq!(link.condition(), failed);
    link.connected(PLACE);
    assert!(link.ask(1).is_ok());
}

#[test]
fn a_request_is_answered_over_the_connection_that_there_is() {
    let (link, connection) = connected();
    let mut answer = link.ask(3).unwrap();
    let Work::Answer(over, request) = work(&link, None) else { panic!("other work") };
    assert_eq!((over, over.place, request.length), (connection, PLACE, 3));
    request.answer(Ok(bytes()));
    assert_eq!(answer.try_recv().unwrap().unwrap().expose(), [1, 2, 3]);
}

#[test]
fn who_has_gone_is_passed_over() {
    let (link, _) = connected();
    drop(link.ask(1).unwrap());
    let _waits = link.ask(2).unwrap();
    let Work::Answer(_, request) = work(&link, None) else { panic!("other work") };
    assert_eq!(request.length, 2);
}

#[test]
fn the_line_is_as_long_as_there_can_be_connections_and_who_has_gone_takes_no_place_in_it() {
    let (link, _) = connected();
    let mut line: Vec<_> = (0..MAX_CONNECTIONS).map(|_| link.ask(1).unwrap()).collect();
    assert_eq!(link.ask(1).unwrap_err(), NoPlace::Full);
    line.pop();
    assert!(link.ask(1).is_ok());
}

#[test]
fn the_end_of_a_connection_is_that_of_all_who_wait_and_is_found_once() {
    let (link, connection) = connected();
    let mut answer = link.ask(1).unwrap();
    assert!(link.lost(connection, &HsmFault::SeveralTokens));
    assert!(!link.lost(connection, &HsmFault::Lost));
    assert_eq!(answer.try_recv().unwrap_err(), TryRecvError::Closed);
    assert_eq!(link.fault(), Some(HsmFault::SeveralTokens));
    assert_eq!(link.keep(Some(connection), Duration::from_secs(60)), Kept::Ended);
    assert!(matches!(work(&link, Some(connection)), Work::LetGo));
}

#[test]
fn the_end_of_an_earlier_connection_is_not_that_of_a_later() {
    let (link, earlier) = connected();
    assert!(link.lost(earlier, &HsmFault::Lost));
    let later = link.connected(PLACE);
    assert_ne!(earlier, later);
    assert!(!link.lost(earlier, &HsmFault::Lost));
    assert_eq!(link.condition(), Condition::Connected);
    // Also a session of the same slot is let go.
    assert!(matches!(work(&link, Some(earlier)), Work::LetGo));
}

#[test]
fn a_call_that_goes_on_while_none_returns_is_stuck() {
    let (link, _) = connected();
    link.begin(seat());
    let began = Instant::now();
    let at = |after: Duration| link.lock().condition(began + after);
    let stuck = Condition::Failed(HsmFault::Stuck { limit: STUCK_AFTER });
    assert_eq!(at(STUCK_AFTER - Duration::from_secs(1)), Condition::Connected);
    assert_eq!(at(STUCK_AFTER), stuck);
    // Another, which returns, shows that the module is alive.
    link.begin(Seat::KEEPER);
    link.end(Seat::KEEPER);
    assert_eq!(at(STUCK_AFTER), Condition::Connected);
    // It returns at last.
    link.end(seat());
    assert_eq!(at(STUCK_AFTER * 2), Condition::Connected);
}

#[test]
fn a_store_whose_workers_are_all_in_calls_is_stuck_though_its_token_can_be_looked_at() {
    let (link, _) = connected();
    assert!(Seat::workers().all(|seat| link.begin(seat)));
    let later = Instant::now() + STUCK_AFTER;
    link.begin(Seat::KEEPER);
    link.end(Seat::KEEPER);
    let stuck = Condition::Failed(HsmFault::Stuck { limit: STUCK_AFTER });
    assert_eq!(link.lock().condition(later), stuck);
    link.end(seat());
    assert_eq!(link.lock().condition(later), Condition::Connected);
}

#[test]
fn who_cannot_be_connected_because_a_call_does_not_return_has_failed() {
    let link = Link::new();
    link.begin(Seat::KEEPER);
    let stuck = Condition::Failed(HsmFault::Stuck { limit: STUCK_AFTER });
    let later = Instant::now() + STUCK_AFTER;
    assert_eq!(link.lock().condition(later), stuck);
    assert_eq!(link.condition(), Condition::Connecting);
}

#[test]
fn an_attempt_that_does_not_return_is_told_from_the_fault_before_it() {
    let link = Link::new();
    link.not_connected(HsmFault::Lost);
    link.begin(Seat::KEEPER);
    let later = Instant::now() + STUCK_AFTER;
    let stuck = Condition::Failed(HsmFault::Stuck { limit: STUCK_AFTER });
    assert_eq!(link.lock().condition(later), stuck);
    // Each call of an attempt counts for itself.
    link.end(Seat::KEEPER);
    link.begin(Seat::KEEPER);
    assert_eq!(
        link.lock().condition(later - Duration::from_secs(1)),
        Condition::Failed(HsmFault::Lost)
    );
}

#[test]
fn what_is_final_stays_whatever_else_is_found() {
    let (link, connection) = connected();
    let unhealthy = HsmFault::Unhealthy(HealthFault::RepetitionCount);
    assert!(link.is_current(connection));
    assert!(link.lost(connection, &unhealthy));
    link.begin(seat());
    link.not_connected(HsmFault::Lost);
    let later = link.connected(PLACE);
    assert!(!link.is_current(later) && !link.is_current(connection));
    let found = link.lock().condition(Instant::now() + STUCK_AFTER);
    assert_eq!(found, Condition::Failed(unhealthy));
    assert_eq!(link.keep(Some(later), Duration::from_secs(60)), Kept::Ended);
}

#[test]
fn what_is_final_counts_also_when_it_is_found_of_an_earlier_connection() {
    let (link, earlier) = connected();
    assert!(link.lost(earlier, &HsmFault::Lost));
    let later = link.connected(PLACE);
    let unhealthy = HsmFault::Unhealthy(HealthFault::RepetitionCount);
    assert!(!link.lost(earlier, &HsmFault::SeveralTokens));
    assert!(link.is_current(later));
    assert!(link.lost(earlier, &unhealthy) && !link.lost(later, &unhealthy));
    assert_eq!(link.condition(), Condition::Failed(unhealthy));
}

#[test]
fn at_the_end_no_further_call_is_made_but_what_is_open_is_closed() {
    let link = Arc::new(Link::new());
    let caller = Caller::new(&link, seat());
    let busy = || Ok((link.idle_workers(), link.lock().calls.are_stuck(Instant::now())));
    assert_eq!(caller.call(busy), Ok((3, false)));
    assert_eq!(link.idle_workers(), 4);
    link.close();
    let mut called = false;
    let call = || {
        called = true;
        Ok(())
    };
    assert_eq!(caller.call(call), Err(HsmFault::Lost));
    assert!(!called);
    caller.close(|| called = true);
    assert!(called);
}

#[test]
fn all_end_when_nobody_needs_it() {
    let (link, connection) = connected();
    let mut answer = link.ask(1).unwrap();
    link.close();
    assert!(matches!(work(&link, None), Work::End));
    assert!(matches!(work(&link, Some(connection)), Work::End));
    assert_eq!(link.keep(Some(connection), Duration::from_secs(60)), Kept::Closed);
    assert_eq!(link.keep(None, Duration::from_secs(60)), Kept::Closed);
    assert_eq!(answer.try_recv().unwrap_err(), TryRecvError::Closed);
}

#[test]
fn whoever_closes_it_waits_for_its_threads() {
    let link = Arc::new(Link::new());
    let attended = Arc::clone(&link);
    let (begun, begins) = mpsc::channel();
    let thread = thread::spawn(move || {
        let _attendance = attended.attend();
        begun.send(()).unwrap();
        while attended.keep(None, Duration::from_secs(60)) != Kept::Closed {}
    });
    begins.recv().unwrap();
    link.close();
    link.ended(Instant::now() + Duration::from_secs(60));
    assert_eq!(link.lock().threads, 0);
    thread.join().unwrap();
}

#[test]
fn a_thread_that_panics_takes_the_store_with_it() {
    let link = Arc::new(Link::new());
    link.connected(PLACE);
    let mut answer = link.ask(1).unwrap();
    let attended = Arc::clone(&link);
    let thread = thread::spawn(move || {
        let _attendance = attended.attend();
        panic!("a test's own");
    });
    thread.join().unwrap_err();
    assert_eq!(link.condition(), Condition::Failed(HsmFault::ThreadEnded));
    assert_eq!(answer.try_recv().unwrap_err(), TryRecvError::Closed);
}
