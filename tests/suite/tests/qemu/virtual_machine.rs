//! An enclave in QEMU's machine `nitro-enclave`, and the parent's end of the enclave's vsock. All
//! processes end when the value is dropped.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use transport::HEARTBEAT_PORT;

use crate::relay::Relay;

/// Time limit for a boot. A boot on two busy cores takes far less time.
pub(crate) const BOOT_TIMEOUT: Duration = Duration::from_secs(240);

/// The role and instance id that QEMU measures as the parent's.
pub(crate) const PARENT_ROLE: &str = "arn:aws:iam::123456789012:role/parent";
pub(crate) const PARENT_ID: &str = "i-0123456789abcdef0";

/// The last line that the service prints when it starts.
const LISTENING: &str = "enclave listening on vsock:4294967295:5000";

/// The log of the relays, which is printed after a failed check.
const RELAYS_LOG: &str = "relays.log";

/// The settings of a boot.
pub(crate) struct Boot<'a> {
    pub(crate) image: &'a Path,
    /// The configuration archive that the relay serves, if any.
    pub(crate) config: Option<&'a Path>,
    /// Additional kernel arguments. QEMU does not measure them.
    pub(crate) append: &'a str,
    /// A library to preload into QEMU.
    pub(crate) preload: Option<&'a Path>,
    /// The egress routes: ports of the parent, and the address to which each port is relayed.
    pub(crate) out: &'a [(u32, SocketAddr)],
}

impl<'a> Boot<'a> {
    /// Creates a boot of an image without further settings.
    pub(crate) fn new(image: &'a Path) -> Self {
        Self { image, config: None, append: "", preload: None, out: &[] }
    }
}

/// A running enclave with relays in front of it.
pub(crate) struct VirtualMachine {
    /// The folder of all sockets. Its path is short, because socket paths are limited to 107 bytes.
    folder: TempDir,
    console: Arc<Console>,
    heartbeat: mpsc::Receiver<u8>,
    /// The relays to the service and to the admin listener.
    relays: Option<[Relay; 2]>,
    _out: Vec<Relay>,
    qemu: Process,
    _vsock: Process,
}

/// A process that is killed on drop.
pub(crate) struct Process(pub(crate) Child);

