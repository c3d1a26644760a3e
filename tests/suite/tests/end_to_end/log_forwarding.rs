//! Test of the log lines and audit records that two enclaves send to the relay's log file. The
//! relay is restarted during the test.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Time limit that only a hang reaches.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Number of requests to each enclave while the relay is stopped. It is far above the number of
/// records that an enclave queues.
const REQUESTS_DURING_OUTAGE: usize = 3000;

/// A child process. The process is killed on drop.
struct ChildProcess(Child);

impl ChildProcess {
    /// Starts a binary and waits until it listens.
    fn start(name: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(binary(name));
        let command = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        assert!(line.starts_with(&format!("{name} listening on ")), "{line}");
        // The process prints only the endpoint to its standard output.
        Self(process)
    }

    /// Sends SIGTERM and waits for the exit.
    fn stop(mut self) {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        assert_eq!(self.0.wait().unwrap().code(), Some(0));
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Returns a binary that `cargo test --workspace` has built.
fn binary(name: &str) -> PathBuf {
    let path = suite::binary(name);
    assert!(path.is_file(), "{} is missing: build it with cargo test --workspace", path.display());
    path
}

/// Two enclaves behind a relay, with their sockets and log file in one folder.
struct ParentInstance {
    folder: tempfile::TempDir,
    enclaves: Vec<ChildProcess>,
}

impl ParentInstance {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn endpoint(&self, name: &str) -> String {
        format!("unix:{}", self.path(name).display())
    }

    fn start_enclave(&mut self, name: &str) {
        let (listen, lines) = (self.endpoint(name), self.endpoint("lines"));
        let arguments = ["--listen", &listen, "--log-endpoint", &lines];
        self.enclaves.push(ChildProcess::start("enclave-simulator", &arguments));
    }

    fn start_proxy(&self) -> ChildProcess {
        let [a, b, lines] = ["a", "b", "lines"].map(|name| self.endpoint(name));
        let file = self.path("log").display().to_string();
        let mut arguments = vec!["--listen", "127.0.0.1:0", "--upstream", &a, "--upstream", &b];
        arguments.extend(["--log-listen", &lines, "--log-file", &file]);
        ChildProcess::start("parent-proxy", &arguments)
    }

    /// Returns all complete lines of the log file.
    fn lines(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.path("log")).unwrap_or_default();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(json).collect()
    }

    /// Waits until `condition` returns true for the lines of the log file.
    fn wait_for_lines(&self, condition: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let lines = self.lines();
            if condition(&lines) {
                return lines;
            }
            assert!(
                Instant::now() < deadline,
                "timed out with {} lines, none as expected",
                lines.len()
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends `times` requests for `bytes` bytes to an enclave.
    fn send_requests(&self, name: &str, bytes: u16, times: usize) {
        let body = format!("{{\"NumberOfBytes\":{bytes}}}");
        let request = format!(
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-amz-json-1.1\r\n\
             X-Amz-Target: TrentService.GenerateRandom\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        for batch in (0..times).collect::<Vec<_>>().chunks(100) {
            let mut stream = UnixStream::connect(self.path(name)).unwrap();
            stream.set_read_timeout(Some(TIMEOUT)).unwrap();
            stream.write_all(request.repeat(batch.len()).as_bytes()).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            let mut responses = String::new();
            stream.read_to_string(&mut responses).unwrap();
            assert_eq!(responses.matches("HTTP/1.1 200 ").count(), batch.len());
        }
    }
}

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// Counts the audit records of requests for `bytes` bytes.
fn records(lines: &[Value], bytes: u16) -> usize {
    let requests_bytes = |line: &&Value| line["requestParameters"]["numberOfBytes"] == bytes;
    lines.iter().filter(requests_bytes).count()
}

fn count_messages(lines: &[Value], message: &str) -> usize {
    lines
        .iter()
        .filter(|line| line["message"].as_str().is_some_and(|m| m.starts_with(message)))
        .count()
}

#[test]
fn relay_restart_loses_only_counted_log_lines() {
    let mut host = ParentInstance { folder: tempfile::tempdir().unwrap(), enclaves: Vec::new() };
    let proxy = host.start_proxy();
    host.start_enclave("a");
    host.start_enclave("b");
    let names = [("a", 11), ("b", 12)];
    for (name, bytes) in names {
        host.send_requests(name, bytes, 200);
    }
    // Log lines and audit records of both enclaves.
    host.wait_for_lines(|lines| {
        count_messages(lines, "simulator: ") == 2
            && count_messages(lines, "[entropy]") == 2
            && names.iter().all(|(_, bytes)| records(lines, *bytes) == 200)
    });

    drop(proxy);
    thread::scope(|scope| {
        for (name, bytes) in names {
            let host = &host;
            scope.spawn(move || host.send_requests(name, bytes, REQUESTS_DURING_OUTAGE));
        }
    });
    let _proxy = host.start_proxy();
    // For each enclave, the file contains the queued records, and then the number of dropped
    // records.
    host.wait_for_lines(|lines| {
        names.iter().all(|(_, bytes)| records(lines, *bytes) > 200 + 512)
            && count_messages(lines, "audit records dropped") >= 2
    });
    host.enclaves.drain(..).for_each(ChildProcess::stop);
    // The last report of each enclave, with the total of dropped records.
    let count_totals = |lines: &[Value]| {
        count_messages(lines, "audit records lost at shutdown")
            + count_messages(lines, "audit records were dropped while the service ran")
    };
    let lines = host.wait_for_lines(|lines| count_totals(lines) == 2);
    let dropped = lines.iter().filter(|line| count_totals(std::slice::from_ref(line)) == 1);
    let dropped: u64 = dropped.map(|line| line["dropped"].as_u64().unwrap()).sum();
    assert!(dropped > 0);
    let all = 2 * (200 + REQUESTS_DURING_OUTAGE) - usize::try_from(dropped).unwrap();
    host.wait_for_lines(|lines| {
        names.iter().map(|(_, bytes)| records(lines, *bytes)).sum::<usize>() == all
    });
}
