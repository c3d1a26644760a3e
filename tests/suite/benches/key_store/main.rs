//! Benchmark of the effect of a stuck HSM on requests that do not use the HSM. The benchmark
//! measures the 99th percentile of the latency of GenerateRandom without CustomKeyStoreId. In some
//! rounds the key store is idle. In the other rounds, an equal number of clients use the key store,
//! and no call of the HSM returns. The ratio of the latencies must be at most 1.5.
//!
//! Rounds are interleaved, and the fastest rounds of each kind are compared, because other load can only
//! slow down a round. The HSM is stuck during a whole round. Medians are printed too.

#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]
#![expect(clippy::panic, clippy::unwrap_used, reason = "in modules shared with tests")]

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{env, fs, io, thread};

use attested_recipient::Simulator;

use self::keep_alive::KeepAliveClient;
use self::load::{BoxError, median, rate};
use self::softhsm::SoftHsm;
use self::store_config::{Store, VAULT};

#[path = "../keep_alive/mod.rs"]
mod keep_alive;
#[path = "../load/mod.rs"]
mod load;
#[path = "../../tests/key_stores/softhsm.rs"]
#[allow(dead_code, reason = "the tests use the other items")]
mod softhsm;
#[path = "../../tests/key_stores/store_config.rs"]
#[allow(dead_code, reason = "the tests use the other items")]
mod store_config;

/// Number of concurrent clients of each kind.
const CLIENTS: u64 = 8;
const ROUNDS: usize = 12;
const ROUND: Duration = Duration::from_millis(1500);
/// Duration of a stuck call, in milliseconds. It is longer than a round, but too short for the service
/// to consider the store failed.
const STUCK_MS: u64 = 2500;
/// Time limit that only a hang reaches.
const HANG_TIMEOUT: Duration = Duration::from_secs(60);
const DEADLINE_MS: u64 = 500;
const MAX_RATIO: f64 = 1.5;
/// Environment variable with the test folder. It is set in the process that has the environment
/// variables of the PKCS#11 module.
const FOLDER_VARIABLE: &str = "KEY_STORE_BENCH";

fn main() -> Result<(), BoxError> {
    if let Some(folder) = env::var_os(FOLDER_VARIABLE) {
        return measure(Path::new(&folder));
    }
    // The environment of a process configures the PKCS#11 module, so the benchmark runs in a second
    // process.
    let soft_hsm = SoftHsm::with_stores(&[Store { deadline_ms: DEADLINE_MS, ..VAULT }]);
    let mut command = Command::new(env::current_exe()?);
    command.envs(soft_hsm.environment()).env(FOLDER_VARIABLE, soft_hsm.path(""));
    match command.status()?.success() {
        true => Ok(()),
        false => {
            Err("a stuck HSM slows requests that do not use it, or the measurement failed".into())
        }
    }
}

fn measure(folder: &Path) -> Result<(), BoxError> {
    let set_module_behavior = |behavior: &str| {
        fs::write(folder.join("new"), behavior)?;
        fs::rename(folder.join("new"), folder.join("spy.control"))
    };
    let simulator = Simulator::builder().config_file(folder.join("enclave.toml")).start()?;
    let address = simulator.address();
    let (mut idle, mut stuck, mut timeouts) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        set_module_behavior("")?;
        await_store(address)?;
        idle.push(percentile_99(address)?);
        set_module_behavior(&format!("C_GenerateRandom sleep {STUCK_MS}\n"))?;
        thread::scope(|scope| -> Result<(), BoxError> {
            let asking = scope.spawn(|| timeouts_per_second(address));
            stuck.push(percentile_99(address)?);
            timeouts.push(asking.join().map_err(|_| "a client panicked")??);
            Ok(())
        })?;
    }
    let timeouts = median(&mut timeouts);
    println!(
        "99th percentile of the latency of 32 bytes without CustomKeyStoreId, {CLIENTS} clients"
    );
    println!("{:<14}{:>12}{:>12}", "", "quietest", "median");
    let [idle, stuck] = [("store idle", idle), ("store stuck", stuck)].map(|(name, mut rounds)| {
        let median = median(&mut rounds);
        let quietest = rounds.into_iter().fold(f64::INFINITY, f64::min);
        println!("{name:<14}{quietest:>9.3} ms{median:>9.3} ms");
        quietest
    });
    println!(
        "{CLIENTS} other clients use the store; {timeouts:.0} of their requests per second time \
         out"
    );
    let ratio = stuck / idle;
    println!("ratio {ratio:.2}, limit {MAX_RATIO}");
    match ratio <= MAX_RATIO && timeouts > 0.0 {
        true => Ok(()),
        false => Err("a stuck HSM slows requests that do not use it".into()),
    }
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Connects a client of the key store.
fn connect_to_store(address: SocketAddr) -> io::Result<KeepAliveClient<TcpStream>> {
    let body = format!(r#"{{"NumberOfBytes":32,"CustomKeyStoreId":"{}"}}"#, VAULT.id);
    Ok(KeepAliveClient::with_body(connect(address)?, &body))
}

/// Waits until the store responds. After the start of the service, the store must first connect. After
/// a round with a stuck HSM, the stuck calls must first return.
fn await_store(address: SocketAddr) -> Result<(), BoxError> {
    let start = Instant::now();
    let mut client = connect_to_store(address)?;
    while let Err(error) = client.request() {
        if start.elapsed() > HANG_TIMEOUT {
            return Err(error.into());
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Returns the 99th percentile of the latency of requests without the store, in milliseconds. Clients
/// send the next request after each response.
fn percentile_99(address: SocketAddr) -> Result<f64, BoxError> {
    let all = Mutex::new(Vec::new());
    rate(CLIENTS, ROUND, |round| {
        let mut client = KeepAliveClient::new(connect(address)?, 32);
        let mut latencies = Vec::new();
        while round.is_running() {
            let start = Instant::now();
            client.request()?;
            latencies.push(start.elapsed());
            round.count_one();
        }
        all.lock().unwrap_or_else(PoisonError::into_inner).append(&mut latencies);
        Ok(())
    })?;
    let mut all = all.into_inner().unwrap_or_else(PoisonError::into_inner);
    all.sort_unstable();
    let percentile = all.get(all.len() * 99 / 100).ok_or("no request succeeded")?;
    Ok(percentile.as_secs_f64() * 1e3)
}

/// Returns the number of timeouts of the stuck store per second. Any other result of a request is
/// an error.
fn timeouts_per_second(address: SocketAddr) -> Result<f64, BoxError> {
    rate(CLIENTS, ROUND, |round| {
        let mut client = connect_to_store(address)?;
        while round.is_running() {
            match client.request() {
                Err(error) if error.to_string().contains("DependencyTimeoutException") => {
                    round.count_one();
                }
                Err(error) => return Err(error.into()),
                Ok(_) => return Err("the stuck HSM returned random bytes".into()),
            }
        }
        Ok(())
    })
}
