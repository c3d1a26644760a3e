//! Measures the effect of attested requests on plain requests, and the memory of many connections.

use std::thread;
use std::time::Duration;

use crate::KEYS;
use crate::concurrent_clients::{ConcurrentClients, LoadResult, generate_random};
use crate::figures::Figures;
use crate::load::BoxError;
use crate::scenarios::{PLAIN, RelayedService};
use crate::servers::{CacheLevel, Enclave};

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);
const PLAIN_CLIENTS: usize = 8;
const ATTESTED_CLIENTS: usize = 64;

/// Interval of memory samples.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(100);
const CONNECTIONS: usize = 1000;

/// Measures the 99th percentile of the latency of plain requests, first alone and then during
/// attested requests.
pub(crate) fn latency(figures: &mut Figures) -> Result<(), BoxError> {
    let service = RelayedService::start(&CacheLevel::None.to_toml(), &[])?;
    let [(_, key), ..] = KEYS;
    let address = service.relay.address();
    let plain = ConcurrentClients::new(address, PLAIN_CLIENTS, &generate_random(PLAIN));
    let request = service.enclave.attested_request(key)?;
    let attested = ConcurrentClients::new(address, ATTESTED_CLIENTS, &request);
    let [mut unloaded, mut loaded, mut attested_rates, mut refused] = [const { Vec::new() }; 4];
    for _ in 0..ROUNDS {
        unloaded.push(plain.run_for(ROUND)?.percentile_ms(99)?);
        // The attested requests start before and end after the plain requests.
        let (plain, attested) = together(&plain, &attested, 2 * SAMPLE_INTERVAL)?;
        loaded.push(plain.percentile_ms(99)?);
        attested_rates.push(attested.rate());
        refused.push(f64::from(attested.rejected) / attested.elapsed.as_secs_f64());
    }
    figures.add("plain_p99_unloaded_ms", "ms", unloaded.iter().copied())?;
    figures.add("plain_p99_under_attested_load_ms", "ms", loaded.iter().copied())?;
    figures.add_ratio("plain_p99_under_attested_load_ratio", &loaded, &unloaded)?;
    figures.add("attested_under_plain_load", "requests/s", attested_rates)?;
    figures.add("attested_rejected_under_plain_load", "requests/s", refused)?;
    Ok(())
}

/// Runs both groups of clients at the same time. The attested clients start `margin` earlier and end
/// `margin` later.
fn together(
    plain: &ConcurrentClients,
    attested: &ConcurrentClients,
    margin: Duration,
) -> Result<(LoadResult, LoadResult), BoxError> {
    thread::scope(|scope| {
        let attested = scope.spawn(|| attested.run_for(ROUND + 2 * margin));
        thread::sleep(margin);
        let plain = plain.run_for(ROUND)?;
        Ok((plain, attested.join().map_err(|_| "the attested clients panicked")??))
    })
}

/// Measures the resident memory of an idle enclave, and the maximum with 1,000 clients. Half of the
/// clients send documents.
pub(crate) fn memory(figures: &mut Figures) -> Result<(), BoxError> {
    let [mut idle, mut busy] = [const { Vec::new() }; 2];
    for _ in 0..3 {
        let enclave = Enclave::start(&CacheLevel::Document.to_toml(), &[])?;
        thread::sleep(SAMPLE_INTERVAL);
        idle.push(resident(&enclave)?);
        let [(_, key), ..] = KEYS;
        let request = enclave.attested_request(key)?;
        let clients =
            |request: &[u8]| ConcurrentClients::new(enclave.address(), CONNECTIONS / 2, request);
        let client_groups = [clients(&generate_random(PLAIN)), clients(&request)];
        busy.push(thread::scope(|scope| -> Result<f64, BoxError> {
            let running: Vec<_> = client_groups
                .iter()
                .map(|clients| scope.spawn(|| clients.run_for(ROUND)))
                .collect();
            let mut peak = 0.0;
            while !running.iter().all(thread::ScopedJoinHandle::is_finished) {
                thread::sleep(SAMPLE_INTERVAL);
                peak = f64::max(peak, resident(&enclave)?);
            }
            for running in running {
                running.join().map_err(|_| "the clients panicked")??;
            }
            Ok(peak)
        })?);
    }
    figures.add("rss_idle_bytes", "bytes", idle)?;
    figures.add("rss_1000_connections_bytes", "bytes", busy)?;
    Ok(())
}

fn resident(enclave: &Enclave) -> Result<f64, BoxError> {
    Ok(f64::from(u32::try_from(enclave.process().resident_bytes()?)?))
}
