use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::task::{JoinSet, yield_now};

use super::*;

/// More than what rounding to a timer's milliseconds adds to a few periods.
const SLACK: Duration = Duration::from_millis(20);

/// A new connection of the client `client`.
fn connection(client: u8) -> ConnectionKey {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    ConnectionKey::new(number, Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, client))))
}

/// Asks without a pause on each of `connections`. Returns the count of the turns that they get.
fn hammer(
    tasks: &mut JoinSet<()>,
    turns: &Arc<Turns>,
    connections: impl IntoIterator<Item = ConnectionKey>,
) -> Arc<AtomicUsize> {
    let count = Arc::new(AtomicUsize::new(0));
    for connection in connections {
        let (turns, count) = (Arc::clone(turns), Arc::clone(&count));
        tasks.spawn(async move {
            loop {
                match turns.take(connection).await {
                    Ok(turn) => {
                        count.fetch_add(1, Ordering::Relaxed);
                        drop(turn);
                    }
                    // Time does not pass for a task that never waits.
                    Err(Throttled) => sleep(Duration::from_secs(1)).await,
                }
            }
        });
    }
    count
}

/// Puts a request in the line.
fn wait(tasks: &mut JoinSet<(u8, bool)>, turns: &Arc<Turns>, client: u8) {
    let (turns, connection) = (Arc::clone(turns), connection(client));
    tasks.spawn(async move { (client, turns.take(connection).await.is_ok()) });
}

