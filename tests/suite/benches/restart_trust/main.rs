//! Two enclaves with attested TLS behind one relay, and 20 new clients a second for a minute. One enclave is
//! killed and started again, and so has another certificate authority: clients with the old bundle lose no more
//! than its share, and the relay says why. Then both are restarted in turn as the docs have it, in standby and
//! with a new bundle: no client loses anything.

#![expect(clippy::print_stdout, reason = "it is what this is for")]

use std::fs;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use self::fleet::{Fleet, Server, Watch, duration};
use self::load::Failure;
use self::newcomers::{Bundle, Fared, RATE, come};

#[path = "../fleet/mod.rs"]
#[allow(dead_code, unused_imports, reason = "other targets use the rest")]
mod fleet;
#[path = "../load/mod.rs"]
#[allow(dead_code, reason = "other targets use the rest")]
mod load;
#[path = "../newcomers/mod.rs"]
mod newcomers;
#[path = "../process/mod.rs"]
#[allow(dead_code, reason = "other targets use the rest")]
mod process;

const ENCLAVES: usize = 2;
const TLS: &str = "[tls]\nmode = \"attested\"\nnames = [\"127.0.0.1\", \"127.0.0.2\"]\n";
/// The direct listener of each enclave: any free port, at two addresses because no two may be listed alike.
const DIRECTS: [&str; ENCLAVES] = ["127.0.0.1:0", "127.0.0.2:0"];
/// What clients with the old bundle may lose: half, as one of two enclaves is not theirs, and what chance adds.
const MOST_LOST_PERCENT: f64 = 55.0;
/// Far longer than anything that is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
const GLANCE: Duration = Duration::from_millis(50);

