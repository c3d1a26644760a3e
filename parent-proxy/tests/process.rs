//! The binary: its announcement, signals, exit status and log.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod fixture;

use std::fs;
use std::process::{Command as StdCommand, ExitStatus, Stdio};

use fixture::{bounded, echo, ends_without_a_byte, loopback, read_all};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use transport::{Endpoint, Listener, Stream, connect, listen};

const BINARY: &str = env!("CARGO_BIN_EXE_parent-proxy");

struct Process {
    child: Child,
    endpoint: Endpoint,
    stdout: BufReader<ChildStdout>,
    stderr: BufReader<ChildStderr>,
}

impl Process {
    /// Starts the command with its endpoints, and waits for its first line.
    async fn start(mut command: Command, upstream: &Endpoint) -> Self {
        command.args(["--listen", "127.0.0.1:0", "--upstream", &upstream.to_string()]);
        // Without health checks, the test's upstream gets only connections of clients.
        command.args(["--health-interval", "0"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).await.unwrap();
        let address = line.strip_prefix("parent-proxy listening on ").unwrap().trim_end();
        assert!(address.starts_with("127.0.0.1:"), "{line}");
        let endpoint = Endpoint::Tcp(address.to_owned());
        Self { child, endpoint, stdout, stderr }
    }

    /// Opens a connection with a request in flight. Returns the client's end and the upstream's.
    async fn send_request(&self, upstream: &Listener) -> (Stream, Stream) {
        let mut client = connect(&self.endpoint).await.unwrap();
        let mut server = upstream.accept().await.unwrap();
        client.write_u8(b'?').await.unwrap();
        assert_eq!(server.read_u8().await.unwrap(), b'?');
        (client, server)
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().unwrap();
        let sent = StdCommand::new("sh").args(["-c", &format!("kill -{name} {id}")]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits for a log line that contains `expected`.
    async fn wait_for_log_line(&mut self, expected: &str) {
        let mut line = String::new();
        while !line.contains(expected) {
            line.clear();
            assert_ne!(self.stderr.read_line(&mut line).await.unwrap(), 0, "no `{expected}`");
        }
    }

    /// Returns the exit status, and the rest of stdout and of the log.
    async fn finish(mut self) -> (ExitStatus, String, String) {
        let (mut stdout, mut stderr) = (String::new(), String::new());
        self.stdout.read_to_string(&mut stdout).await.unwrap();
        self.stderr.read_to_string(&mut stderr).await.unwrap();
        (self.child.wait().await.unwrap(), stdout, stderr)
    }
}

#[tokio::test]
async fn sigterm_completes_a_request_in_flight_and_exits_with_0() {
    bounded(async {
        let upstream = listen(&loopback()).await.unwrap();
        let mut process = Process::start(Command::new(BINARY), upstream.local_endpoint()).await;
        let (mut client, mut server) = process.send_request(&upstream).await;

        process.signal("TERM");
        process.wait_for_log_line("draining").await;
        assert!(connect(&process.endpoint).await.is_err(), "still listening");

        server.write_all(b"answer").await.unwrap();
        drop(server);
        assert_eq!(read_all(&mut client).await, b"answer");
        drop(client);
        let (status, stdout, _) = process.finish().await;
        assert!(status.success(), "{status}");
        assert_eq!(stdout, "", "more than one line on stdout");
    })
    .await;
}

#[tokio::test]
async fn second_signal_exits_at_once_with_the_signal_status() {
    bounded(async {
        for (name, code) in [("TERM", 143), ("INT", 130)] {
            let upstream = listen(&loopback()).await.unwrap();
            let mut process = Process::start(Command::new(BINARY), upstream.local_endpoint()).await;
            let (mut client, _server) = process.send_request(&upstream).await;

            process.signal(name);
            process.wait_for_log_line("draining").await;
            process.signal(name);

            let (status, ..) = process.finish().await;
            assert_eq!(status.code(), Some(code));
            assert!(ends_without_a_byte(&mut client).await);
        }
    })
    .await;
}

#[tokio::test]
async fn idle_keep_alive_client_does_not_delay_sigterm() {
    bounded(async {
        let upstream = listen(&loopback()).await.unwrap();
        // If idle connections were not closed early, the shutdown would last until the drain timeout, which
        // exceeds the time limit of the test.
        let mut command = Command::new(BINARY);
        command.args(["--drain-timeout", "600", "--idle-timeout", "600"]);
        let process = Process::start(command, upstream.local_endpoint()).await;
        let (mut client, mut server) = process.send_request(&upstream).await;
        server.write_u8(b'!').await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), b'!');

        process.signal("TERM");

        assert!(process.finish().await.0.success());
    })
    .await;
}

/// Returns the number of descriptors that each runtime of the process watches, from its epoll(7) descriptors.
fn watched_descriptors(id: u32) -> Vec<usize> {
    fs::read_dir(format!("/proc/{id}/fdinfo"))
        .unwrap()
        .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap_or_default())
        .map(|text| text.lines().filter(|line| line.starts_with("tfd:")).count())
        .filter(|count| *count > 0)
        .collect()
}

