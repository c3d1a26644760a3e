//! Benchmark of a flood of silent connections. For one minute, one address has 4,200 connections, and
//! reopens a connection when it is closed. Meanwhile a client connects every second and must receive its
//! response within 2 s. There are four runs: the flood comes from the client's address or from another
//! address, and the client uses TLS or not.

#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]

use std::fs;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use attested_recipient::Simulator;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use self::connection_flood::ConnectionFlood;
use self::connector::{Connector, Session};
use self::fleet::duration;
use self::keep_alive::KeepAliveClient;
use self::load::BoxError;
use self::process::{Process, binary};

mod connection_flood;
#[path = "../tls/connector.rs"]
#[allow(dead_code, reason = "other benchmarks use the other items")]
mod connector;
#[path = "../fleet/mod.rs"]
#[allow(dead_code, unused_imports, reason = "other benchmarks use the other items")]
mod fleet;
#[path = "../keep_alive/mod.rs"]
#[allow(dead_code, reason = "other benchmarks use the other items")]
mod keep_alive;
#[path = "../load/mod.rs"]
#[allow(dead_code, reason = "other benchmarks use the other items")]
mod load;
#[path = "../process/mod.rs"]
#[allow(dead_code, reason = "other benchmarks use the other items")]
mod process;

const SILENT_CONNECTIONS: usize = 4200;
/// Address of the client. The flood comes from this address or from the next address.
const CLIENT_ADDRESS: Ipv4Addr = Ipv4Addr::LOCALHOST;
const OTHER_ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const REQUEST_INTERVAL: Duration = Duration::from_secs(1);
const MAX_LATENCY: Duration = Duration::from_secs(2);

fn main() -> Result<ExitCode, BoxError> {
    let length = duration(60)?;
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    let folder = tempfile::tempdir()?;
    println!(
        "{SILENT_CONNECTIONS} silent connections for {length:?}; a client connects every \
         {REQUEST_INTERVAL:?} and must get its response within {MAX_LATENCY:?}"
    );
    println!("{:<32}{:>10}{:>10}{:>12}{:>12}", "", "answered", "slowest", "opened/s", "relay CPU");
    let mut passed = true;
    for tls in [false, true] {
        for from in [OTHER_ADDRESS, CLIENT_ADDRESS] {
            passed &= measure(folder.path(), tls, from, length)?;
        }
    }
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs one kind of flood. Returns whether all requests of the client succeeded in time.
fn measure(folder: &Path, tls: bool, from: Ipv4Addr, length: Duration) -> Result<bool, BoxError> {
    let lines = if tls { "[tls]\nmode = \"attested\"\nnames = [\"localhost\"]\n" } else { "" };
    let path = folder.join("enclave.toml");
    fs::write(&path, lines)?;
    let enclave = Simulator::builder().config_file(path).start()?;
    let relay = relay(enclave.address())?;
    let connector = match enclave.certificate_authority_pem() {
        Some(pem) => Connector::tls(relay.address(), pem, Session::New)?,
        None => Connector::plain(relay.address()),
    };
    request(&connector)?;

    let flood = ConnectionFlood::start(
        SocketAddr::new(IpAddr::V4(from), 0),
        relay.address(),
        SILENT_CONNECTIONS,
    )?;
    let (start, before) = (Instant::now(), relay.cpu_time()?);
    let mut latencies = Vec::new();
    let mut failures = Vec::new();
    while start.elapsed() < length {
        let begun = Instant::now();
        match request(&connector) {
            Ok(()) => latencies.push(begun.elapsed()),
            Err(error) => failures.push(error),
        }
        thread::sleep(REQUEST_INTERVAL.saturating_sub(begun.elapsed()));
    }
    let (took, cpu) = (start.elapsed(), relay.cpu_time()? - before);
    let opened = flood.stop();

    let requests = latencies.len() + failures.len();
    let in_time = latencies.iter().filter(|latency| **latency <= MAX_LATENCY).count();
    let slowest = latencies.iter().max().copied().unwrap_or_default();
    let name = format!(
        "{}, {}",
        if tls { "TLS" } else { "plain" },
        if from == CLIENT_ADDRESS {
            "flood from the same address"
        } else {
            "flood from another address"
        }
    );
    let rate = f64::from(u32::try_from(opened)?) / took.as_secs_f64();
    let cpu = cpu.as_secs_f64() / took.as_secs_f64();
    println!(
        "{name:<32}{:>10}{slowest:>10.3?}{rate:>12.0}{cpu:>12.2}",
        format!("{in_time} of {requests}")
    );
    for failure in failures.iter().take(3) {
        println!("    {failure}");
    }
    io::stdout().flush()?;
    Ok(in_time == requests && requests > 0)
}

fn relay(enclave: SocketAddr) -> Result<Process, BoxError> {
    let mut command = Command::new(binary("parent-proxy")?);
    command.args(["--listen", "127.0.0.1:0", "--upstream", &enclave.to_string()]);
    Process::spawn_announced(command.stderr(Stdio::null()))
}

/// Opens a connection and sends one request.
fn request(connector: &Connector) -> io::Result<()> {
    KeepAliveClient::new(connector.for_one_client().connect()?, 32).request().map(drop)
}
