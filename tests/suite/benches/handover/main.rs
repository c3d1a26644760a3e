//! Benchmark of the replacement of relays while real SDK clients send 200 requests per second. The first
//! runs replace one relay with an inherited socket, by an upgrade and by a restart. The last run
//! restarts two relays behind HAProxy, one after the other. After the SDK's retries, no request may
//! fail. New clients also measure the time to their first response. During an upgrade, this time has a
//! limit.

#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use self::fleet::{Fleet, RATE, SdkClients, Server, duration};
use self::load::BoxError;
use self::new_clients::NewClients;
use self::process::Process;

mod new_clients;

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
const RESTART_INTERVAL: Duration = Duration::from_secs(10);
/// Drain timeout of a relay, in seconds. A relay that is restarted accepts no new clients for up to this
/// time.
const DRAIN_TIMEOUT_SECS: &str = "3";
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Maximum time to the first response of a new client during an upgrade.
const MAX_LATENCY: Duration = Duration::from_secs(2);

fn main() -> Result<ExitCode, BoxError> {
    let haproxy = haproxy()?;
    let length = duration(120)? / 3;
    let fleet = Fleet::start(ENCLAVES)?;
    println!(
        "{RATE} requests/s; a relay replaced every {RESTART_INTERVAL:?}, drained for {DRAIN_TIMEOUT_SECS} s"
    );
    let passed = [
        upgraded(&fleet, length)?,
        restarted_on_socket(&fleet, length)?,
        behind_haproxy(&fleet, length, &haproxy)?,
    ];
    Ok(if passed == [true; 3] { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Upgrades a relay. The new process serves before the old process drains.
fn upgraded(fleet: &Fleet, length: Duration) -> Result<bool, BoxError> {
    let what = "one relay, upgraded with SIGUSR2";
    with_socket(fleet, "upgraded", |relays, address| {
        replace(relays, address, length, what, Some(MAX_LATENCY), Server::upgrade)
    })
}

/// Restarts a relay. New connections wait on the inherited socket for the next relay.
fn restarted_on_socket(fleet: &Fleet, length: Duration) -> Result<bool, BoxError> {
    let what = "one relay, restarted with an inherited socket";
    with_socket(fleet, "passed-on", |relays, address| {
        replace(relays, address, length, what, None, restart)
    })
}

fn with_socket(
    fleet: &Fleet,
    name: &str,
    replace: impl FnOnce(&mut [Server], &str) -> Result<bool, BoxError>,
) -> Result<bool, BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    let flags = ["--drain-timeout", DRAIN_TIMEOUT_SECS, "--admin-listen", "127.0.0.1:0"];
    // This process must not accept connections, so that waiting connections stay for the next
    // relay.
    replace(&mut [fleet.relay_with_socket(&listener, name, &flags)?], &address)
}

/// Restarts two relays, one after the other. HAProxy sends new clients to the running relay.
fn behind_haproxy(fleet: &Fleet, length: Duration, haproxy: &Path) -> Result<bool, BoxError> {
    let mut text = "defaults\n mode tcp\n retries 3\n option redispatch\n timeout connect 5s\n \
                    timeout client 1h\n timeout server 1h\nlisten relays\n balance leastconn\n \
                    option httpchk GET /readyz\n"
        .to_owned();
    let mut relays = Vec::new();
    for name in ["first", "second"] {
        let [clients, admin] = [free_address()?, free_address()?];
        let port = admin.rsplit(':').next().unwrap_or_default();
        text.push_str(&format!(
            " server {name} {clients} check port {port} inter 500 fall 1 rise 1\n"
        ));
        let flags =
            ["--listen", &clients, "--admin-listen", &admin, "--drain-timeout", DRAIN_TIMEOUT_SECS];
        relays.push(fleet.relay(name, &flags)?);
    }
    let address = free_address()?;
    text.push_str(&format!(" bind {address}\n"));
    let file = fleet.path("haproxy.cfg");
    fs::write(&file, text)?;
    let mut command = Command::new(haproxy);
    command.args(["-db", "-f"]).arg(&file).stderr(Stdio::null());
    // HAProxy considers both relays ready until its first health checks.
    let haproxy = Process::spawn_listening(&mut command, address.parse()?)?;
    let passed =
        replace(&mut relays, &address, length, "two relays behind HAProxy", None, restart)?;
    drop(haproxy);
    Ok(passed)
}

fn restart(relay: &mut Server) -> Result<(), BoxError> {
    relay.terminate()?;
    relay.start().map(drop)
}

fn replace(
    relays: &mut [Server],
    address: &str,
    length: Duration,
    what: &str,
    bound: Option<Duration>,
    replace: impl Fn(&mut Server) -> Result<(), BoxError>,
) -> Result<bool, BoxError> {
    for relay in &mut *relays {
        relay.start()?;
    }
    let new_clients = NewClients::start(address);
    let mut clients = SdkClients::start(&format!("http://{address}"))?;
    let (start, mut next, mut times, mut longest) =
        (Instant::now(), RESTART_INTERVAL / 2, 0_usize, Duration::ZERO);
    while start.elapsed() < length {
        // The restarts alternate between the relays.
        let turn = times % relays.len();
        if start.elapsed() >= next
            && let Some(relay) = relays.get_mut(turn)
        {
            let begun = Instant::now();
            replace(relay)?;
            longest = longest.max(begun.elapsed());
            times += 1;
            next += RESTART_INTERVAL;
        }
        clients.check_running()?;
        thread::sleep(POLL_INTERVAL);
    }
    let (outcome, latencies) = (clients.stop()?, new_clients.stop()?);
    println!("{what}: {times} times, at most {:.1} s each", longest.as_secs_f64());
    outcome.print();
    latencies.print();
    let passed = outcome.passed() && times > 0 && latencies.are_within(bound);
    if !passed {
        for relay in relays {
            println!("last log lines of {}:\n{}", relay.name, relay.log_end()?);
        }
    }
    Ok(passed)
}

/// Returns a local address without a listener.
fn free_address() -> Result<String, BoxError> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

/// Returns the path of HAProxy. Debian's folder for HAProxy may be missing from PATH.
fn haproxy() -> Result<std::path::PathBuf, BoxError> {
    let path = Path::new("/usr/sbin/haproxy");
    let path = if path.exists() { path } else { Path::new("haproxy") };
    match Command::new(path).arg("-v").output() {
        Ok(_) => Ok(path.to_owned()),
        Err(_) => Err("haproxy is missing: apt-get install haproxy".into()),
    }
}
