//! Benchmark that compares this project's relay with HAProxy (TCP mode) and nginx (stream). It measures
//! requests, new connections, bulk transfer, and the memory per idle connection.
//!
//! All three relay to the same echo server, and their rounds are interleaved. A ratio compares the relay
//! with HAProxy or nginx, whichever has the better median.

#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]

use std::env;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use self::concurrent_clients::ConcurrentClients;
use self::echo::{BLOCK, REQUEST};
use self::figures::Figures;
use self::load::{BoxError, rate};
use self::proxies::{NAMES, Proxy};

#[path = "../concurrent_clients/mod.rs"]
#[allow(dead_code, reason = "other benchmarks use the other items")]
mod concurrent_clients;
mod echo;
#[path = "../figures/mod.rs"]
mod figures;
#[path = "../load/mod.rs"]
#[allow(dead_code, reason = "other benchmarks use the other items")]
mod load;
#[path = "../process/mod.rs"]
mod process;
mod proxies;

const ROUNDS: usize = 11;
const ROUND: Duration = Duration::from_millis(700);
/// Number of concurrent streams of the bulk transfer.
const STREAMS: u64 = 4;
/// Number of idle connections.
const IDLE: usize = 5000;
const IDLE_ROUNDS: usize = 3;

/// The results of the rounds for each proxy in [`NAMES`].
type Rounds = [Vec<f64>; NAMES.len()];

fn main() -> Result<(), BoxError> {
    if echo::is_server_process() {
        return echo::serve();
    }
    proxies::require_peers()?;
    raise_descriptors()?;
    let echo = echo::start()?;
    let mut figures = Figures::default();
    let relays = proxies::start(echo.address())?;
    if wanted("requests") {
        for clients in [1, 32, 256] {
            requests(&relays, clients, &mut figures)?;
        }
    }
    if wanted("connections") {
        connections(&relays, &mut figures)?;
    }
    if wanted("bulk") {
        bulk(&relays, &mut figures)?;
    }
    drop(relays);
    if wanted("idle") {
        idle(echo.address(), &mut figures)?;
    }
    figures.publish()
}

/// Returns whether a part is measured. If the command line names parts, only these parts are
/// measured.
fn wanted(part: &str) -> bool {
    let mut parts = env::args().skip(1).filter(|argument| !argument.starts_with('-')).peekable();
    parts.peek().is_none() || parts.any(|named| named == part)
}

/// Raises the limit of file descriptors. A relay has two descriptors for each idle connection.
fn raise_descriptors() -> Result<(), BoxError> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let needed = u64::try_from(2 * IDLE + 500)?;
    if hard < needed {
        return Err(format!(
            "{needed} file descriptors are needed, but the hard limit (`ulimit -Hn`) is {hard}"
        )
        .into());
    }
    Ok(setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?)
}

fn requests(relays: &[Proxy; 3], clients: usize, figures: &mut Figures) -> Result<(), BoxError> {
    let [mut rates, mut costs] = [Rounds::default(), Rounds::default()];
    for round in 0..ROUNDS {
        let all = relays.iter().zip(rates.iter_mut().zip(&mut costs));
        for (Proxy { process, .. }, (rates, costs)) in turns(round, all) {
            let before = process.cpu_time()?;
            let result =
                ConcurrentClients::new(process.address(), clients, REQUEST).run_for(ROUND)?;
            let used = process.cpu_time()? - before;
            rates.push(result.rate());
            costs.push(used.as_secs_f64() * 1e6 / f64::from(result.succeeded));
        }
    }
    add(figures, &format!("requests_c{clients}"), "requests/s", &rates)?;
    add(figures, &format!("cpu_per_request_c{clients}"), "us", &costs)?;
    add_ratio(figures, &format!("relay_vs_best_proxy_c{clients}"), &rates, f64::max)?;
    let name = match clients {
        32 => "relay_cpu_vs_best_proxy".to_owned(),
        _ => format!("relay_cpu_vs_best_proxy_c{clients}"),
    };
    add_ratio(figures, &name, &costs, f64::min)
}

