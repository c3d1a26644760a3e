//! Benchmark of the change of a certificate authority. 20 new clients per second send requests
//! through one relay to two enclaves with attested TLS, for one minute.
//!
//! In the first run, one enclave is killed and started again, so it has a new certificate authority.
//! Clients with the old CA bundle may fail only at that enclave, and the relay must report the rejected
//! handshakes. In the second run, both enclaves are restarted by the documented procedure: each enclave
//! is set to standby, and clients receive a new bundle. No client may fail.

#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]

use std::fs;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use self::fleet::{Fleet, RelayMetrics, Server, duration};
use self::load::BoxError;
use self::new_tls_clients::{CaBundle, RATE, RequestCounts, run_clients};

#[path = "../fleet/mod.rs"]
#[allow(dead_code, unused_imports, reason = "other benchmarks use the other items")]
mod fleet;
#[path = "../load/mod.rs"]
#[allow(dead_code, reason = "other benchmarks use the other items")]
mod load;
#[path = "../new_tls_clients/mod.rs"]
mod new_tls_clients;
#[path = "../process/mod.rs"]
#[allow(dead_code, reason = "other benchmarks use the other items")]
mod process;

const ENCLAVES: usize = 2;
const TLS: &str = "[tls]\nmode = \"attested\"\nnames = [\"127.0.0.1\", \"127.0.0.2\"]\n";
/// The direct listener of each enclave, on any free port. The addresses differ because the relay rejects
/// equal entries.
const DIRECT_LISTENERS: [&str; ENCLAVES] = ["127.0.0.1:0", "127.0.0.2:0"];
/// Maximum share of failed clients with the old bundle, in percent. Half of the connections go to the
/// enclave with the new authority. The rest is a margin for chance.
const MAX_FAILED_PERCENT: f64 = 55.0;
/// Time limit for every condition for which the benchmark waits. Only an error reaches this limit.
const TIMEOUT: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(50);

