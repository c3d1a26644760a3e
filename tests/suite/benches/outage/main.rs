//! Benchmark of the loss of enclaves. Real SDK clients send 200 requests per second to three enclaves
//! behind one relay. Every 20 s, one enclave is killed and started again. After the SDK's retries, no
//! request may fail.

#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]

use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use self::fleet::{Fleet, RATE, RelayMetrics, SdkClients, duration};
use self::load::BoxError;

#[path = "../fleet/mod.rs"]
#[allow(dead_code, unused_imports, reason = "other benchmarks use the other items")]
mod fleet;
#[path = "../load/mod.rs"]
#[allow(dead_code, reason = "other benchmarks use the other items")]
mod load;
#[path = "../process/mod.rs"]
#[allow(dead_code, reason = "other benchmarks use the other items")]
mod process;

const ENCLAVES: usize = 3;
const KILL_INTERVAL: Duration = Duration::from_secs(20);
/// Time between the kill and the restart of an enclave.
const DOWNTIME: Duration = Duration::from_secs(6);
/// Interval at which the relay's metrics are read.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

fn main() -> Result<ExitCode, BoxError> {
    let length = duration(300)?;
    let mut fleet = Fleet::start(ENCLAVES)?;
    let mut relay = fleet
        .relay("parent-proxy", &["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])?;
    let endpoints = relay.start()?;
    let [address, admin] = endpoints.as_slice() else {
        return Err("the relay did not announce two endpoints".into());
    };
    let mut metrics = RelayMetrics::new(admin);
    let mut clients = SdkClients::start(&format!("http://{address}"))?;
    println!(
        "{RATE} requests/s for {length:?}; one of {ENCLAVES} enclaves killed every {KILL_INTERVAL:?}"
    );

    let start = Instant::now();
    let mut kills = [0_u32; ENCLAVES];
    let mut down = None;
    let mut next = KILL_INTERVAL / 2;
    let mut turn = (0..ENCLAVES).cycle();
    while start.elapsed() < length || down.is_some() {
        if start.elapsed() >= next && start.elapsed() + DOWNTIME < length {
            let n = turn.next().unwrap_or_default();
            if let (Some(enclave), Some(kills)) = (fleet.enclaves.get_mut(n), kills.get_mut(n)) {
                enclave.kill()?;
                *kills += 1;
                down = Some((n, Instant::now()));
            }
            next += KILL_INTERVAL;
        }
        if let Some((n, since)) = down
            && since.elapsed() >= DOWNTIME
            && let Some(enclave) = fleet.enclaves.get_mut(n)
        {
            enclave.start()?;
            down = None;
        }
        metrics.refresh()?;
        clients.check_running()?;
        thread::sleep(POLL_INTERVAL);
    }
    let outcome = clients.stop()?;

    println!(
        "{:<12} {:>6} {:>10} {:>8} {:>13}",
        "", "kills", "ejections", "returns", "connections"
    );
    for (enclave, kills) in fleet.enclaves.iter().zip(kills) {
        let name = &enclave.name;
        let ejections = metrics.counter("ejections", name)?;
        let connections = metrics.counter("connections", name)?;
        let recoveries = metrics.recoveries(name);
        println!("{name:<12} {kills:>6} {ejections:>10} {recoveries:>8} {connections:>13}");
    }
    println!(
        "connection attempts retried at another enclave: {}",
        metrics.counter("connect_retries", "")?
    );
    outcome.print();
    let exited = relay.has_exited()?;
    if exited || !outcome.passed() {
        println!("last log lines of the relay:\n{}", relay.log_end()?);
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}