#[tokio::test(start_paused = true)]
async fn gives_a_burst_of_20_and_then_10_a_second() {
    let turns = Turns::new();
    for pause in [Duration::ZERO, Duration::from_secs(1)] {
        // Half of the burst is back by then.
        sleep(pause).await;
        let start = Instant::now();
        let burst = if pause.is_zero() { 20 } else { 10 };
        for _ in 0..burst {
            turns.take(connection(1)).await.unwrap();
        }
        assert!(start.elapsed() < SLACK, "{:?}", start.elapsed());
    }
    let start = Instant::now();
    for _ in 0..10 {
        turns.take(connection(1)).await.unwrap();
    }
    let took = start.elapsed();
    assert!(took + SLACK >= Duration::from_secs(1), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn clients_share_turns_alike_whatever_their_number_of_connections() {
    let (turns, mut tasks) = (Turns::new(), JoinSet::new());
    let many = hammer(&mut tasks, &turns, (0..40).map(|_| connection(1)));
    let one = hammer(&mut tasks, &turns, [connection(2)]);
    let alone = hammer(&mut tasks, &turns, [ConnectionKey::new(u64::MAX, None)]);
    sleep(Duration::from_secs(30)).await;
    let counts = [many, one, alone].map(|count| count.load(Ordering::Relaxed));
    let (most, least) = (counts.iter().max().unwrap(), counts.iter().min().unwrap());
    // The burst of 20 may be one client's.
    assert!(most - least <= 22 && *least > 90, "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn connections_of_a_client_share_its_turns_alike() {
    let (turns, mut tasks) = (Turns::new(), JoinSet::new());
    let counts: Vec<_> = (0..8).map(|_| hammer(&mut tasks, &turns, [connection(1)])).collect();
    sleep(Duration::from_secs(20)).await;
    let counts: Vec<_> = counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
    let (most, least) = (counts.iter().max().unwrap(), counts.iter().min().unwrap());
    assert!(most - least <= 21 && *least > 20, "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn a_new_client_comes_before_150_that_had_turns() {
    let (turns, mut tasks) = (Turns::new(), JoinSet::new());
    // More than wait at a time.
    hammer(&mut tasks, &turns, (0..150).map(connection));
    sleep(Duration::from_secs(40)).await;
    for new in 251..255 {
        let start = Instant::now();
        drop(turns.take(connection(new)).await.unwrap());
        assert!(start.elapsed() <= 2 * PERIOD + SLACK, "{:?}", start.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_connection_comes_before_300_of_its_client_that_had_turns() {
    let (turns, mut tasks) = (Turns::new(), JoinSet::new());
    hammer(&mut tasks, &turns, (0..300).map(|_| connection(1)));
    sleep(Duration::from_secs(40)).await;
    for _ in 0..10 {
        let start = Instant::now();
        drop(turns.take(connection(1)).await.unwrap());
        assert!(start.elapsed() <= 2 * PERIOD + SLACK, "{:?}", start.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_line_drops_the_last_of_the_client_with_the_most_requests() {
    let (turns, mut tasks) = (Turns::new(), JoinSet::new());
    let held = turns.take(connection(0)).await.unwrap();
    for _ in 0..MAX_WAITING {
        wait(&mut tasks, &turns, 1);
        yield_now().await;
    }
    wait(&mut tasks, &turns, 2);
    assert_eq!(tasks.join_next().await.unwrap().unwrap(), (1, false));
    // Another of the many gets no place.
    wait(&mut tasks, &turns, 1);
    assert_eq!(tasks.join_next().await.unwrap().unwrap(), (1, false));
    assert_eq!(turns.lock().waiting.len(), MAX_WAITING);
    drop(held);
    let order: Vec<_> = [tasks.join_next().await, tasks.join_next().await]
        .map(|ended| ended.unwrap().unwrap())
        .into();
    assert_eq!(order, [(1, true), (2, true)]);
    let mut rest = tasks.join_all().await;
    rest.retain(|(client, has_turn)| (*client, *has_turn) == (1, true));
    assert_eq!(rest.len(), MAX_WAITING - 2);
    assert!(!turns.lock().is_out);
}

#[tokio::test(start_paused = true)]
async fn throttles_a_request_after_ten_seconds_in_the_line() {
    let turns = Turns::new();
    let held = turns.take(connection(0)).await.unwrap();
    let start = Instant::now();
    assert_eq!(turns.take(connection(1)).await.err(), Some(Throttled));
    assert_eq!(start.elapsed().as_secs(), MAX_WAIT.as_secs());
    drop(held);
    // The request that ended gets no turn.
    turns.take(connection(1)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_turn_passes_on_whenever_its_owner_leaves() {
    let turns = Turns::new();
    for _ in 0..BURST {
        turns.take(connection(0)).await.unwrap();
    }
    let (mut leavers, mut tasks) = (JoinSet::new(), JoinSet::new());
    // The first waits for the budget, the others in the line.
    for _ in 0..3 {
        wait(&mut leavers, &turns, 1);
        yield_now().await;
    }
    wait(&mut tasks, &turns, 2);
    yield_now().await;
    leavers.shutdown().await;
    assert_eq!(tasks.join_next().await.unwrap().unwrap(), (2, true));
    // One that leaves when it has been given a turn and has not noticed.
    let held = turns.take(connection(0)).await.unwrap();
    let Err(place) = turns.join(connection(1)) else { panic!("the turn is out twice") };
    drop(held);
    drop(place);
    assert!(!turns.lock().is_out);
}

#[test]
fn remembers_as_many_turns_as_it_says_and_a_bounded_number() {
    let mut history = History::default();
    let connections: Vec<_> = (0..5 * REMEMBERED)
        .map(|number| {
            let address = Ipv4Addr::from_bits(u32::try_from(number).unwrap());
            ConnectionKey::new(number, Some(address.into()))
        })
        .collect();
    for connection in &connections {
        history.note(*connection);
        assert!(history.last.len() <= usize::try_from(4 * REMEMBERED + 2).unwrap());
    }
    let remembered = usize::try_from(REMEMBERED).unwrap();
    for connection in connections.iter().rev().take(remembered) {
        assert_ne!(history.last(*connection), (0, 0));
    }
    assert_eq!(history.last(connections[0]), (0, 0));
}
