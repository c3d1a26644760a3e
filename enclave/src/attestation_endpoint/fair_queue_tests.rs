use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::task::{JoinSet, yield_now};

use super::*;

/// Tolerance for timers, which round up to whole milliseconds.
const SLACK: Duration = Duration::from_millis(20);

/// Returns the key of a new connection of `client`.
fn connection(client: u8) -> ConnectionKey {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    ConnectionKey::new(number, Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, client))))
}

/// Sends requests continuously on each of `connections`. Returns the count of granted permits.
fn request_continuously(
    tasks: &mut JoinSet<()>,
    queue: &Arc<FairQueue>,
    connections: impl IntoIterator<Item = ConnectionKey>,
) -> Arc<AtomicUsize> {
    let count = Arc::new(AtomicUsize::new(0));
    for connection in connections {
        let (queue, count) = (Arc::clone(queue), Arc::clone(&count));
        tasks.spawn(async move {
            loop {
                match queue.acquire(connection).await {
                    Ok(permit) => {
                        count.fetch_add(1, Ordering::Relaxed);
                        drop(permit);
                    }
                    // The paused clock of tokio advances only if all tasks wait.
                    Err(ThrottledError) => sleep(Duration::from_secs(1)).await,
                }
            }
        });
    }
    count
}

/// Adds a request to the queue.
fn enqueue(tasks: &mut JoinSet<(u8, bool)>, queue: &Arc<FairQueue>, client: u8) {
    let (queue, connection) = (Arc::clone(queue), connection(client));
    tasks.spawn(async move { (client, queue.acquire(connection).await.is_ok()) });
}

