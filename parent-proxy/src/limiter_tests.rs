use std::time::Duration;

use tokio::time::advance;

use super::*;

const NO_EVICTIONS: [usize; 0] = [];
const SECOND: Duration = Duration::from_secs(1);

fn limiter(per_client: usize) -> Arc<ConnectionLimiter> {
    Arc::new(ConnectionLimiter::new(NonZeroUsize::new(per_client)))
}

/// Connects from an address, one second after the last connection.
async fn connect(limiter: &Arc<ConnectionLimiter>, address: &str) -> Permit {
    advance(SECOND).await;
    limiter.admit(Some(address.parse().unwrap())).unwrap()
}

impl Permit {
    fn record(&self, awaits_response: bool) {
        self.activity.record(Instant::now(), awaits_response);
    }

    fn is_evicted(&self) -> bool {
        !self
            .limiter
            .clients()
            .open
            .get(&self.client)
            .is_some_and(|open| open.values().any(|activity| Arc::ptr_eq(activity, &self.activity)))
    }
}

/// Returns the indices of the evicted connections.
fn evicted(permits: &[&Permit]) -> Vec<usize> {
    let evicted = permits.iter().enumerate().filter(|(_, permit)| permit.is_evicted());
    evicted.map(|(number, _)| number).collect()
}

#[tokio::test(start_paused = true)]
async fn address_at_its_limit_evicts_its_longest_idle() {
    let limiter = limiter(2);
    let other = connect(&limiter, "192.0.2.8").await;
    let first = connect(&limiter, "192.0.2.7").await;
    // The same address in the form of a dual-stack socket.
    let second = connect(&limiter, "::ffff:192.0.2.7").await;
    assert_eq!(evicted(&[&other, &first, &second]), NO_EVICTIONS);
    let third = connect(&limiter, "192.0.2.7").await;
    assert_eq!(evicted(&[&other, &first, &second, &third]), [1]);
    assert_eq!(limiter.counts.evicted_per_client.load(Ordering::Relaxed), 1);
    // The address is below its limit again, so no connection is evicted.
    drop(second);
    let fourth = connect(&limiter, "192.0.2.7").await;
    assert_eq!(evicted(&[&other, &third, &fourth]), NO_EVICTIONS);
}

#[tokio::test(start_paused = true)]
async fn never_evicts_a_connection_that_awaits_a_response() {
    let limiter = limiter(2);
    let (first, second) =
        (connect(&limiter, "192.0.2.7").await, connect(&limiter, "192.0.2.7").await);
    first.record(true);
    let third = connect(&limiter, "192.0.2.7").await;
    assert_eq!(evicted(&[&first, &second, &third]), [1]);
    third.record(true);
    assert!(limiter.admit(Some("192.0.2.7".parse().unwrap())).is_none());
    assert_eq!(limiter.counts.rejected_per_client.load(Ordering::Relaxed), 1);
    assert_eq!(evicted(&[&first, &third]), NO_EVICTIONS);

    // The response on the first connection came earlier, so the first connection is idle for longer.
    advance(SECOND).await;
    first.record(false);
    advance(SECOND).await;
    third.record(false);
    let fourth = connect(&limiter, "192.0.2.7").await;
    assert_eq!(evicted(&[&first, &third, &fourth]), [0]);
}

#[tokio::test(start_paused = true)]
async fn silence_is_counted_from_the_last_byte() {
    let limiter = limiter(3);
    let address = "192.0.2.7";
    let mut permits = Vec::new();
    for _ in 0..3 {
        let permit = connect(&limiter, address).await;
        permit.record(true);
        permit.record(false);
        permits.push(permit);
    }
    advance(SECOND).await;
    permits[0].record(false);
    permits.push(connect(&limiter, address).await);
    permits[3].record(false);
    let all: Vec<&Permit> = permits.iter().collect();
    assert_eq!(evicted(&all), [1]);
}

#[tokio::test(start_paused = true)]
async fn connections_without_a_byte_are_evicted_first() {
    let limiter = limiter(2);
    let active = connect(&limiter, "192.0.2.7").await;
    active.record(true);
    active.record(false);
    let silent = connect(&limiter, "192.0.2.7").await;
    let third = connect(&limiter, "192.0.2.7").await;
    assert_eq!(evicted(&[&active, &silent, &third]), [1]);
}

#[tokio::test(start_paused = true)]
async fn full_relay_evicts_from_the_address_with_the_most_connections() {
    let limiter = limiter(0);
    let oldest = connect(&limiter, "192.0.2.8").await;
    let many = [
        connect(&limiter, "192.0.2.7").await,
        connect(&limiter, "192.0.2.7").await,
        connect(&limiter, "192.0.2.7").await,
    ];
    let new = connect(&limiter, "192.0.2.9").await;
    assert!(limiter.evict_for(&new));
    assert_eq!(evicted(&[&oldest, &many[0], &many[1], &many[2], &new]), [1]);
    assert_eq!(limiter.counts.evicted_full.load(Ordering::Relaxed), 1);

    // If all connections of the largest address await a response, the next largest evicts one.
    many[1].record(true);
    many[2].record(true);
    assert!(limiter.evict_for(&new));
    assert_eq!(evicted(&[&oldest, &many[1], &many[2], &new]), [0]);
    // A new connection never evicts itself.
    assert!(!limiter.evict_for(&new));
    assert_eq!(evicted(&[&many[1], &many[2], &new]), NO_EVICTIONS);
}

#[tokio::test(start_paused = true)]
async fn counts_a_64_as_one_client_and_drops_empty_entries() {
    let limiter = limiter(1);
    let one = connect(&limiter, "2001:db8::1").await;
    let same = connect(&limiter, "2001:db8::ffff:0:0:1").await;
    let other = connect(&limiter, "2001:db8:0:1::1").await;
    assert_eq!(evicted(&[&one, &same, &other]), [0]);
    drop((one, same, other));
    assert!(limiter.clients().open.is_empty());
}

#[tokio::test(start_paused = true)]
async fn peers_without_an_address_have_no_limit_of_their_own() {
    let limiter = limiter(1);
    let first = limiter.admit(None).unwrap();
    advance(SECOND).await;
    let second = limiter.admit(None).unwrap();
    assert_eq!(evicted(&[&first, &second]), NO_EVICTIONS);
    assert!(limiter.evict_for(&second));
    assert_eq!(evicted(&[&first, &second]), [0]);
}