fn connections(relays: &[Proxy; 3], figures: &mut Figures) -> Result<(), BoxError> {
    let mut rates = Rounds::default();
    for round in 0..ROUNDS {
        for (relay, rates) in turns(round, relays.iter().zip(&mut rates)) {
            let clients =
                ConcurrentClients::new(relay.process.address(), 32, REQUEST).reconnecting();
            rates.push(clients.run_for(ROUND)?.rate());
        }
    }
    add(figures, "connections", "connections/s", &rates)?;
    add_ratio(figures, "relay_connections_vs_best_proxy", &rates, f64::max)
}

fn bulk(relays: &[Proxy; 3], figures: &mut Figures) -> Result<(), BoxError> {
    let mut rates = Rounds::default();
    for round in 0..ROUNDS {
        for (relay, rates) in turns(round, relays.iter().zip(&mut rates)) {
            let address = relay.process.address();
            let blocks = rate(STREAMS, ROUND, |round| stream(address, round))?;
            rates.push(blocks * f64::from(u32::try_from(BLOCK)?) / 1e6);
        }
    }
    add(figures, "bulk", "MB/s", &rates)?;
    add_ratio(figures, "relay_bulk_vs_best_proxy", &rates, f64::max)
}

/// Sends data continuously, and counts the blocks that the server returns.
fn stream(address: SocketAddr, round: &load::Round) -> Result<(), BoxError> {
    let stream = TcpStream::connect(address)?;
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let block = vec![7; BLOCK];
            while round.is_running() {
                (&stream).write_all(&block)?;
            }
            stream.shutdown(Shutdown::Write)
        });
        let mut block = vec![0; BLOCK];
        while (&stream).read_exact(&mut block).is_ok() {
            round.count_one();
        }
        Ok(writer.join().map_err(|_| "the writer thread panicked")??)
    })
}

fn idle(upstream: SocketAddr, figures: &mut Figures) -> Result<(), BoxError> {
    let mut bytes = Rounds::default();
    for _ in 0..IDLE_ROUNDS {
        for (relay, bytes) in proxies::start(upstream)?.iter().zip(&mut bytes) {
            bytes.push(bytes_per_connection(relay)?);
        }
    }
    add(figures, "idle_bytes_per_connection", "bytes", &bytes)?;
    Ok(())
}

/// Returns the resident memory per connection after each connection was used once.
fn bytes_per_connection(relay: &Proxy) -> Result<f64, BoxError> {
    // The first connections initialize state that does not belong to a connection, so they are
    // opened before the measurement.
    drop(connected(relay, 32)?);
    let before = relay.process.resident_bytes()?;
    let _connections = connected(relay, IDLE)?;
    let after = relay.process.resident_bytes()?;
    let bytes = u32::try_from(after.saturating_sub(before))?;
    Ok(f64::from(bytes) / f64::from(u32::try_from(IDLE)?))
}

fn connected(relay: &Proxy, count: usize) -> Result<Vec<TcpStream>, BoxError> {
    let connect = |_| {
        let mut stream = TcpStream::connect(relay.process.address())?;
        stream.write_all(REQUEST)?;
        stream.read_exact(&mut [0; REQUEST.len()])?;
        Ok(stream)
    };
    (0..count).map(connect).collect()
}

/// Returns the order of the proxies in a round. The order rotates from round to round.
fn turns<T>(round: usize, all: impl Iterator<Item = T>) -> Vec<T> {
    let mut all: Vec<T> = all.collect();
    all.rotate_left(round % NAMES.len());
    all
}

fn add(figures: &mut Figures, what: &str, unit: &str, rounds: &Rounds) -> Result<(), BoxError> {
    for (name, rounds) in NAMES.iter().zip(rounds) {
        figures.add(&format!("{name}_{what}"), unit, rounds.iter().copied())?;
    }
    Ok(())
}

/// Adds the ratio of the relay to the other proxy whose median `choose` selects.
fn add_ratio(
    figures: &mut Figures,
    name: &str,
    rounds: &Rounds,
    choose: fn(f64, f64) -> f64,
) -> Result<(), BoxError> {
    let [ours, haproxy, nginx] = rounds;
    let [first, second] = [haproxy, nginx].map(|rounds| load::median(&mut rounds.clone()));
    let best = if choose(first, second) == first { haproxy } else { nginx };
    figures.add_ratio(name, ours, best)?;
    Ok(())
}