impl Drop for Process {
    fn drop(&mut self) {
        // The process may have exited already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Boot<'_> {
    /// Boots the enclave and waits until the service listens.
    pub(crate) fn boot_to_service(&self) -> VirtualMachine {
        let machine = self.start();
        machine.console.wait_for(LISTENING);
        assert_eq!(
            machine.heartbeat.try_recv(),
            Ok(0xb7),
            "expected one heartbeat before the service starts"
        );
        machine
    }

    /// Boots the enclave, waits until the machine stops, and returns the console.
    pub(crate) fn boot_to_end(&self) -> String {
        let machine = self.start();
        machine.console.wait_for_end()
    }

    fn start(&self) -> VirtualMachine {
        let folder = tempfile::Builder::new().prefix("eif").tempdir_in("/tmp").unwrap();
        let vsock = folder.path().join("v");
        let heartbeat = answer_heartbeats(&vsock);
        let relays = Some(self.relays(&vsock));
        let out = self.egress_relays(&vsock);
        let host = folder.path().join("h");
        let guest = Process(
            Command::new(setting("QEMU").join("bin/vhost-device-vsock"))
                .args(["--guest-cid", "16", "--socket"])
                .arg(&host)
                .arg("--uds-path")
                .arg(&vsock)
                .stdout(Stdio::null())
                // The process logs an error when QEMU exits, so its log is not printed.
                .stderr(Stdio::null())
                .spawn()
                .unwrap(),
        );
        wait_until("vhost-device-vsock listens", || host.exists());
        let (qemu, console) = self.qemu(&host);
        VirtualMachine { folder, console, heartbeat, relays, _out: out, qemu, _vsock: guest }
    }

    fn relays(&self, vsock: &Path) -> [Relay; 2] {
        let to = |port: u32| relay("127.0.0.1:0", &mux(vsock, port), vsock);
        let mut service = to(5000);
        if let Some(archive) = self.config {
            service.arg("--config-archive").arg(archive);
            service.args(["--config-listen", &mux(vsock, 5001)]);
        }
        [service, to(5002)].map(Relay::start)
    }

    fn egress_relays(&self, vsock: &Path) -> Vec<Relay> {
        let out = self.out.iter();
        out.map(|(port, host)| Relay::start(relay(&mux(vsock, *port), &host.to_string(), vsock)))
            .collect()
    }

    fn qemu(&self, host: &Path) -> (Process, Arc<Console>) {
        let share = setting("QEMU").join("share");
        let mut command = Command::new(setting("QEMU").join("bin/qemu-system-x86_64"));
        let machine = format!(
            "nitro-enclave,vsock=v,id=qemu-test,parent-role={PARENT_ROLE},parent-id={PARENT_ID},\
             acpi=on"
        );
        let chardev = format!("socket,id=v,path={}", host.display());
        // The guest uses the TSC of the host, and the kernel cannot calibrate this TSC. Under load,
        // the kernel would mark the TSC as unstable.
        let append = format!(
            "tsc_early_khz={} tsc=reliable clocksource=tsc parent_cid=2 {}",
            tsc_khz(),
            self.append
        );
        command
            .args(["-M", &machine, "-accel", "tcg", "-cpu", "max", "-m", "512M", "-smp", "2"])
            .args(["-chardev", &chardev, "-append", &append, "-kernel"])
            .arg(self.image)
            .args(["-display", "none", "-monitor", "none", "-serial", "stdio", "-no-reboot"])
            .arg("-L")
            .arg(share.join("qemu"))
            .arg("-L")
            .arg(share.join("seabios"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        if let Some(library) = self.preload {
            command.env("LD_PRELOAD", library);
        }
        let mut process = Process(command.spawn().unwrap());
        let console = Console::capture(process.0.stdout.take().unwrap());
        (process, console)
    }
}

/// Returns the endpoint of a vsock port, of the guest or of the host.
fn mux(vsock: &Path, port: u32) -> String {
    format!("vsock-mux:{}:{port}", vsock.display())
}

fn relay(listen: &str, upstream: &str, vsock: &Path) -> Command {
    let log = vsock.with_file_name(RELAYS_LOG);
    let log = File::options().create(true).append(true).open(log).unwrap();
    let mut command = Command::new(setting("PROXY"));
    command.args(["--listen", listen, "--upstream", upstream]).stderr(log);
    command
}

impl VirtualMachine {
    /// Returns the relay to the service.
    pub(crate) fn service(&self) -> &Relay {
        &self.relays.as_ref().unwrap()[0]
    }

    /// Returns the relay to the admin listener.
    pub(crate) fn admin(&self) -> &Relay {
        &self.relays.as_ref().unwrap()[1]
    }

    /// Returns the console output so far.
    pub(crate) fn console(&self) -> String {
        self.console.text()
    }

    /// Waits until the console contains `expected`, and returns its output.
    pub(crate) fn wait_for_console(&self, expected: &str) -> String {
        self.console.wait_for(expected)
    }
}

impl Drop for VirtualMachine {
    fn drop(&mut self) {
        // The relays are dropped first, so that they do not connect to a stopped enclave.
        self.relays.take();
        let _ = self.qemu.0.kill();
        if thread::panicking() {
            let log = fs::read(self.folder.path().join(RELAYS_LOG)).unwrap_or_default();
            let _ = io::stderr().write_all(&log);
        }
    }
}

/// The output of a console, and whether it has ended.
struct Console {
    shown: Mutex<(String, bool)>,
    more: Condvar,
}

impl Console {
    fn capture(mut output: impl Read + Send + 'static) -> Arc<Self> {
        let console =
            Arc::new(Self { shown: Mutex::new((String::new(), false)), more: Condvar::new() });
        let shown = Arc::clone(&console);
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            loop {
                let length = output.read(&mut bytes).unwrap_or(0);
                let mut state = shown.shown.lock().unwrap();
                state.0 += &String::from_utf8_lossy(&bytes[..length]);
                state.1 = length == 0;
                shown.more.notify_all();
                if length == 0 {
                    return;
                }
            }
        });
        console
    }

    fn text(&self) -> String {
        self.shown.lock().unwrap().0.clone()
    }

    fn wait_for(&self, expected: &str) -> String {
        let shown = self.wait(|text, _| text.contains(expected));
        assert!(shown.contains(expected), "the console does not show {expected:?}:\n{shown}");
        shown
    }

    fn wait_for_end(&self) -> String {
        let shown = self.wait(|_, ended| ended);
        assert!(self.shown.lock().unwrap().1, "the machine has not stopped:\n{shown}");
        shown
    }

    /// Waits until `done` returns true, the output ends, or the time limit expires.
    fn wait(&self, done: impl Fn(&str, bool) -> bool) -> String {
        let state = self.shown.lock().unwrap();
        let waiting = self.more.wait_timeout_while(state, BOOT_TIMEOUT, |(text, ended)| {
            !done(text, *ended) && !*ended
        });
        waiting.unwrap().0.0.clone()
    }
}

/// Replies to heartbeats as nitro-cli does while an enclave boots.
fn answer_heartbeats(vsock: &Path) -> mpsc::Receiver<u8> {
    let mut path = vsock.as_os_str().to_owned();
    path.push(format!("_{HEARTBEAT_PORT}"));
    let listener = UnixListener::bind(PathBuf::from(path)).unwrap();
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut heartbeat = [0];
            if stream.read_exact(&mut heartbeat).is_err() {
                continue;
            }
            stream.write_all(&heartbeat).unwrap();
            if sender.send(heartbeat[0]).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Waits for a condition that another process causes.
fn wait_until(description: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < BOOT_TIMEOUT, "timed out waiting until {description}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Returns the frequency of this processor's TSC in kHz, from the kernel.
fn tsc_khz() -> u64 {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap();
    let line = cpuinfo.lines().find(|line| line.starts_with("cpu MHz")).unwrap();
    let mhz: f64 = line.rsplit(':').next().unwrap().trim().parse().unwrap();
    format!("{:.0}", mhz * 1000.0).parse().unwrap()
}

/// Returns a path from an environment variable that `make qemu-test` sets.
pub(crate) fn setting(name: &str) -> PathBuf {
    std::env::var_os(name)
        .map(PathBuf::from)
        .unwrap_or_else(|| panic!("the variable {name} is not set: run make qemu-test"))
}
