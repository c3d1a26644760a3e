//! Tests of the restart of an enclave with attested TLS behind a relay. After a restart, an enclave
//! has a new certificate authority. Clients with the old CA bundle then fail at this enclave. With
//! the documented procedure, no client fails. The tests run the binaries. `make ca-rotation` runs a
//! longer test.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic fails the test"
)]

#[path = "../binaries/mod.rs"]
#[allow(dead_code, reason = "other tests use the other items")]
mod binaries;
#[path = "../../benches/new_tls_clients/mod.rs"]
mod new_tls_clients;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use self::binaries::{Process, binary, wait_until};
use self::new_tls_clients::{CaBundle, RequestCounts, run_clients};

const CONFIGURATION: &str = "[tls]\nmode = \"attested\"\nnames = [\"127.0.0.1\", \"127.0.0.2\"]\n";
/// The direct listener of each enclave. The relay requires distinct addresses, so the hosts differ.
const DIRECT_LISTENERS: [&str; 2] = ["127.0.0.1:0", "127.0.0.2:0"];

/// Two enclaves behind a relay, and the clients' CA bundle. The relay has a direct listener for
/// each enclave.
struct RelayAndEnclaves {
    folder: TempDir,
    enclaves: Vec<Process>,
    relay: Process,
    directs: [String; 2],
    bundle: CaBundle,
}

impl RelayAndEnclaves {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("enclave.toml"), CONFIGURATION).unwrap();
        let enclaves = (0..2).map(|index| start_enclave(&folder, index)).collect();
        write_upstreams(&folder, None);
        let mut command = Command::new(binary("parent-proxy"));
        command.arg("--config").arg(folder.path().join("proxy.toml"));
        let relay = Process::start(command, 4);
        let directs = [2, 3].map(|nth| relay.endpoint(nth).to_owned());
        let this = Self { folder, enclaves, relay, directs, bundle: CaBundle::default() };
        for index in 0..2 {
            this.await_ready(index);
        }
        this.trust_all(&this.bundle);
        this
    }

    /// Returns the relay's address for clients.
    fn address(&self) -> String {
        self.relay.endpoint(0).trim_start_matches("tcp:").to_owned()
    }

    /// Sets at most one enclave to standby, and waits until the relay has reloaded its
    /// configuration.
    fn set_standby(&self, standby: Option<usize>) {
        write_upstreams(&self.folder, standby);
        self.relay.signal("HUP");
        self.relay.wait_for_log("upstreams reloaded");
    }

    fn restart(&mut self, index: usize) {
        self.enclaves[index].kill();
        self.enclaves[index] = start_enclave(&self.folder, index);
    }

    /// Returns the value of the relay's metric whose labels name the enclave and contain `more`.
    fn metric(&self, name: &str, index: usize, more: &str) -> Option<f64> {
        let address = self.relay.endpoint(1).trim_start_matches("tcp:");
        let mut response = ureq::get(format!("http://{address}/metrics")).call().unwrap();
        let text = response.body_mut().read_to_string().unwrap();
        let name = format!("attested_random_proxy_{name}{{");
        let of = |line: &&str| {
            line.starts_with(&name)
                && line.contains(&format!("enclave-{index}\""))
                && line.contains(more)
        };
        text.lines().find(of).map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap())
    }

    /// Waits for the next successful health check of an enclave.
    fn await_ready(&self, index: usize) {
        let ready = || self.metric("health_checks_total", index, "outcome=\"ready\"").unwrap();
        let before = ready();
        wait_until("the enclave is ready", || (ready() > before).then_some(()));
    }

    /// Verifies each enclave at its direct listener, and updates the clients' bundle.
    fn trust_all(&self, bundle: &CaBundle) {
        let out = self.folder.path().join("bundle.pem");
        let mut command = suite::command();
        let url = |direct: &String| format!("https://{}", direct.trim_start_matches("tcp:"));
        command.arg("trust").args(self.directs.iter().map(url));
        let output = command.args(["--simulator", "--out"]).arg(&out).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        bundle.replace(fs::read(&out).unwrap());
    }
}

fn path(folder: &TempDir, name: &str) -> PathBuf {
    folder.path().join(name)
}

