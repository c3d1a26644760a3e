//! 4,200 silent connections from one address for a minute, each opened again as soon as it is closed, while
//! a client connects anew each second: the relay must answer it within 2 s every time. Once from another
//! address than the flood's and once from the same, without TLS and with it.

#![expect(clippy::print_stdout, reason = "it is what this is for")]

use std::fs;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use attested_recipient::Simulator;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use self::connector::{Connector, Session};
use self::fleet::duration;
use self::flooder::Flood;
use self::keep_alive::KeepAlive;
use self::load::Failure;
use self::process::{Process, binary};

#[path = "../tls/connector.rs"]
#[allow(dead_code, reason = "other targets use the rest")]
mod connector;
#[path = "../fleet/mod.rs"]
#[allow(dead_code, unused_imports, reason = "other targets use the rest")]
mod fleet;
mod flooder;
#[path = "../keep_alive/mod.rs"]
#[allow(dead_code, reason = "other targets use the rest")]
mod keep_alive;
#[path = "../load/mod.rs"]
#[allow(dead_code, reason = "other targets use the rest")]
mod load;
#[path = "../process/mod.rs"]
#[allow(dead_code, reason = "other targets use the rest")]
mod process;

const SILENT: usize = 4200;
/// Of the client that asks; the flood comes from here or from the address after it.
const HONEST: Ipv4Addr = Ipv4Addr::LOCALHOST;
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const EVERY: Duration = Duration::from_secs(1);
const LIMIT: Duration = Duration::from_secs(2);

fn main() -> Result<ExitCode, Failure> {
    let length = duration(60)?;
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    let folder = tempfile::tempdir()?;
    println!(
        "{SILENT} silent connections for {length:?}; a client connects each {EVERY:?} and is to be \
         answered within {LIMIT:?}"
    );
    println!("{:<32}{:>10}{:>10}{:>12}{:>12}", "", "answered", "slowest", "opened/s", "relay CPU");
    let mut is_good = true;
    for tls in [false, true] {
        for from in [ELSEWHERE, HONEST] {
            is_good &= measure(folder.path(), tls, from, length)?;
        }
    }
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Measures one kind of flood. Returns whether every request was answered in time.
fn measure(folder: &Path, tls: bool, from: Ipv4Addr, length: Duration) -> Result<bool, Failure> {
    let lines = if tls { "[tls]\nmode = \"attested\"\nnames = [\"localhost\"]\n" } else { "" };
    let path = folder.join("enclave.toml");
    fs::write(&path, lines)?;
    let enclave = Simulator::builder().config_file(path).start()?;
    let relay = relay(enclave.address())?;
    let connector = match enclave.certificate_authority_pem() {
        Some(pem) => Connector::tls(relay.address(), pem, Session::New)?,
        None => Connector::plain(relay.address()),
    };
    ask(&connector)?;

    let flood = Flood::start(SocketAddr::new(IpAddr::V4(from), 0), relay.address(), SILENT)?;
    let (start, before) = (Instant::now(), relay.cpu_time()?);
    let mut waits = Vec::new();
    let mut failures = Vec::new();
    while start.elapsed() < length {
        let begun = Instant::now();
        match ask(&connector) {
            Ok(()) => waits.push(begun.elapsed()),
            Err(error) => failures.push(error),
        }
        thread::sleep(EVERY.saturating_sub(begun.elapsed()));
    }
    let (took, cpu) = (start.elapsed(), relay.cpu_time()? - before);
    let opened = flood.stop();

    let asked = waits.len() + failures.len();
    let in_time = waits.iter().filter(|wait| **wait <= LIMIT).count();
    let slowest = waits.iter().max().copied().unwrap_or_default();
    let name = format!(
        "{}, {}",
        if tls { "TLS" } else { "plain" },
        if from == HONEST { "flood from the same address" } else { "flood from another" }
    );
    let rate = f64::from(u32::try_from(opened)?) / took.as_secs_f64();
    let cpu = cpu.as_secs_f64() / took.as_secs_f64();
    println!(
        "{name:<32}{:>10}{slowest:>10.3?}{rate:>12.0}{cpu:>12.2}",
        format!("{in_time} of {asked}")
    );
    for failure in failures.iter().take(3) {
        println!("    {failure}");
    }
    io::stdout().flush()?;
    Ok(in_time == asked && asked > 0)
}

fn relay(enclave: SocketAddr) -> Result<Process, Failure> {
    let mut command = Command::new(binary("parent-proxy")?);
    command.args(["--listen", "127.0.0.1:0", "--upstream", &enclave.to_string()]);
    Process::announced(command.stderr(Stdio::null()))
}

/// Connects anew and makes one request.
fn ask(connector: &Connector) -> io::Result<()> {
    KeepAlive::over(connector.for_one_client().connect()?, 32).ask().map(drop)
}