#[tokio::test]
async fn clients_are_spread_evenly_over_threads() {
    const EACH: usize = 5;
    bounded(async {
        let upstream = listen(&loopback()).await.unwrap();
        let mut command = Command::new(BINARY);
        command.args(["--threads", "3"]);
        let process = Process::start(command, upstream.local_endpoint()).await;
        let id = process.child.id().unwrap();
        let mut pairs = Vec::new();
        for _ in 0..3 * EACH {
            pairs.push(process.send_request(&upstream).await);
        }
        // A runtime watches both ends of each connection and some descriptors of its own. One runtime also
        // watches the listener.
        let watched = watched_descriptors(id);
        let few = 2 * EACH..2 * EACH + 5;
        assert!(
            watched.len() >= 3 && watched.iter().all(|count| few.contains(count)),
            "{watched:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn recovers_from_descriptor_exhaustion_without_a_log_flood() {
    bounded(async {
        let upstream = listen(&loopback()).await.unwrap();
        let endpoint = upstream.local_endpoint().clone();
        echo(upstream);
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -n 64; exec \"$@\"", "sh", BINARY]);
        let mut process = Process::start(command, &endpoint).await;
        process.wait_for_log_line("too few file descriptors").await;

        let mut clients = Vec::new();
        for _ in 0..200 {
            clients.push(connect(&process.endpoint).await.unwrap());
        }
        process.wait_for_log_line("cannot accept").await;
        drop(clients);

        // The relay may close new connections until enough descriptors are free, so the client retries.
        let mut echoed = [0];
        while echoed != [b'x'] {
            let mut client = connect(&process.endpoint).await.unwrap();
            if client.write_u8(b'x').await.is_ok() {
                let _ = client.read_exact(&mut echoed).await;
            }
        }
        process.signal("TERM");
        let (status, _, log) = process.finish().await;
        assert!(status.success(), "{status}");
        assert!(log.lines().count() < 10, "{log}");
    })
    .await;
}

#[tokio::test]
async fn logs_an_unreachable_upstream_once_and_no_payload() {
    bounded(async {
        let directory = tempfile::tempdir().unwrap();
        let unreachable = Endpoint::Unix(directory.path().join("enclave"));
        let process = Process::start(Command::new(BINARY), &unreachable).await;
        for _ in 0..20 {
            let mut client = connect(&process.endpoint).await.unwrap();
            let _ = client.write_all(b"payload").await;
            assert!(ends_without_a_byte(&mut client).await);
        }
        process.signal("TERM");
        let (status, _, log) = process.finish().await;
        assert!(status.success(), "{status}");
        assert_eq!(log.matches("upstream unreachable").count(), 1, "{log}");
        assert!(!log.contains("payload"), "{log}");
    })
    .await;
}

#[tokio::test]
async fn logs_the_vsock_port_without_a_listener() {
    bounded(async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("vsock");
        let multiplexer = tokio::net::UnixListener::bind(&path).unwrap();
        let upstream = Endpoint::VsockMux { path, port: 5000 };
        let process = Process::start(Command::new(BINARY), &upstream).await;
        let mut client = connect(&process.endpoint).await.unwrap();
        drop(multiplexer.accept().await.unwrap());
        assert!(ends_without_a_byte(&mut client).await);

        process.signal("TERM");

        let (_, _, log) = process.finish().await;
        for part in [&upstream.to_string(), "nothing listens on port 5000 in the guest"] {
            assert!(log.contains(part), "{log}");
        }
    })
    .await;
}

#[tokio::test]
async fn closed_stderr_does_not_stop_the_relay() {
    bounded(async {
        let upstream = listen(&loopback()).await.unwrap();
        let endpoint = upstream.local_endpoint().clone();
        let process = Process::start(Command::new(BINARY), &endpoint).await;
        drop(upstream);
        let Process { mut child, endpoint, stdout: _stdout, stderr } = process;
        drop(stderr);

        // The log contains the first failure and the shutdown.
        for _ in 0..2 {
            assert!(ends_without_a_byte(&mut connect(&endpoint).await.unwrap()).await);
        }
        let id = child.id().unwrap();
        let sent = StdCommand::new("sh").args(["-c", &format!("kill -TERM {id}")]).status();
        assert!(sent.unwrap().success());
        assert!(child.wait().await.unwrap().success());
    })
    .await;
}

#[test]
fn usage_error_exits_with_2_and_occupied_port_with_1() {
    let run = |arguments: &[&str]| {
        let output = StdCommand::new(BINARY).args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, text) = run(&["--listen", "127.0.0.1:0", "--upstream", "ftp://x"]);
    assert_eq!(code, Some(2));
    assert!(text.contains("unknown scheme `ftp`"), "{text}");

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, text) = run(&["--listen", &address, "--upstream", "vsock:16:5000"]);
    assert_eq!(code, Some(1));
    assert!(text.contains(&address) && text.contains("another process listens there"), "{text}");
}

#[test]
fn version_contains_the_commit() {
    let output = StdCommand::new(BINARY).arg("--version").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let stdout = String::from_utf8(output.stdout).unwrap();
    let start = format!("parent-proxy {} (commit ", env!("CARGO_PKG_VERSION"));
    assert!(stdout.starts_with(&start) && stdout.ends_with(")\n"), "{stdout}");
}
