//! Benchmark of entropy if each NSM call takes 1 ms. The benchmark measures the requests per second with
//! and without prefetched blocks, and with both reseed settings. It also measures the share of requests
//! that wait for the NSM while clients request up to 80 % of the NSM's maximum rate.
//!
//! Rounds are interleaved. Compare results only within one run, because machines vary.

#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use attested_recipient::Simulator;

use self::keep_alive::KeepAliveClient;
use self::load::{BoxError, median, rate};

#[path = "../keep_alive/mod.rs"]
mod keep_alive;
#[path = "../load/mod.rs"]
mod load;

/// Number of concurrent clients.
const CLIENTS: u64 = 16;
const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(3);

const SETTINGS: [(&str, &str); 4] = [
    ("per request, no prefetch", "prefetch = 0\n"),
    ("per request, 64 blocks", "prefetch = 64\n"),
    ("interval, no prefetch", "prefetch = 0\nreseed = \"interval\"\n"),
    ("interval, 64 blocks", "prefetch = 64\nreseed = \"interval\"\n"),
];

fn main() -> Result<(), BoxError> {
    let folder = tempfile::tempdir()?;
    let simulators = SETTINGS
        .into_iter()
        .enumerate()
        .map(|(number, (_, lines))| simulator(folder.path(), number, lines))
        .collect::<Result<Vec<_>, _>>()?;
    let mut rates = vec![Vec::new(); simulators.len()];
    for _ in 0..ROUNDS {
        for (simulator, rates) in simulators.iter().zip(&mut rates) {
            rates.push(saturated(simulator.address())?);
        }
    }
    println!("NSM latency 1 ms, {CLIENTS} clients, plain requests of 32 bytes");
    let medians: Vec<f64> = rates.iter_mut().map(|rates| median(rates)).collect();
    let [first, ready, ..] = medians[..] else { return Err("no settings".into()) };
    for ((name, _), rate) in SETTINGS.iter().zip(&medians) {
        println!("{name:<28}{rate:>8.0} requests/s  {:>6.2} times the first line", rate / first);
    }
    // Each request uses one block, so this rate is the NSM's maximum rate.
    let [_, simulator, ..] = &simulators[..] else { return Err("no settings".into()) };
    for percent in [20, 40, 60, 80] {
        let rate = ready * f64::from(percent) / 100.0;
        let (requests, waited) = paced(simulator, rate)?;
        let share = 100.0 * waited / requests;
        let label = if share < 1.0 { "under 1%" } else { "1% OR MORE" };
        println!(
            "at {percent}% of the NSM's rate: {waited:.0} of {requests:.0} requests waited for \
             the NSM, {share:.2}%: {label}"
        );
    }
    Ok(())
}

fn simulator(folder: &Path, number: usize, lines: &str) -> Result<Simulator, BoxError> {
    let path = folder.join(format!("{number}.toml"));
    fs::write(&path, format!("[entropy]\n{lines}[simulator.nsm]\nlatency_ms = 1\n"))?;
    Ok(Simulator::builder().config_file(path).start()?)
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Returns the requests per second of clients that send the next request after each response.
fn saturated(address: SocketAddr) -> Result<f64, BoxError> {
    rate(CLIENTS, ROUND, |round| {
        let mut client = KeepAliveClient::new(connect(address)?, 32);
        while round.is_running() {
            client.request()?;
            round.count_one();
        }
        Ok(())
    })
}

/// Sends `rate` requests per second at equal intervals. Returns the number of requests, and the number
/// of requests that waited for the NSM.
fn paced(simulator: &Simulator, rate: f64) -> Result<(f64, f64), BoxError> {
    let before = blocks(simulator)?;
    let interval = Duration::from_secs_f64(1.0 / rate);
    let start = Instant::now();
    let number = AtomicU64::new(0);
    thread::scope(|scope| {
        let client = || -> Result<(), BoxError> {
            let mut client = KeepAliveClient::new(connect(simulator.address())?, 32);
            loop {
                let number = u32::try_from(number.fetch_add(1, Ordering::Relaxed))?;
                let due = interval * number;
                if due > ROUND {
                    return Ok(());
                }
                thread::sleep(due.saturating_sub(start.elapsed()));
                client.request()?;
            }
        };
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        clients.into_iter().try_for_each(|client| client.join().map_err(|_| "a client panicked")?)
    })?;
    let after = blocks(simulator)?;
    let (ready, waited) = (after.0 - before.0, after.1 - before.1);
    Ok((ready + waited, waited))
}

/// Returns two counts since the start of the service: of the used blocks that were prefetched, and
/// of the used blocks that were drawn on demand.
fn blocks(simulator: &Simulator) -> Result<(f64, f64), BoxError> {
    let url = format!("{}/metrics", simulator.endpoint_url());
    let metrics = ureq::get(url).call()?.body_mut().read_to_string()?;
    let value = |source: &str| -> Result<f64, BoxError> {
        let name = format!("attested_random_nsm_blocks_total{{source=\"{source}\"}} ");
        let value = metrics.lines().find_map(|line| line.strip_prefix(&name));
        Ok(value.ok_or("the service does not report the metric")?.parse()?)
    };
    Ok((value("prefetched")?, value("on_demand")?))
}
