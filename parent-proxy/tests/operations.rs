//! The binary in operation: readiness, reloads, socket activation, configuration sources, and log lines of
//! enclaves.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod fixture;

use std::fs;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use fixture::bounded;
use fixture::enclave::{Enclave, get, name_of};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixDatagram;
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use transport::{Endpoint, connect};

const BINARY: &str = env!("CARGO_BIN_EXE_parent-proxy");

struct Process {
    child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: BufReader<ChildStderr>,
}

impl Process {
    fn start(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Self { child, stdout, stderr }
    }

    /// Starts a process with this configuration file.
    fn with_config_file(path: &Path) -> Self {
        let mut command = Command::new(BINARY);
        command.arg("--config").arg(path);
        Self::start(command)
    }

    /// Returns the endpoint in the next line on stdout.
    async fn read_announced_endpoint(&mut self) -> Endpoint {
        let mut line = String::new();
        bounded(self.stdout.read_line(&mut line)).await.unwrap();
        line.trim_end().rsplit_once(' ').unwrap().1.parse().unwrap()
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().unwrap();
        let kill =
            std::process::Command::new("sh").args(["-c", &format!("kill -{name} {id}")]).status();
        assert!(kill.unwrap().success());
    }

    /// Waits for the next log line that contains `expected`, and returns it.
    async fn wait_for_log_line(&mut self, expected: &str) -> String {
        bounded(async {
            let mut line = String::new();
            while !line.contains(expected) {
                line.clear();
                assert_ne!(self.stderr.read_line(&mut line).await.unwrap(), 0, "no `{expected}`");
            }
            line
        })
        .await
    }

    async fn exits_with_success(mut self) {
        assert!(bounded(self.child.wait()).await.unwrap().success());
    }
}

/// Writes a configuration file in `folder`.
fn write_file(folder: &TempDir, upstreams: &[&Enclave], rest: &str) -> PathBuf {
    let path = folder.path().join("proxy.toml");
    let listed: Vec<String> =
        upstreams.iter().map(|one| format!("{:?}", one.endpoint.to_string())).collect();
    let text = format!("listen = \"127.0.0.1:0\"\nupstream = [{}]\n{rest}", listed.join(", "));
    fs::write(&path, text).unwrap();
    path
}

#[tokio::test]
async fn sighup_reloads_upstreams_and_keeps_open_connections() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (Enclave::start(&folder, b'a').await, Enclave::start(&folder, b'b').await);
    let path = write_file(&folder, &[&a], "");
    let mut process = Process::with_config_file(&path);
    let endpoint = process.read_announced_endpoint().await;
    let mut client = connect(&endpoint).await.unwrap();
    assert_eq!(bounded(name_of(&mut client)).await, Some(b'a'));

    write_file(&folder, &[&a, &b], "");
    process.signal("HUP");
    process.wait_for_log_line("upstreams reloaded").await;
    assert_eq!(bounded(name_of(&mut connect(&endpoint).await.unwrap())).await, Some(b'b'));
    assert_eq!(bounded(name_of(&mut client)).await, Some(b'a'));

    // An invalid file changes nothing.
    for (text, expected) in
        [("", "upstream is missing"), ("upstream = 1", "proxy.toml:1:12: invalid type")]
    {
        fs::write(&path, text).unwrap();
        process.signal("HUP");
        let line = process.wait_for_log_line("upstreams not reloaded").await;
        assert!(line.contains(expected), "{line}");
    }
    assert_eq!(bounded(name_of(&mut client)).await, Some(b'a'));

    write_file(&folder, &[&b], "");
    process.signal("HUP");
    process.wait_for_log_line("upstream removed").await;
    // Connections to the removed upstream end once they are idle.
    assert_eq!(bounded(client.read(&mut [0])).await.unwrap(), 0);
    for _ in 0..3 {
        assert_eq!(bounded(name_of(&mut connect(&endpoint).await.unwrap())).await, Some(b'b'));
    }
    process.signal("TERM");
    process.exits_with_success().await;
}

#[tokio::test]
async fn sighup_without_a_configuration_file_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let a = Enclave::start(&folder, b'a').await;
    let mut command = Command::new(BINARY);
    command.args(["--listen", "127.0.0.1:0", "--upstream", &a.endpoint.to_string()]);
    let mut process = Process::start(command);
    let endpoint = process.read_announced_endpoint().await;
    process.signal("HUP");
    process.wait_for_log_line("no configuration file lists the upstreams").await;
    assert_eq!(bounded(name_of(&mut connect(&endpoint).await.unwrap())).await, Some(b'a'));
}

