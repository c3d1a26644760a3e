//! 200 requests a second of real SDK clients while relays are restarted: one on a socket that outlives it,
//! as systemd has it, and then two in turn behind HAProxy. Nobody may notice who tries again as SDKs do.

#![expect(clippy::print_stdout, reason = "it is what this is for")]

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use self::fleet::{Fleet, RATE, Server, Workers, duration};
use self::load::Failure;
use self::process::Process;

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
/// How long a relay that ends lets its clients go on, who never rest, in seconds: it is not there for new
/// ones meanwhile.
const DRAIN: &str = "3";
const GLANCE: Duration = Duration::from_millis(100);

fn main() -> Result<ExitCode, Failure> {
    let haproxy = haproxy()?;
    let length = duration(120)? / 2;
    let fleet = Fleet::start(ENCLAVES)?;
    println!("{RATE} requests/s; a relay restarted every {EVERY:?}, drained for {DRAIN} s");
    let good = [passed_on(&fleet, length)?, in_turn(&fleet, length, &haproxy)?];
    Ok(if good == [true; 2] { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The socket stays, and waits for the next relay.
fn passed_on(fleet: &Fleet, length: Duration) -> Result<bool, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    let flags = ["--drain-timeout", DRAIN, "--admin-listen", "127.0.0.1:0"];
    let mut relays = [fleet.relay_on(&listener, "passed-on", &flags)?];
    // Nothing but a relay may accept: what waits here waits for the next one.
    restart(&mut relays, &address, length, "one relay on a socket that is passed on")
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
    let good = restart(&mut relays, &address, length, "two relays behind HAProxy")?;
    drop(haproxy);
    Ok(good)
}

fn restart(
    relays: &mut [Server],
    address: &str,
    length: Duration,
    what: &str,
) -> Result<bool, Failure> {
    for relay in &mut *relays {
        relay.start()?;
    }
    let mut workers = Workers::start(&format!("http://{address}"))?;
    let (start, mut next, mut restarts, mut longest) =
        (Instant::now(), EVERY / 2, 0_usize, Duration::ZERO);
    while start.elapsed() < length {
        // Of two, the other one each time.
        let turn = restarts % relays.len();
        if start.elapsed() >= next
            && let Some(relay) = relays.get_mut(turn)
        {
            let begun = Instant::now();
            relay.terminate()?;
            relay.start()?;
            longest = longest.max(begun.elapsed());
            restarts += 1;
            next += EVERY;
        }
        workers.keep_going()?;
        thread::sleep(GLANCE);
    }
    let outcome = workers.stop()?;
    println!("{what}: {restarts} restarts, the longest {:.1} s", longest.as_secs_f64());
    outcome.print();
    let good = outcome.is_good() && restarts > 0;
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
