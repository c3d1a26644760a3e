use tokio::time::advance;

use super::*;

/// An upstream of the simulation, with the connections that it keeps.
struct Simulated {
    recent: RecentConnections,
    kept: Vec<Instant>,
    keeps: bool,
    weight: f64,
    clients: u32,
}

impl Simulated {
    fn new(keeps: bool, weight: f64, open: usize) -> Self {
        let (recent, kept) = (RecentConnections::new(), vec![Instant::now(); open]);
        Self { recent, kept, keeps, weight, clients: 0 }
    }

    fn candidate(&self) -> Candidate {
        Candidate::new(false, self.weight, self.kept.len(), &self.recent)
    }
}

/// Lets 20 clients a second come for a minute. Returns how many each upstream got, in percent.
async fn minute(upstreams: &mut [Simulated]) -> Vec<u32> {
    for _ in 0..1200 {
        let all: Vec<_> = upstreams.iter().map(Simulated::candidate).collect();
        let totals = Totals::of(all.iter().copied());
        let next = select(all.iter().copied(), &totals).unwrap();
        let next = &mut upstreams[next];
        next.clients += 1;
        let begun = next.recent.begin();
        match next.keeps {
            true => next.kept.push(begun),
            false => next.recent.end(begun),
        }
        advance(Duration::from_millis(50)).await;
    }
    upstreams.iter().map(|one| one.clients / 12).collect()
}

#[tokio::test(start_paused = true)]
async fn upstream_whose_clients_leave_gets_at_most_its_share() {
    // However many connections the others hold.
    for open in [0, 10, 1000] {
        let mut upstreams = [Simulated::new(true, 1.0, open), Simulated::new(false, 1.0, 0)];
        let shares = minute(&mut upstreams).await;
        assert!((45..=51).contains(&shares[1]), "{open}: {shares:?}");
    }
    let mut upstreams = [true, true, true, false].map(|keeps| Simulated::new(keeps, 1.0, 9));
    let shares = minute(&mut upstreams).await;
    assert!((20..=26).contains(&shares[3]), "{shares:?}");
}

#[tokio::test(start_paused = true)]
async fn upstream_with_a_tenth_of_the_weight_gets_a_tenth() {
    for keeps in [true, false] {
        let mut upstreams = [Simulated::new(keeps, 1.0, 0), Simulated::new(keeps, 0.1, 0)];
        let shares = minute(&mut upstreams).await;
        assert!((8..=10).contains(&shares[1]), "{keeps}: {shares:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn new_upstream_whose_clients_stay_is_filled_first() {
    let mut upstreams = [Simulated::new(true, 1.0, 900), Simulated::new(true, 1.0, 0)];
    minute(&mut upstreams).await;
    assert_eq!(upstreams.map(|one| one.kept.len()), [1050, 1050]);
}

#[tokio::test(start_paused = true)]
async fn long_connections_do_not_count_as_recent_ends() {
    let (lasting, other) = (RecentConnections::new(), RecentConnections::new());
    let begun = lasting.begin();
    advance(Duration::from_secs(300)).await;
    lasting.end(begun);
    let (one, two) =
        (Candidate::new(false, 1.0, 0, &lasting), Candidate::new(false, 1.0, 1, &other));
    let totals = Totals::of([one, two].into_iter());
    assert_eq!(totals.compare(&one, &two), Ordering::Less);
}
