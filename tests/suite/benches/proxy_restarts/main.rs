//! Benchmark of `attested-recipient proxy` during restarts of enclaves. boto3 sends 100 requests per
//! second through the proxy and one relay to two enclaves with attested TLS. Each enclave is killed and
//! started again five times. No request may fail, and no client has a CA file.
//!
//! In the first run, the enclaves keep their image. In the second run, they restart with another image,
//! and the proxy accepts the measurements of both images.

#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]

use std::fs;
use std::process::{Command, ExitCode};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use simulator::image_pcrs;
use ureq::Agent;

use self::fleet::{Fleet, RelayMetrics, SdkClients, Server, Workload, configuration, duration};
use self::load::BoxError;
use self::process::binary;

#[path = "../fleet/mod.rs"]
#[allow(dead_code, unused_imports, reason = "other benchmarks use the other items")]
mod fleet;
#[path = "../load/mod.rs"]
#[allow(dead_code, reason = "other benchmarks use the other items")]
mod load;
#[path = "../process/mod.rs"]
#[allow(dead_code, reason = "other benchmarks use the other items")]
mod process;

const ENCLAVES: usize = 2;
/// Requests per second.
const RATE: u32 = 100;
/// Restarts during a run, of both enclaves in turn: one each 30 s in a run of 5 minutes.
const RESTARTS: usize = 10;
/// Number of restarts in the second run before the change of the image.
const RESTARTS_OF_OLD_IMAGE: usize = 4;
/// Maximum time between the kill and the restart of an enclave.
const MAX_DOWNTIME: Duration = Duration::from_secs(5);
const POLL_INTERVAL: Duration = Duration::from_millis(100);

const OLD: &str = "old";
const NEW: &str = "new";

