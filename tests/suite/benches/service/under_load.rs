//! What plain clients notice of attested ones, and how much memory many clients take.

use std::thread;
use std::time::Duration;

use crate::KEYS;
use crate::cells::{PLAIN, Relayed};
use crate::crowd::{Crowd, Tally, generate_random};
use crate::figures::Figures;
use crate::load::Failure;
use crate::servers::{Enclave, Known};

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);
const PLAIN_CLIENTS: usize = 8;
const ATTESTED_CLIENTS: usize = 64;

/// Between two looks at the memory.
const LOOK: Duration = Duration::from_millis(100);
const CONNECTIONS: usize = 1000;

/// What 99 of 100 plain requests take no longer than, by themselves and while attested clients ask as
/// fast as they are answered.
pub(crate) fn latency(figures: &mut Figures) -> Result<(), Failure> {
    let service = Relayed::start(&Known::Nothing.to_toml(), &[])?;
    let [(_, key), ..] = KEYS;
    let address = service.relay.address();
    let plain = Crowd::new(address, PLAIN_CLIENTS, &generate_random(PLAIN));
    let request = service.enclave.attested_request(key)?;
    let attested = Crowd::new(address, ATTESTED_CLIENTS, &request);
    let [mut alone, mut loaded, mut attested_rates, mut refused] = [const { Vec::new() }; 4];
    for _ in 0..ROUNDS {
        alone.push(plain.ask_for(ROUND)?.percentile_ms(99)?);
        // Longer at both ends, so that it is there all the time.
        let (plain, attested) = together(&plain, &attested, 2 * LOOK)?;
        loaded.push(plain.percentile_ms(99)?);
        attested_rates.push(attested.rate());
        refused.push(f64::from(attested.refused) / attested.elapsed.as_secs_f64());
    }
    figures.add("plain_p99_unloaded_ms", "ms", alone.iter().copied())?;
    figures.add("plain_p99_under_attested_load_ms", "ms", loaded.iter().copied())?;
    figures.add_ratio("plain_p99_under_attested_load_ratio", &loaded, &alone)?;
    figures.add("attested_under_plain_load", "requests/s", attested_rates)?;
    figures.add("attested_refused_under_plain_load", "requests/s", refused)?;
    Ok(())
}

/// Both at once, the attested ones for a while before and after.
fn together(plain: &Crowd, attested: &Crowd, margin: Duration) -> Result<(Tally, Tally), Failure> {
    thread::scope(|scope| {
        let attested = scope.spawn(|| attested.ask_for(ROUND + 2 * margin));
        thread::sleep(margin);
        let plain = plain.ask_for(ROUND)?;
        Ok((plain, attested.join().map_err(|_| "the attested clients panicked")??))
    })
}

/// What is resident of an enclave that nobody has asked anything, and at most of one that 1,000 clients
/// ask, of which half have documents.
pub(crate) fn memory(figures: &mut Figures) -> Result<(), Failure> {
    let [mut idle, mut busy] = [const { Vec::new() }; 2];
    for _ in 0..3 {
        let enclave = Enclave::start(&Known::Document.to_toml(), &[])?;
        thread::sleep(LOOK);
        idle.push(resident(&enclave)?);
        let [(_, key), ..] = KEYS;
        let request = enclave.attested_request(key)?;
        let half = |request: &[u8]| Crowd::new(enclave.address(), CONNECTIONS / 2, request);
        let crowds = [half(&generate_random(PLAIN)), half(&request)];
        busy.push(thread::scope(|scope| -> Result<f64, Failure> {
            let asking: Vec<_> =
                crowds.iter().map(|crowd| scope.spawn(|| crowd.ask_for(ROUND))).collect();
            let mut most = 0.0;
            while !asking.iter().all(thread::ScopedJoinHandle::is_finished) {
                thread::sleep(LOOK);
                most = f64::max(most, resident(&enclave)?);
            }
            for asking in asking {
                asking.join().map_err(|_| "the clients panicked")??;
            }
            Ok(most)
        })?);
    }
    figures.add("rss_idle_bytes", "bytes", idle)?;
    figures.add("rss_1000_connections_bytes", "bytes", busy)?;
    Ok(())
}

fn resident(enclave: &Enclave) -> Result<f64, Failure> {
    Ok(f64::from(u32::try_from(enclave.process().resident()?)?))
}
