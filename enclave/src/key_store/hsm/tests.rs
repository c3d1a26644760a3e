use transport::limits::MAX_CONNECTIONS;
use zeroize::Zeroizing;

use super::shared_state::Work;
use super::store::tests::{LOCATION, store};
use super::*;

fn hsm(deadline: Duration) -> Hsm {
    let is_stuck_logged = AtomicBool::new(false);
    Hsm { store: store(), deadline, is_stuck_logged, connection_manager: None }
}

fn connected(deadline: Duration) -> Hsm {
    let hsm = hsm(deadline);
    hsm.store.state.connected(LOCATION);
    hsm
}

/// Answers the next request with `length` bytes from another thread, or ends the connection.
fn answer(hsm: &Hsm, length: Option<usize>) -> thread::JoinHandle<()> {
    let store = Arc::clone(&hsm.store);
    thread::spawn(move || {
        let Work::Answer(connection, request) = store.state.next_work(None) else {
            panic!("unexpected work");
        };
        match length {
            Some(length) => request.respond(Ok(RandomBytes::new(Zeroizing::new(vec![7; length])))),
            None => store.connection_lost(connection, &HsmFault::AmbiguousLabel),
        }
    })
}

#[tokio::test]
async fn draw_before_the_connection_is_rejected_and_not_counted() {
    let hsm = hsm(Duration::from_secs(60));
    let connecting = KeyStoreFault::NotConnected(ConnectionState::Connecting);
    assert_eq!(hsm.draw(1).await.unwrap_err(), connecting);
    let draws = &hsm.store.metrics.draws;
    let counts = [&draws.success, &draws.timed_out, &draws.queue_full, &draws.failed];
    assert_eq!(counts.map(|counter| counter.get()), [0; 4]);
}

#[tokio::test]
async fn draw_returns_the_bytes_and_is_counted() {
    let hsm = connected(Duration::from_secs(60));
    let worker = answer(&hsm, Some(3));
    assert_eq!(hsm.draw(3).await.unwrap().expose(), [7; 3]);
    assert_eq!(hsm.store.metrics.draws.success.get(), 1);
    worker.join().unwrap();
}

#[tokio::test]
async fn draw_from_a_full_queue_is_counted() {
    let hsm = connected(Duration::from_secs(60));
    let enqueue = |_| hsm.store.state.enqueue(1).unwrap();
    let _responses: Vec<_> = (0..MAX_CONNECTIONS).map(enqueue).collect();
    assert_eq!(hsm.draw(1).await.unwrap_err(), KeyStoreFault::QueueFull);
    assert_eq!(hsm.store.metrics.draws.queue_full.get(), 1);
}

#[tokio::test]
async fn draw_without_answer_ends_at_its_deadline_and_is_counted() {
    let deadline = Duration::from_millis(10);
    let hsm = connected(deadline);
    assert_eq!(hsm.draw(1).await.unwrap_err(), KeyStoreFault::TimedOut { deadline });
    assert_eq!(hsm.store.metrics.draws.timed_out.get(), 1);
}

#[tokio::test]
async fn draw_over_a_lost_connection_fails_and_is_counted() {
    let hsm = connected(Duration::from_secs(60));
    let worker = answer(&hsm, None);
    assert_eq!(hsm.draw(1).await.unwrap_err(), HsmFault::ConnectionLost.into());
    assert_eq!(hsm.store.metrics.draws.failed.get(), 1);
    worker.join().unwrap();
}

#[test]
fn state_shows_the_connection_and_its_fault() {
    let hsm = hsm(Duration::from_secs(60));
    assert_eq!(hsm.state(), (ConnectionState::Connecting, None));
    let connection = hsm.store.state.connected(LOCATION);
    assert_eq!(hsm.state(), (ConnectionState::Connected, None));
    hsm.store.connection_lost(connection, &HsmFault::AmbiguousLabel);
    let failed = (ConnectionState::Failed, Some(ConnectionErrorCode::ClusterNotFound));
    assert_eq!(hsm.state(), failed);
}

#[test]
fn stuck_call_is_logged_once_until_the_store_answers_again() {
    let hsm = hsm(Duration::from_secs(60));
    let stuck = Status::Failed(HsmFault::Stuck { limit: Duration::ZERO });
    let failed = (ConnectionState::Failed, Some(ConnectionErrorCode::NetworkErrors));
    for (status, expected, logged) in [
        (&stuck, failed, true),
        (&stuck, failed, true),
        (&Status::Connected, (ConnectionState::Connected, None), false),
        (&stuck, failed, true),
        (&Status::Connecting, (ConnectionState::Connecting, None), false),
    ] {
        assert_eq!(hsm.observe(status), expected);
        assert_eq!(hsm.is_stuck_logged.load(Ordering::Relaxed), logged);
    }
}

#[test]
fn dropped_handle_closes_its_store() {
    let hsm = hsm(Duration::from_secs(60));
    let store = Arc::clone(&hsm.store);
    drop(hsm);
    assert!(store.state.is_closed());
}