fn main() -> Result<ExitCode, BoxError> {
    let length = duration(60)?;
    println!(
        "{RATE} new clients/s for {length:?} each time; {ENCLAVES} enclaves with attested TLS"
    );
    let passed = [restart_unannounced(length)?, restart_in_standby(length)?];
    Ok(if passed == [true; 2] { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A relay in front of enclaves, and the CA bundle of the clients.
struct Deployment {
    fleet: Fleet,
    relay: Server,
    metrics: RelayMetrics,
    /// Address of the relay's client listener.
    address: String,
    /// Address of each enclave's direct listener.
    directs: Vec<String>,
    bundle: CaBundle,
}

impl Deployment {
    fn start() -> Result<Self, BoxError> {
        let fleet = Fleet::start_with(ENCLAVES, TLS)?;
        let file = fleet.path("parent-proxy.toml");
        let mut command = Command::new(process::binary("parent-proxy")?);
        command.arg("--config").arg(&file).args(["--listen", "127.0.0.1:0"]);
        command.args(["--admin-listen", "127.0.0.1:0"]);
        let relay = fleet.server("parent-proxy", command, 2 + ENCLAVES);
        let (metrics, bundle) = (RelayMetrics::new(""), CaBundle::default());
        let (address, directs) = (String::new(), Vec::new());
        let mut this = Self { fleet, relay, metrics, address, directs, bundle };
        this.write_upstreams(None)?;
        let endpoints = this.relay.start()?;
        let [clients, admin, directs @ ..] = endpoints.as_slice() else {
            return Err("the relay announced too few endpoints".into());
        };
        this.directs = directs.to_vec();
        this.address = clients.clone();
        this.metrics = RelayMetrics::new(admin);
        for index in 0..ENCLAVES {
            this.await_ready(index)?;
        }
        this.trust_all(&this.bundle)?;
        Ok(this)
    }

    /// Writes the relay's configuration. At most one enclave is in standby.
    fn write_upstreams(&self, standby: Option<usize>) -> Result<(), BoxError> {
        let listed = DIRECT_LISTENERS.iter().enumerate().map(|(index, direct)| {
            let option = if standby == Some(index) { ",standby" } else { "" };
            format!("{},direct={direct}{option}", self.fleet.upstream(index))
        });
        let listed: Vec<_> = listed.collect();
        Ok(fs::write(self.fleet.path("parent-proxy.toml"), format!("upstream = {listed:?}\n"))?)
    }

    /// Sets at most one enclave to standby, and waits until the relay has applied the setting.
    fn set_standby(&self, standby: Option<usize>) -> Result<(), BoxError> {
        self.write_upstreams(standby)?;
        self.relay.signal(Signal::SIGHUP)?;
        for index in 0..ENCLAVES {
            let expected = f64::from(u8::from(standby == Some(index)));
            self.await_gauge("upstream_standby", index, expected)?;
        }
        Ok(())
    }

    fn await_gauge(&self, metric: &str, index: usize, expected: f64) -> Result<(), BoxError> {
        let name = format!("enclave-{index}");
        let start = Instant::now();
        while self.metrics.gauge(metric, &name)? != Some(expected) {
            if start.elapsed() > TIMEOUT {
                return Err(
                    format!("timed out waiting until {metric} of {name} is {expected}").into()
                );
            }
            thread::sleep(POLL_INTERVAL);
        }
        Ok(())
    }

    /// Waits until another health check finds the enclave ready.
    fn await_ready(&self, index: usize) -> Result<(), BoxError> {
        let name = format!("enclave-{index}");
        let ready = || self.metrics.sample("health_checks_total", &name, "outcome=\"ready\"");
        let (start, before) = (Instant::now(), ready()?);
        while ready()? <= before {
            if start.elapsed() > TIMEOUT {
                return Err(format!("timed out waiting until {name} is ready").into());
            }
            thread::sleep(POLL_INTERVAL);
        }
        Ok(())
    }

    fn restart(&mut self, index: usize) -> Result<(), BoxError> {
        let enclave = self.fleet.enclaves.get_mut(index).ok_or("no such enclave")?;
        enclave.kill()?;
        enclave.start()?;
        Ok(())
    }

    /// Verifies each enclave at its direct listener, and replaces the clients' CA bundle.
    fn trust_all(&self, bundle: &CaBundle) -> Result<(), BoxError> {
        let out = self.fleet.path("bundle.pem");
        let mut command = Command::new(process::binary("attested-recipient")?);
        command.arg("trust").args(self.directs.iter().map(|direct| format!("https://{direct}")));
        let output = command.args(["--simulator", "--out"]).arg(&out).output()?;
        if !output.status.success() {
            return Err(format!(
                "attested-recipient trust failed: {}",
                String::from_utf8_lossy(&output.stderr)
            )
            .into());
        }
        bundle.replace(fs::read(&out)?);
        Ok(())
    }

    fn print(&self, what: &str, counts: &RequestCounts) -> Result<(), BoxError> {
        let RequestCounts { requests, failed, errors } = counts;
        println!("{what}: {requests} clients, {failed} failed ({:.1} %)", counts.failed_percent());
        for (error, count) in errors {
            println!("  {count} times: {error}");
        }
        for index in 0..ENCLAVES {
            let name = format!("enclave-{index}");
            let gauge = |metric: &str| self.metrics.gauge(metric, &name);
            println!(
                "  {name}: {} connections, rejected ratio {:?}, rejected {:?}, weight {:?}",
                self.metrics.counter("connections", &name)?,
                gauge("upstream_handshake_rejections_ratio")?,
                gauge("upstream_handshakes_rejected")?,
                gauge("upstream_weight")?,
            );
        }
        Ok(())
    }
}

/// Restarts one enclave while clients have the old bundle.
fn restart_unannounced(length: Duration) -> Result<bool, BoxError> {
    let mut deployment = Deployment::start()?;
    let stopped = AtomicBool::new(false);
    deployment.restart(1)?;
    let start = Instant::now();
    let mut is_reported = false;
    let counts = thread::scope(|scope| -> Result<RequestCounts, BoxError> {
        let clients = scope.spawn(|| {
            run_clients(&deployment.address, &deployment.bundle, || {
                !stopped.load(Ordering::Relaxed)
            })
        });
        while start.elapsed() < length {
            thread::sleep(POLL_INTERVAL);
            let rejected = deployment.metrics.gauge("upstream_handshakes_rejected", "enclave-1");
            is_reported |= matches!(rejected, Ok(Some(1.0)));
        }
        stopped.store(true, Ordering::Relaxed);
        clients.join().map_err(|_| "the client thread panicked".into())
    })?;
    deployment.print("old bundle", &counts)?;
    let log = deployment.relay.log_lines("clients reject the TLS certificate")?;
    log.iter().for_each(|line| println!("  log: {line}"));
    let is_logged_once = log.len() == 1;
    if !is_reported || !is_logged_once {
        println!(
            "rejected handshakes: reported by the metric: {is_reported}; log lines: {}, expected 1",
            log.len()
        );
    }
    Ok(counts.failed_percent() <= MAX_FAILED_PERCENT
        && counts.requests > 0
        && is_reported
        && is_logged_once)
}

/// Restarts each enclave while it is in standby. Distributes the new bundle before the relay sends
/// clients to the enclave again.
fn restart_in_standby(length: Duration) -> Result<bool, BoxError> {
    let mut deployment = Deployment::start()?;
    let stopped = AtomicBool::new(false);
    let (address, start) = (deployment.address.clone(), Instant::now());
    let bundle = &std::mem::take(&mut deployment.bundle);
    let counts = thread::scope(|scope| -> Result<RequestCounts, BoxError> {
        let clients =
            scope.spawn(|| run_clients(&address, bundle, || !stopped.load(Ordering::Relaxed)));
        let result = rolling_restart(&mut deployment, bundle, length, start);
        stopped.store(true, Ordering::Relaxed);
        let counts = clients.join().map_err(|_| "the client thread panicked")?;
        result.map(|()| counts)
    })?;
    deployment.print("standby, direct and a new bundle", &counts)?;
    if counts.failed > 0 {
        println!("last log lines of the relay:\n{}", deployment.relay.log_end()?);
    }
    Ok(counts.failed == 0 && counts.requests > 0)
}

fn rolling_restart(
    deployment: &mut Deployment,
    bundle: &CaBundle,
    length: Duration,
    start: Instant,
) -> Result<(), BoxError> {
    for index in 0..ENCLAVES {
        deployment.set_standby(Some(index))?;
        deployment.await_gauge("connections_open", index, 0.0)?;
        deployment.restart(index)?;
        deployment.await_ready(index)?;
        deployment.trust_all(bundle)?;
        deployment.set_standby(None)?;
        println!("enclave-{index} was restarted after {:.1} s", start.elapsed().as_secs_f64());
    }
    thread::sleep(length.saturating_sub(start.elapsed()));
    Ok(())
}