fn start_enclave(folder: &TempDir, index: usize) -> Process {
    let at = |name: &str| format!("unix:{}", path(folder, name).display());
    let mut command = Command::new(binary("enclave-simulator"));
    command.args(["--listen", &at(&format!("enclave-{index}"))]);
    command.args(["--admin-listen", &at(&format!("admin-{index}"))]);
    command.arg("--simulator-state").arg(path(folder, "root"));
    command.arg("--config").arg(path(folder, "enclave.toml"));
    Process::start(command, 2)
}

fn write_upstreams(folder: &TempDir, standby: Option<usize>) {
    let at = |name: &str| format!("unix:{}", path(folder, name).display());
    let listed = [0, 1].map(|index| {
        let (enclave, admin) = (at(&format!("enclave-{index}")), at(&format!("admin-{index}")));
        let option = if standby == Some(index) { ",standby" } else { "" };
        format!("{enclave},admin={admin},direct={}{option}", DIRECT_LISTENERS[index])
    });
    let text = format!(
        "listen = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\nhealth_interval = 1\nupstream = {listed:?}\n"
    );
    fs::write(path(folder, "proxy.toml"), text).unwrap();
}

/// Runs `meanwhile`. New clients send requests until it returns.
fn with_clients(address: &str, bundle: &CaBundle, meanwhile: impl FnOnce()) -> RequestCounts {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let clients =
            scope.spawn(|| run_clients(address, bundle, || !over.load(Ordering::Relaxed)));
        // A panic in `meanwhile` must also stop the clients. Otherwise the scope would wait for
        // them forever.
        let ended = catch_unwind(AssertUnwindSafe(meanwhile));
        over.store(true, Ordering::Relaxed);
        let counts = clients.join().unwrap();
        ended.map(|()| counts).unwrap_or_else(|failure| resume_unwind(failure))
    })
}

#[test]
fn old_bundle_fails_at_most_half_of_the_clients() {
    let mut deployment = RelayAndEnclaves::start();
    deployment.restart(1);
    let start = Instant::now();
    let counts = with_clients(&deployment.address(), &deployment.bundle, || {
        let rejected = || deployment.metric("upstream_handshakes_rejected", 1, "");
        wait_until("the relay counts the rejected handshake", || {
            (rejected() == Some(1.0)).then_some(())
        });
        thread::sleep(Duration::from_secs(4).saturating_sub(start.elapsed()));
    });
    assert!(counts.failed > 0 && counts.failed_percent() <= 55.0, "{counts:?}");
    assert!(counts.errors.keys().all(|error| error.contains("UnknownIssuer")), "{counts:?}");
    assert!(deployment.metric("upstream_weight", 1, "").unwrap() < 1.0);
    assert_eq!(deployment.metric("upstream_weight", 0, ""), Some(1.0));
    assert_eq!(deployment.metric("upstream_healthy", 1, ""), Some(1.0));
    let lines = deployment.relay.wait_for_log("clients reject the TLS certificate");
    assert!(lines.last().unwrap().contains("enclave-1"), "{lines:?}");
    let relay_log = deployment.relay.remaining_log();
    assert!(!relay_log.iter().any(|line| line.contains("clients reject")), "{relay_log:?}");
}

#[test]
fn standby_and_new_bundle_lose_no_client() {
    let mut deployment = RelayAndEnclaves::start();
    let (address, bundle) = (deployment.address(), std::mem::take(&mut deployment.bundle));
    let counts = with_clients(&address, &bundle, || {
        deployment.set_standby(Some(1));
        let open = || deployment.metric("connections_open", 1, "");
        wait_until("the enclave has no clients", || (open() == Some(0.0)).then_some(()));
        deployment.restart(1);
        deployment.await_ready(1);
        deployment.trust_all(&bundle);
        let before = deployment.metric("connections_total", 1, "").unwrap();
        deployment.set_standby(None);
        let connections = || deployment.metric("connections_total", 1, "").unwrap();
        wait_until("the enclave has clients again", || {
            (connections() > before + 10.0).then_some(())
        });
    });
    assert!(counts.requests > 0 && counts.failed == 0, "{counts:?}");
}
