//! 200 requests a second of real SDK clients while relays are replaced: one on a socket that outlives it, as
//! systemd has it, by an upgrade and by a restart, and then two in turn behind HAProxy. Nobody may notice who
//! tries again as SDKs do. New clients tell how long they wait for their first answer; during an upgrade that
//! has a bound.

#![expect(clippy::print_stdout, reason = "it is what this is for")]

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use self::fleet::{Fleet, RATE, Server, Workers, duration};
use self::load::Failure;
use self::newcomers::Newcomers;
use self::process::Process;

mod newcomers;

#[path = "../fleet/mod.rs"]
#[allow(dead_code, unused_imports, reason = "other targets use the rest")]
mod fleet;
#[path = "../load/mod.rs"]
#[allow(dead_code, reason = "other targets use the rest")]
mod load;
#[path = "../process/mod.rs"]
#[allow(dead_code, reason = "other targets use the rest")]
mod process;

const ENCLAVES: usize = 3;
const EVERY: Duration = Duration::from_secs(10);
/// How long a relay that ends lets its clients go on, who never rest, in seconds: where it is restarted it
/// is not there for new ones meanwhile.
const DRAIN: &str = "3";
const GLANCE: Duration = Duration::from_millis(100);

/// The longest that a new client may wait for its first answer during an upgrade.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

fn main() -> Result<ExitCode, Failure> {
    let haproxy = haproxy()?;
    let length = duration(120)? / 3;
    let fleet = Fleet::start(ENCLAVES)?;
    println!("{RATE} requests/s; a relay replaced every {EVERY:?}, drained for {DRAIN} s");
    let good =
        [upgraded(&fleet, length)?, passed_on(&fleet, length)?, in_turn(&fleet, length, &haproxy)?];
    Ok(if good == [true; 3] { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The next relay is there before the last one drains.
fn upgraded(fleet: &Fleet, length: Duration) -> Result<bool, Failure> {
    let what = "one relay that is upgraded by SIGUSR2";
    on_a_socket(fleet, "upgraded", |relays, address| {
        replace(relays, address, length, what, Some(LONGEST_WAIT), Server::upgrade)
    })
}

/// The socket stays, and waits for the next relay.
fn passed_on(fleet: &Fleet, length: Duration) -> Result<bool, Failure> {
    let what = "one relay that is restarted on a socket that is passed on";
    on_a_socket(fleet, "passed-on", |relays, address| {
        replace(relays, address, length, what, None, restart)
    })
}

fn on_a_socket(
    fleet: &Fleet,
    name: &str,
    replace: impl FnOnce(&mut [Server], &str) -> Result<bool, Failure>,
) -> Result<bool, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    let flags = ["--drain-timeout", DRAIN, "--admin-listen", "127.0.0.1:0"];
    // Nothing but a relay may accept: what waits here waits for the next one.
    replace(&mut [fleet.relay_on(&listener, name, &flags)?], &address)
}

/// HAProxy sends new clients to the other one.
fn in_turn(fleet: &Fleet, length: Duration, haproxy: &Path) -> Result<bool, Failure> {
    let mut text = "defaults\n mode tcp\n retries 3\n option redispatch\n timeout connect 5s\n \
                    timeout client 1h\n timeout server 1h\nlisten relays\n balance leastconn\n \
                    option httpchk GET /readyz\n"
        .to_owned();
    let mut relays = Vec::new();
    for name in ["first", "second"] {
        let [clients, admin] = [free()?, free()?];
        let port = admin.rsplit(':').next().unwrap_or_default();
        text.push_str(&format!(
            " server {name} {clients} check port {port} inter 500 fall 1 rise 1\n"
        ));
        let flags = ["--listen", &clients, "--admin-listen", &admin, "--drain-timeout", DRAIN];
        relays.push(fleet.relay(name, &flags)?);
    }
    let address = free()?;
    text.push_str(&format!(" bind {address}\n"));
    let file = fleet.path("haproxy.cfg");
    fs::write(&file, text)?;
    let mut command = Command::new(haproxy);
    command.args(["-db", "-f"]).arg(&file).stderr(Stdio::null());
    // Its checks take both for ready until they have looked.
    let haproxy = Process::listening(&mut command, address.parse()?)?;
    let good = replace(&mut relays, &address, length, "two relays behind HAProxy", None, restart)?;
    drop(haproxy);
    Ok(good)
}

fn restart(relay: &mut Server) -> Result<(), Failure> {
    relay.terminate()?;
    relay.start().map(drop)
}

fn replace(
    relays: &mut [Server],
    address: &str,
    length: Duration,
    what: &str,
    bound: Option<Duration>,
    replace: impl Fn(&mut Server) -> Result<(), Failure>,
) -> Result<bool, Failure> {
    for relay in &mut *relays {
        relay.start()?;
    }
    let newcomers = Newcomers::start(address);
    let mut workers = Workers::start(&format!("http://{address}"))?;
    let (start, mut next, mut times, mut longest) =
        (Instant::now(), EVERY / 2, 0_usize, Duration::ZERO);
    while start.elapsed() < length {
        // Of two, the other one each time.
        let turn = times % relays.len();
        if start.elapsed() >= next
            && let Some(relay) = relays.get_mut(turn)
        {
            let begun = Instant::now();
            replace(relay)?;
            longest = longest.max(begun.elapsed());
            times += 1;
            next += EVERY;
        }
        workers.keep_going()?;
        thread::sleep(GLANCE);
    }
    let (outcome, waits) = (workers.stop()?, newcomers.stop()?);
    println!("{what}: {times} times, the longest {:.1} s", longest.as_secs_f64());
    outcome.print();
    waits.print();
    let good = outcome.is_good() && times > 0 && waits.are_good(bound);
    if !good {
        for relay in relays {
            println!("the log of {} ends with\n{}", relay.name, relay.log_end()?);
        }
    }
    Ok(good)
}

/// Where nobody listens yet.
fn free() -> Result<String, Failure> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

/// Debian has it in a folder that not everybody looks into.
fn haproxy() -> Result<std::path::PathBuf, Failure> {
    let path = Path::new("/usr/sbin/haproxy");
    let path = if path.exists() { path } else { Path::new("haproxy") };
    match Command::new(path).arg("-v").output() {
        Ok(_) => Ok(path.to_owned()),
        Err(_) => Err("haproxy is missing: apt-get install haproxy".into()),
    }
}