#[tokio::test(start_paused = true)]
async fn grants_a_burst_of_20_and_then_10_per_second() {
    let queue = FairQueue::new();
    for pause in [Duration::ZERO, Duration::from_secs(1)] {
        // After one second, half of the burst is available again.
        sleep(pause).await;
        let start = Instant::now();
        let burst = if pause.is_zero() { 20 } else { 10 };
        for _ in 0..burst {
            queue.acquire(connection(1)).await.unwrap();
        }
        assert!(start.elapsed() < SLACK, "{:?}", start.elapsed());
    }
    let start = Instant::now();
    for _ in 0..10 {
        queue.acquire(connection(1)).await.unwrap();
    }
    let took = start.elapsed();
    assert!(took + SLACK >= Duration::from_secs(1), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn clients_get_equal_shares_with_any_number_of_connections() {
    let (queue, mut tasks) = (FairQueue::new(), JoinSet::new());
    let many = request_continuously(&mut tasks, &queue, (0..40).map(|_| connection(1)));
    let one = request_continuously(&mut tasks, &queue, [connection(2)]);
    let alone = request_continuously(&mut tasks, &queue, [ConnectionKey::new(u64::MAX, None)]);
    sleep(Duration::from_secs(30)).await;
    let counts = [many, one, alone].map(|count| count.load(Ordering::Relaxed));
    let (most, least) = (counts.iter().max().unwrap(), counts.iter().min().unwrap());
    // One client may receive the whole burst of 20.
    assert!(most - least <= 22 && *least > 90, "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn connections_of_a_client_get_equal_shares() {
    let (queue, mut tasks) = (FairQueue::new(), JoinSet::new());
    let counts: Vec<_> =
        (0..8).map(|_| request_continuously(&mut tasks, &queue, [connection(1)])).collect();
    sleep(Duration::from_secs(20)).await;
    let counts: Vec<_> = counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
    let (most, least) = (counts.iter().max().unwrap(), counts.iter().min().unwrap());
    assert!(most - least <= 21 && *least > 20, "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn serves_a_new_client_before_150_served_clients() {
    let (queue, mut tasks) = (FairQueue::new(), JoinSet::new());
    // The number of clients exceeds the capacity of the queue.
    request_continuously(&mut tasks, &queue, (0..150).map(connection));
    sleep(Duration::from_secs(40)).await;
    for new in 251..255 {
        let start = Instant::now();
        drop(queue.acquire(connection(new)).await.unwrap());
        assert!(start.elapsed() <= 2 * PERIOD + SLACK, "{:?}", start.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn serves_a_new_connection_before_300_served_connections() {
    let (queue, mut tasks) = (FairQueue::new(), JoinSet::new());
    request_continuously(&mut tasks, &queue, (0..300).map(|_| connection(1)));
    sleep(Duration::from_secs(40)).await;
    for _ in 0..10 {
        let start = Instant::now();
        drop(queue.acquire(connection(1)).await.unwrap());
        assert!(start.elapsed() <= 2 * PERIOD + SLACK, "{:?}", start.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn full_queue_evicts_a_request_of_the_busiest_client() {
    let (queue, mut tasks) = (FairQueue::new(), JoinSet::new());
    let held = queue.acquire(connection(0)).await.unwrap();
    for _ in 0..MAX_QUEUE_LENGTH {
        enqueue(&mut tasks, &queue, 1);
        yield_now().await;
    }
    enqueue(&mut tasks, &queue, 2);
    assert_eq!(tasks.join_next().await.unwrap().unwrap(), (1, false));
    // The queue evicts another request of the same client.
    enqueue(&mut tasks, &queue, 1);
    assert_eq!(tasks.join_next().await.unwrap().unwrap(), (1, false));
    assert_eq!(queue.lock().requests.len(), MAX_QUEUE_LENGTH);
    drop(held);
    let order: Vec<_> = [tasks.join_next().await, tasks.join_next().await]
        .map(|ended| ended.unwrap().unwrap())
        .into();
    assert_eq!(order, [(1, true), (2, true)]);
    let mut rest = tasks.join_all().await;
    rest.retain(|(client, is_granted)| (*client, *is_granted) == (1, true));
    assert_eq!(rest.len(), MAX_QUEUE_LENGTH - 2);
    assert!(!queue.lock().is_permit_held);
}

#[tokio::test(start_paused = true)]
async fn throttles_a_request_after_ten_seconds_in_the_queue() {
    let queue = FairQueue::new();
    let held = queue.acquire(connection(0)).await.unwrap();
    let start = Instant::now();
    assert_eq!(queue.acquire(connection(1)).await.err(), Some(ThrottledError));
    assert_eq!(start.elapsed().as_secs(), MAX_WAIT.as_secs());
    drop(held);
    // The request that timed out gets no permit.
    queue.acquire(connection(1)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn grants_the_permit_again_after_its_holder_is_cancelled() {
    let queue = FairQueue::new();
    for _ in 0..BURST {
        queue.acquire(connection(0)).await.unwrap();
    }
    let (mut cancelled, mut tasks) = (JoinSet::new(), JoinSet::new());
    // The first request waits for a token. The other requests wait in the queue.
    for _ in 0..3 {
        enqueue(&mut cancelled, &queue, 1);
        yield_now().await;
    }
    enqueue(&mut tasks, &queue, 2);
    yield_now().await;
    cancelled.shutdown().await;
    assert_eq!(tasks.join_next().await.unwrap().unwrap(), (2, true));
    // The request is cancelled after its permit is granted, and before its next poll.
    let held = queue.acquire(connection(0)).await.unwrap();
    let Err(receiver) = queue.enqueue(connection(1)) else { panic!("two permits are held") };
    drop(held);
    drop(receiver);
    assert!(!queue.lock().is_permit_held);
}

#[test]
fn history_holds_at_least_3000_permits_and_is_bounded() {
    let mut history = History::default();
    let connections: Vec<_> = (0..5 * HISTORY_LENGTH)
        .map(|number| {
            let address = Ipv4Addr::from_bits(u32::try_from(number).unwrap());
            ConnectionKey::new(number, Some(address.into()))
        })
        .collect();
    for connection in &connections {
        history.record(*connection);
        assert!(history.last.len() <= usize::try_from(4 * HISTORY_LENGTH + 2).unwrap());
    }
    let history_length = usize::try_from(HISTORY_LENGTH).unwrap();
    for connection in connections.iter().rev().take(history_length) {
        assert_ne!(history.last_permits(*connection), (0, 0));
    }
    assert_eq!(history.last_permits(connections[0]), (0, 0));
}
