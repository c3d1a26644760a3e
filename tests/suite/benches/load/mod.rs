//! Clients that send the next request after each response, and the total rate of the clients.

use std::error::Error;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The error of a benchmark.
pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// The shared state of a round: a counter, and a flag that ends the round.
#[derive(Default)]
pub(crate) struct Round {
    stopped: AtomicBool,
    count: AtomicU64,
}

impl Round {
    pub(crate) fn is_running(&self) -> bool {
        !self.stopped.load(Ordering::Relaxed)
    }

    pub(crate) fn count_one(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
    }
}

/// Runs `clients` clients. Returns their total count per second.
pub(crate) fn rate(
    clients: u64,
    length: Duration,
    client: impl Fn(&Round) -> Result<(), BoxError> + Sync,
) -> Result<f64, BoxError> {
    let round = Round::default();
    let start = Instant::now();
    thread::scope(|scope| {
        let clients: Vec<_> = (0..clients).map(|_| scope.spawn(|| client(&round))).collect();
        thread::sleep(length);
        round.stopped.store(true, Ordering::Relaxed);
        clients.into_iter().try_for_each(|client| client.join().map_err(|_| "a client panicked")?)
    })?;
    let count = u32::try_from(round.count.into_inner())?;
    Ok(f64::from(count) / start.elapsed().as_secs_f64())
}

/// Returns the median of `rates`, or 0 if `rates` is empty.
pub(crate) fn median(rates: &mut [f64]) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().unwrap_or_default()
}