fn main() -> Result<ExitCode, BoxError> {
    let length = duration(300)?;
    println!(
        "{RATE} requests/s for {length:?} each time; {RESTARTS} restarts of {ENCLAVES} enclaves"
    );
    println!("\nthe same image:");
    let same = Deployment::start(&[OLD])?.run(length, |_| OLD)?;
    println!("\nanother image from restart {}:", RESTARTS_OF_OLD_IMAGE + 1);
    let changed = Deployment::start(&[OLD, NEW])?
        .run(length, |restart| if restart < RESTARTS_OF_OLD_IMAGE { OLD } else { NEW })?;
    Ok(if same && changed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Two enclaves behind a relay, and the proxy of the clients in front of the relay.
struct Deployment {
    fleet: Fleet,
    relay: Server,
    metrics: RelayMetrics,
    signer: Server,
    proxy: Server,
    /// Address of the proxy's admin listener.
    proxy_admin: String,
    clients: SdkClients,
}

impl Deployment {
    /// Starts enclaves with the image [`OLD`], and a proxy that accepts each of `images`.
    fn start(images: &[&str]) -> Result<Self, BoxError> {
        let fleet = Fleet::start_with(ENCLAVES, &tables(OLD))?;
        let mut relay = fleet
            .relay("parent-proxy", &["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])?;
        let endpoints = relay.start()?;
        let [address, relay_admin] = &endpoints[..] else {
            return Err("the relay did not announce two endpoints".into());
        };
        let mut proxy = proxy(&fleet, address, images)?;
        let endpoints = proxy.start()?;
        let [proxy_address, proxy_admin] = &endpoints[..] else {
            return Err("the proxy did not announce two endpoints".into());
        };
        let mut signer = fleet.document_signer()?;
        let signer_endpoints = signer.start()?;
        let [signer_address] = &signer_endpoints[..] else {
            return Err("the simulator did not announce one endpoint".into());
        };
        let clients = SdkClients::start_workload(&Workload {
            url: &format!("http://{proxy_address}"),
            documents_url: &format!("http://{signer_address}"),
            boto3_rate: RATE,
            javascript_rate: 0,
        })?;
        let (metrics, proxy_admin) = (RelayMetrics::new(relay_admin), proxy_admin.clone());
        Ok(Self { fleet, relay, metrics, signer, proxy, proxy_admin, clients })
    }

    /// Kills and restarts both enclaves in turn. `image` returns the image of each restart. Returns
    /// whether no request failed.
    fn run(
        mut self,
        length: Duration,
        image: impl Fn(usize) -> &'static str,
    ) -> Result<bool, BoxError> {
        let start = Instant::now();
        let interval = length / u32::try_from(RESTARTS)?;
        for restart in 0..RESTARTS {
            let kill_at = interval * u32::try_from(restart)? + interval / 2;
            self.wait_until(start + kill_at)?;
            self.enclave(restart)?.kill()?;
            self.wait_until(start + kill_at + MAX_DOWNTIME.min(interval / 4))?;
            self.fleet.configure(&tables(image(restart)))?;
            self.enclave(restart)?.start()?;
        }
        self.wait_until(start + length)?;
        self.finish()
    }

    fn enclave(&mut self, restart: usize) -> Result<&mut Server, BoxError> {
        self.fleet.enclaves.get_mut(restart % ENCLAVES).ok_or_else(|| "no enclave".into())
    }

    fn wait_until(&mut self, end: Instant) -> Result<(), BoxError> {
        while Instant::now() < end {
            self.metrics.refresh()?;
            self.clients.check_running()?;
            thread::sleep(POLL_INTERVAL);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<bool, BoxError> {
        let outcome = self.clients.stop()?;
        for enclave in &self.fleet.enclaves {
            let recoveries = self.metrics.recoveries(&enclave.name);
            let connections = self.metrics.counter("connections", &enclave.name)?;
            println!("{}: {recoveries} recoveries, {connections} connections", enclave.name);
        }
        println!("counters of the proxy that are not zero:");
        for counter in proxy_counters(&self.proxy_admin)? {
            println!("  {counter}");
        }
        outcome.print();
        let has_exited = [&mut self.relay, &mut self.signer, &mut self.proxy]
            .map(|server| server.has_exited().unwrap_or(true));
        let passed = outcome.passed() && has_exited == [false; 3];
        if !passed {
            println!("last log lines of the proxy:\n{}", self.proxy.log_end()?);
        }
        Ok(passed)
    }
}

/// Returns the tables that configure an enclave with attested TLS and this image.
fn tables(image: &str) -> String {
    format!("image = \"{image}\"\n[tls]\nmode = \"attested\"\nnames = [\"localhost\"]\n")
}

/// Returns a proxy to the relay at `address` that accepts each of `images`.
fn proxy(fleet: &Fleet, address: &str, images: &[&str]) -> Result<Server, BoxError> {
    let mut command = Command::new(binary("attested-recipient")?);
    command.args(["proxy", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    command.args(["--upstream", &format!("https://{address}"), "--simulator"]);
    for image in images {
        let file = fleet.path(&format!("{image}.json"));
        fs::write(&file, measurements(image)?.to_string())?;
        command.arg("--any-of").arg(file);
    }
    Ok(fleet.server("proxy", command, 2))
}

/// Returns the measurements of an enclave with this image, without a running enclave.
fn measurements(image: &str) -> Result<Value, BoxError> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("enclave.toml"), configuration(&tables(image)))?;
    let mut command = Command::new(binary("attested-recipient")?);
    let output = command.arg("config-pcr").arg(folder.path()).output()?;
    let config: Value = serde_json::from_slice(&output.stdout)?;
    let [(_, pcr0), ..] = image_pcrs(image);
    Ok(json!({ "PCR0": const_hex::encode(pcr0), "PCR16": config.get("PCR16") }))
}

/// Returns the lines of the proxy's metrics with counters that are not zero.
fn proxy_counters(admin: &str) -> Result<Vec<String>, BoxError> {
    let agent: Agent = Agent::config_builder().proxy(None).build().into();
    let url = format!("http://{admin}/metrics");
    let text = agent.get(&url).call()?.body_mut().read_to_string()?;
    let is_counter = |line: &&str| {
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        name.ends_with("_total") && !line.ends_with(" 0")
    };
    Ok(text.lines().filter(is_counter).map(str::to_owned).collect())
}
