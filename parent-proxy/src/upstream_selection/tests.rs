use tokio::time::advance;

use super::*;

/// A simulated upstream with its open connections.
struct SimulatedUpstream {
    recent: RecentConnections,
    kept: Vec<Instant>,
    keeps: bool,
    weight: f64,
    clients: u32,
}

impl SimulatedUpstream {
    fn new(keeps: bool, weight: f64, open: usize) -> Self {
        let (recent, kept) = (RecentConnections::new(), vec![Instant::now(); open]);
        Self { recent, kept, keeps, weight, clients: 0 }
    }

    fn candidate(&self) -> Candidate {
        Candidate::new(false, self.weight, self.kept.len(), &self.recent)
    }
}

/// Simulates a minute with 20 clients per second. Returns the percentage of clients of each upstream.
async fn simulate_minute(upstreams: &mut [SimulatedUpstream]) -> Vec<u32> {
    for _ in 0..1200 {
        let all: Vec<_> = upstreams.iter().map(SimulatedUpstream::candidate).collect();
        let totals = Totals::sum(all.iter().copied());
        let next = select(all.iter().copied(), &totals).unwrap();
        let next = &mut upstreams[next];
        next.clients += 1;
        let started = next.recent.start();
        match next.keeps {
            true => next.kept.push(started),
            false => next.recent.end(started),
        }
        advance(Duration::from_millis(50)).await;
    }
    upstreams.iter().map(|upstream| upstream.clients / 12).collect()
}

#[tokio::test(start_paused = true)]
async fn upstream_whose_clients_leave_gets_at_most_its_share() {
    // The share does not depend on the number of open connections of the other upstream.
    for open in [0, 10, 1000] {
        let mut upstreams =
            [SimulatedUpstream::new(true, 1.0, open), SimulatedUpstream::new(false, 1.0, 0)];
        let shares = simulate_minute(&mut upstreams).await;
        assert!((45..=51).contains(&shares[1]), "{open}: {shares:?}");
    }
    let mut upstreams =
        [true, true, true, false].map(|keeps| SimulatedUpstream::new(keeps, 1.0, 9));
    let shares = simulate_minute(&mut upstreams).await;
    assert!((20..=26).contains(&shares[3]), "{shares:?}");
}

#[tokio::test(start_paused = true)]
async fn upstream_with_a_tenth_of_the_weight_gets_a_tenth() {
    for keeps in [true, false] {
        let mut upstreams =
            [SimulatedUpstream::new(keeps, 1.0, 0), SimulatedUpstream::new(keeps, 0.1, 0)];
        let shares = simulate_minute(&mut upstreams).await;
        assert!((8..=10).contains(&shares[1]), "{keeps}: {shares:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn new_upstream_whose_clients_stay_is_filled_first() {
    let mut upstreams =
        [SimulatedUpstream::new(true, 1.0, 900), SimulatedUpstream::new(true, 1.0, 0)];
    simulate_minute(&mut upstreams).await;
    assert_eq!(upstreams.map(|upstream| upstream.kept.len()), [1050, 1050]);
}

#[tokio::test(start_paused = true)]
async fn long_connections_do_not_count_as_recent_ends() {
    let (lasting, other) = (RecentConnections::new(), RecentConnections::new());
    let started = lasting.start();
    advance(Duration::from_secs(300)).await;
    lasting.end(started);
    let (one, two) =
        (Candidate::new(false, 1.0, 0, &lasting), Candidate::new(false, 1.0, 1, &other));
    let totals = Totals::sum([one, two].into_iter());
    assert_eq!(totals.compare(&one, &two), Ordering::Less);
}