#[tokio::test]
async fn second_signal_exits_although_the_log_sink_is_stuck() {
    let folder = tempfile::tempdir().unwrap();
    let a = Enclave::start(&folder, b'a').await;
    let log_socket = Endpoint::Unix(folder.path().join("channel"));
    let admin = Endpoint::Unix(folder.path().join("admin"));
    let settings = format!("log_listen = \"{log_socket}\"\nadmin_listen = \"{admin}\"\n");
    let mut process = Process::with_config_file(&write_file(&folder, &[&a], &settings));
    process.read_announced_endpoint().await;
    // These are more bytes than the stdout pipe holds, and the test does not read the pipe.
    let lines = format!("{}\n", "-".repeat(1023)).repeat(500);
    connect(&log_socket).await.unwrap().write_all(lines.as_bytes()).await.unwrap();
    bounded(async {
        while !get(&admin, "/metrics").await.1.contains("proxy_log_receiver_lines_total 500\n") {}
    })
    .await;
    process.signal("TERM");
    process.wait_for_log_line("draining").await;
    process.signal("TERM");
    assert_eq!(bounded(process.child.wait()).await.unwrap().code(), Some(143));
}

/// Waits for a notification with all lines of `expected`. Ignores other notifications.
async fn wait_for_notification(manager: &UnixDatagram, expected: &str) {
    bounded(async {
        let mut message = [0; 4096];
        loop {
            let length = manager.recv(&mut message).await.unwrap();
            let text = std::str::from_utf8(&message[..length]).unwrap();
            if expected.split('\n').all(|line| text.lines().any(|other| other.starts_with(line))) {
                return;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn reports_readiness_and_status_to_the_service_manager() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (Enclave::start(&folder, b'a').await, Enclave::start(&folder, b'b').await);
    b.set_ready(false);
    let path = write_file(&folder, &[&a, &b], "health_interval = 1\n");
    let socket = folder.path().join("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    let mut command = Command::new(BINARY);
    command.arg("--config").arg(&path).env("NOTIFY_SOCKET", &socket).env("WATCHDOG_USEC", "200000");
    let process = Process::start(command);
    wait_for_notification(&manager, "READY=1\nSTATUS=0 of 2 enclaves ready").await;
    wait_for_notification(&manager, "STATUS=1 of 2 enclaves ready").await;
    // The process sends this notification repeatedly.
    wait_for_notification(&manager, "WATCHDOG=1").await;
    wait_for_notification(&manager, "WATCHDOG=1").await;
    b.set_ready(true);
    wait_for_notification(&manager, "STATUS=2 of 2 enclaves ready").await;
    process.signal("HUP");
    wait_for_notification(&manager, "RELOADING=1\nMONOTONIC_USEC=").await;
    wait_for_notification(&manager, "READY=1").await;
    process.signal("TERM");
    wait_for_notification(&manager, "STOPPING=1").await;
    process.exits_with_success().await;
}

#[tokio::test]
async fn ignores_a_watchdog_interval_of_zero() {
    let folder = tempfile::tempdir().unwrap();
    let a = Enclave::start(&folder, b'a').await;
    a.set_ready(false);
    let path = write_file(&folder, &[&a], "health_interval = 1\n");
    let socket = folder.path().join("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    let mut command = Command::new(BINARY);
    command.arg("--config").arg(&path).env("NOTIFY_SOCKET", &socket).env("WATCHDOG_USEC", "0");
    let process = Process::start(command);
    wait_for_notification(&manager, "READY=1\nSTATUS=0 of 1 enclaves ready").await;
    a.set_ready(true);
    wait_for_notification(&manager, "STATUS=1 of 1 enclaves ready").await;
    process.signal("TERM");
    process.exits_with_success().await;
}

/// Starts a process as systemd does, with the socket as descriptor 3.
fn with_systemd_socket(socket: &TcpListener, upstream: &Endpoint) -> Process {
    let passed: OwnedFd = socket.try_clone().unwrap().into();
    let mut command = Command::new("sh");
    let start = "LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" \"$@\" 3<&0 </dev/null";
    command.args(["-c", start, BINARY, "--listen", "systemd", "--upstream", &upstream.to_string()]);
    command.stdin(passed);
    Process::start(command)
}

#[tokio::test]
async fn socket_of_the_service_manager_outlives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let a = Enclave::start(&folder, b'a').await;
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = Endpoint::Tcp(socket.local_addr().unwrap().to_string());
    let mut first = with_systemd_socket(&socket, &a.endpoint);
    assert_eq!(first.read_announced_endpoint().await, address);
    assert_eq!(bounded(name_of(&mut connect(&address).await.unwrap())).await, Some(b'a'));
    first.signal("TERM");
    first.exits_with_success().await;
    // No process accepts connections, but the connection is not refused. The next process serves the waiting
    // client.
    let mut waiting = connect(&address).await.unwrap();
    waiting.write_u8(b'?').await.unwrap();
    let mut second = with_systemd_socket(&socket, &a.endpoint);
    assert_eq!(second.read_announced_endpoint().await, address);
    assert_eq!(bounded(waiting.read_u8()).await.unwrap(), b'a');
}

#[tokio::test]
async fn missing_systemd_socket_error_says_what_to_do() {
    let mut command = Command::new(BINARY);
    command.args(["--listen", "systemd", "--upstream", "vsock:16:5000"]);
    let output = bounded(command.output()).await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(
        log.contains("no usable socket was inherited") && log.contains(".socket unit"),
        "{log}"
    );
}

async fn print_config(environment: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = Command::new(BINARY);
    command.envs(environment.iter().copied()).arg("--print-config").args(arguments);
    bounded(command.output()).await.unwrap()
}

#[tokio::test]
async fn option_overrides_environment_which_overrides_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("proxy.toml");
    fs::write(&path, "listen = \"a:1\"\nidle_timeout = 1\ntotal_timeout = 1\nthreads = 1\n")
        .unwrap();
    let environment = [
        ("PARENT_PROXY_CONFIG", path.to_str().unwrap()),
        ("PARENT_PROXY_UPSTREAM", "vsock:16:5000,admin=vsock:16:5002 vsock:17:5000"),
        ("PARENT_PROXY_IDLE_TIMEOUT", "2"),
        ("PARENT_PROXY_TOTAL_TIMEOUT", "2"),
        ("PARENT_PROXY_PROXY_PROTOCOL", "true"),
    ];
    let output = print_config(&environment, &["--total-timeout", "3"]).await;
    assert!(output.status.success(), "{output:?}");
    let shown = String::from_utf8(output.stdout).unwrap();
    for line in [
        "listen = \"tcp:a:1\"",
        "upstream = [\"vsock:16:5000,admin=vsock:16:5002\", \"vsock:17:5000\"]",
        "threads = 1",
        "idle_timeout = 2",
        "total_timeout = 3",
        "proxy_protocol = true",
    ] {
        assert!(shown.lines().any(|other| other == line), "{line}: {shown}");
    }
    // Each source is validated, even if another one overrides it.
    fs::write(&path, "listen = \"a:1\"\nidle_timout = 1\n").unwrap();
    let output = print_config(&environment, &[]).await;
    assert_eq!(output.status.code(), Some(2));
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.contains("proxy.toml:2:1: unknown field `idle_timout`"), "{log}");
    let output = print_config(&[("PARENT_PROXY_THREADS", "0")], &[]).await;
    assert_eq!(output.status.code(), Some(2));
}

#[tokio::test]
async fn appends_log_lines_to_the_file_or_stdout() {
    let folder = tempfile::tempdir().unwrap();
    let a = Enclave::start(&folder, b'a').await;
    let log_socket = Endpoint::Unix(folder.path().join("channel"));
    let admin = Endpoint::Unix(folder.path().join("admin"));
    let file = folder.path().join("lines");
    let settings = format!(
        "log_listen = \"{log_socket}\"\nadmin_listen = \"{admin}\"\nlog_format = \"json\"\n"
    );
    let mut process = Process::with_config_file(&write_file(&folder, &[&a], &settings));
    process.read_announced_endpoint().await;
    process.read_announced_endpoint().await;
    connect(&log_socket).await.unwrap().write_all(b"{\"one\":1}\n").await.unwrap();
    let mut line = String::new();
    bounded(process.stdout.read_line(&mut line)).await.unwrap();
    assert_eq!(line, "{\"one\":1}\n");
    let (_, text) = get(&admin, "/metrics").await;
    assert!(text.contains("\nattested_random_proxy_log_receiver_lines_total 1\n"), "{text}");
    process.signal("TERM");
    let line = process.wait_for_log_line("shutting down").await;
    assert!(line.starts_with('{') && line.contains("\"level\":\"INFO\""), "{line}");
    process.exits_with_success().await;

    let rest = format!("{settings}log_file = {file:?}\n");
    let mut process = Process::with_config_file(&write_file(&folder, &[&a], &rest));
    process.read_announced_endpoint().await;
    connect(&log_socket).await.unwrap().write_all(b"two\nthr").await.unwrap();
    bounded(async {
        while !get(&admin, "/metrics")
            .await
            .1
            .contains("log_receiver_lines_dropped_total{reason=\"truncated\"} 1\n")
        {}
    })
    .await;
    process.signal("TERM");
    process.exits_with_success().await;
    assert_eq!(fs::read_to_string(&file).unwrap(), "two\n");
}