fn main() -> Result<ExitCode, Failure> {
    let length = duration(60)?;
    println!(
        "{RATE} new clients/s for {length:?} each time; {ENCLAVES} enclaves with attested TLS"
    );
    let good = [surprised(length)?, prepared(length)?];
    Ok(if good == [true; 2] { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A relay before enclaves, and clients' bundle.
struct Stage {
    fleet: Fleet,
    relay: Server,
    watch: Watch,
    /// Where clients connect.
    address: String,
    /// The address of each enclave's direct listener.
    directs: Vec<String>,
    bundle: Bundle,
}

impl Stage {
    fn start() -> Result<Self, Failure> {
        let fleet = Fleet::configured(ENCLAVES, TLS)?;
        let file = fleet.path("parent-proxy.toml");
        let mut command = Command::new(process::binary("parent-proxy")?);
        command.arg("--config").arg(&file).args(["--listen", "127.0.0.1:0"]);
        command.args(["--admin-listen", "127.0.0.1:0"]);
        let relay = fleet.server("parent-proxy", command, 2 + ENCLAVES);
        let (watch, bundle) = (Watch::of(""), Bundle::default());
        let (address, directs) = (String::new(), Vec::new());
        let mut this = Self { fleet, relay, watch, address, directs, bundle };
        this.write_upstreams(None)?;
        let endpoints = this.relay.start()?;
        let [clients, admin, directs @ ..] = endpoints.as_slice() else {
            return Err("no endpoints".into());
        };
        this.directs = directs.to_vec();
        this.address = clients.clone();
        this.watch = Watch::of(admin);
        for place in 0..ENCLAVES {
            this.await_ready(place)?;
        }
        this.trust_all(&this.bundle)?;
        Ok(this)
    }

    /// Lists all enclaves in the relay's file, one of them as standby.
    fn write_upstreams(&self, standby: Option<usize>) -> Result<(), Failure> {
        let listed = DIRECTS.iter().enumerate().map(|(place, direct)| {
            let option = if standby == Some(place) { ",standby" } else { "" };
            format!("{},direct={direct}{option}", self.fleet.upstream(place))
        });
        let listed: Vec<_> = listed.collect();
        Ok(fs::write(self.fleet.path("parent-proxy.toml"), format!("upstream = {listed:?}\n"))?)
    }

    /// Makes one enclave standby, or none, and waits until the relay has.
    fn list(&self, standby: Option<usize>) -> Result<(), Failure> {
        self.write_upstreams(standby)?;
        self.relay.signal(Signal::SIGHUP)?;
        for place in 0..ENCLAVES {
            let expected = f64::from(u8::from(standby == Some(place)));
            self.await_gauge("upstream_standby", place, expected)?;
        }
        Ok(())
    }

    fn await_gauge(&self, metric: &str, place: usize, expected: f64) -> Result<(), Failure> {
        let name = format!("enclave-{place}");
        let start = Instant::now();
        while self.watch.gauge(metric, &name)? != Some(expected) {
            if start.elapsed() > PATIENCE {
                return Err(format!("{metric} of {name} is never {expected}").into());
            }
            thread::sleep(GLANCE);
        }
        Ok(())
    }

    /// Waits until an enclave was found ready once more.
    fn await_ready(&self, place: usize) -> Result<(), Failure> {
        let name = format!("enclave-{place}");
        let ready = || self.watch.labelled("health_checks_total", &name, "outcome=\"ready\"");
        let (start, before) = (Instant::now(), ready()?);
        while ready()? <= before {
            if start.elapsed() > PATIENCE {
                return Err(format!("{name} is never ready").into());
            }
            thread::sleep(GLANCE);
        }
        Ok(())
    }

    fn restart(&mut self, place: usize) -> Result<(), Failure> {
        let enclave = self.fleet.enclaves.get_mut(place).ok_or("no such enclave")?;
        enclave.kill()?;
        enclave.start()?;
        Ok(())
    }

    /// Verifies each enclave at its direct listener, and gives clients a bundle of all.
    fn trust_all(&self, bundle: &Bundle) -> Result<(), Failure> {
        let out = self.fleet.path("bundle.pem");
        let mut command = Command::new(process::binary("attested-recipient")?);
        command.arg("trust").args(self.directs.iter().map(|direct| format!("https://{direct}")));
        let output = command.args(["--simulator", "--out"]).arg(&out).output()?;
        if !output.status.success() {
            return Err(format!("trust: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        bundle.replace(fs::read(&out)?);
        Ok(())
    }

    fn print(&self, what: &str, fared: &Fared) -> Result<(), Failure> {
        let Fared { asked, failed, errors } = fared;
        println!("{what}: {asked} clients, {failed} failed ({:.1} %)", fared.lost_percent());
        for (error, count) in errors {
            println!("  {count} times: {error}");
        }
        for place in 0..ENCLAVES {
            let name = format!("enclave-{place}");
            let gauge = |metric: &str| self.watch.gauge(metric, &name);
            println!(
                "  {name}: {} connections, rejected ratio {:?}, rejected {:?}, weight {:?}",
                self.watch.count("connections", &name)?,
                gauge("upstream_handshake_rejections_ratio")?,
                gauge("upstream_handshakes_rejected")?,
                gauge("upstream_weight")?,
            );
        }
        Ok(())
    }
}

/// One enclave restarts, and its clients have the old bundle.
fn surprised(length: Duration) -> Result<bool, Failure> {
    let mut stage = Stage::start()?;
    let over = AtomicBool::new(false);
    stage.restart(1)?;
    let start = Instant::now();
    let mut told = false;
    let fared = thread::scope(|scope| -> Result<Fared, Failure> {
        let clients =
            scope.spawn(|| come(&stage.address, &stage.bundle, || !over.load(Ordering::Relaxed)));
        while start.elapsed() < length {
            thread::sleep(GLANCE);
            let rejected = stage.watch.gauge("upstream_handshakes_rejected", "enclave-1");
            told |= matches!(rejected, Ok(Some(1.0)));
        }
        over.store(true, Ordering::Relaxed);
        clients.join().map_err(|_| "the clients panicked".into())
    })?;
    stage.print("old bundle", &fared)?;
    let log = stage.relay.log_lines("clients reject the TLS certificate")?;
    log.iter().for_each(|line| println!("  log: {line}"));
    let is_told_once = log.len() == 1;
    if !told || !is_told_once {
        println!("the metric says so: {told}; the log has {} lines, and not one", log.len());
    }
    Ok(fared.lost_percent() <= MOST_LOST_PERCENT && fared.asked > 0 && told && is_told_once)
}

/// Each restarts in standby, and clients get the new bundle before it gets clients.
fn prepared(length: Duration) -> Result<bool, Failure> {
    let mut stage = Stage::start()?;
    let over = AtomicBool::new(false);
    let (address, start) = (stage.address.clone(), Instant::now());
    let bundle = &std::mem::take(&mut stage.bundle);
    let fared = thread::scope(|scope| -> Result<Fared, Failure> {
        let clients = scope.spawn(|| come(&address, bundle, || !over.load(Ordering::Relaxed)));
        let rolled = roll(&mut stage, bundle, length, start);
        over.store(true, Ordering::Relaxed);
        let fared = clients.join().map_err(|_| "the clients panicked")?;
        rolled.map(|()| fared)
    })?;
    stage.print("standby, direct and a new bundle", &fared)?;
    if fared.failed > 0 {
        println!("the relay's log ends with\n{}", stage.relay.log_end()?);
    }
    Ok(fared.failed == 0 && fared.asked > 0)
}

fn roll(
    stage: &mut Stage,
    bundle: &Bundle,
    length: Duration,
    start: Instant,
) -> Result<(), Failure> {
    for place in 0..ENCLAVES {
        stage.list(Some(place))?;
        stage.await_gauge("connections_open", place, 0.0)?;
        stage.restart(place)?;
        stage.await_ready(place)?;
        stage.trust_all(bundle)?;
        stage.list(None)?;
        println!("enclave-{place} was restarted after {:.1} s", start.elapsed().as_secs_f64());
    }
    thread::sleep(length.saturating_sub(start.elapsed()));
    Ok(())
}
