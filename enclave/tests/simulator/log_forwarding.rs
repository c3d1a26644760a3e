//! The log and audit records sent to a receiver that disconnects and comes back.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::process::Simulator;
use super::{TIMEOUT, send_thousands_of_requests};

/// The log messages at shutdown if audit records were lost: because they were not written in time, or before.
const RECORDS_LOST: [&str; 2] =
    ["audit records lost at shutdown", "audit records were dropped while the service ran"];

/// A receiver of log lines.
struct LogReceiver {
    listener: UnixListener,
    streams: Vec<UnixStream>,
    readers: Vec<JoinHandle<()>>,
    sender: Sender<Value>,
}

impl LogReceiver {
    fn bind(path: &Path, sender: &Sender<Value>) -> Self {
        drop(fs::remove_file(path));
        let listener = UnixListener::bind(path).unwrap();
        listener.set_nonblocking(true).unwrap();
        Self { listener, streams: Vec::new(), readers: Vec::new(), sender: sender.clone() }
    }

    /// Accepts the next connection, and reads its lines, which must be JSON.
    fn accept(&mut self) {
        let deadline = Instant::now() + TIMEOUT;
        let stream = loop {
            match self.listener.accept() {
                Err(error)
                    if error.kind() == ErrorKind::WouldBlock && Instant::now() < deadline =>
                {
                    thread::sleep(Duration::from_millis(1));
                }
                accepted => break accepted.unwrap().0,
            }
        };
        stream.set_nonblocking(false).unwrap();
        self.streams.push(stream.try_clone().unwrap());
        let sender = self.sender.clone();
        self.readers.push(thread::spawn(move || {
            for line in BufReader::new(stream).lines() {
                let line = line.unwrap();
                sender.send(serde_json::from_str(&line).expect(&line)).unwrap();
            }
        }));
    }

    /// Reads until the sender has closed all connections.
    fn finish(self) {
        self.readers.into_iter().for_each(|reader| reader.join().unwrap());
    }

    fn close(self) {
        drop(self.listener);
        for (stream, reader) in self.streams.into_iter().zip(self.readers) {
            stream.shutdown(Shutdown::Both).unwrap();
            reader.join().unwrap();
        }
    }
}

/// Returns all lines up to the first for which `is_last` holds.
fn lines_until(lines: &Receiver<Value>, is_last: impl Fn(&Value) -> bool) -> Vec<Value> {
    let deadline = Instant::now() + TIMEOUT;
    let mut all = Vec::new();
    while all.last().is_none_or(|line| !is_last(line)) {
        let left = deadline.saturating_duration_since(Instant::now());
        match lines.recv_timeout(left) {
            Ok(line) => all.push(line),
            Err(error) => {
                all.retain(|line| !is_record(line));
                panic!("{error}: {all:?}");
            }
        }
    }
    all
}

fn is_record(line: &Value) -> bool {
    line["eventID"].is_string()
}

fn socket() -> (tempfile::TempDir, PathBuf, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lines");
    let endpoint = format!("unix:{}", path.display());
    (folder, path, endpoint)
}

#[test]
fn reconnects_to_the_log_endpoint_and_counts_lost_records() {
    let (_folder, path, endpoint) = socket();
    let (sender, lines) = mpsc::channel();
    let mut receiver = LogReceiver::bind(&path, &sender);
    let arguments = ["--log-endpoint", &endpoint, "--log-level", "debug"];
    let mut simulator = Simulator::start_with_log("127.0.0.1:0", &arguments, Stdio::piped());
    receiver.accept();
    lines_until(&lines, |line| line["message"] == "[entropy]" && line["prefetch"] == 64);
    simulator.generate_random(r#"{"NumberOfBytes":1}"#);
    receiver.accept();
    lines_until(&lines, is_record);
    receiver.close();

    // The number of lines is far above the capacity of the queues.
    send_thousands_of_requests(&simulator);
    let mut receiver = LogReceiver::bind(&path, &sender);
    receiver.accept();
    receiver.accept();
    // The queued lines arrive first.
    let is_answered = |line: &Value| line["requestParameters"]["numberOfBytes"] == 2;
    let (mut all, mut count) = (Vec::new(), 4000);
    while !all.iter().any(is_answered) {
        assert!(count < 4000 + 3000, "no record of a request after the reconnect");
        simulator.generate_random(r#"{"NumberOfBytes":2}"#);
        count += 1;
        all.extend(lines.recv_timeout(TIMEOUT));
        all.extend(lines.try_iter());
    }
    assert_eq!(simulator.end(), Some(0));
    receiver.finish();
    all.extend(lines.try_iter());
    let lost =
        all.iter().find(|line| RECORDS_LOST.iter().any(|text| line["message"] == *text)).unwrap();
    let dropped = lost["dropped"].as_u64().unwrap();
    let taken = all.iter().filter(|line| is_record(line)).count();
    assert_eq!(taken + usize::try_from(dropped).unwrap(), count, "{dropped} dropped");
    assert!(dropped > 2000);
    let noted = |line: &Value| {
        line["message"].as_str().is_some_and(|text| text.contains(" log lines were dropped"))
    };
    assert!(all.iter().any(noted));
    // stdout is empty, and stderr only reports that the endpoint was unreachable.
    let (mut stdout, mut stderr) = (String::new(), String::new());
    simulator.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    simulator.process.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(stdout, "");
    let [line] = stderr.lines().collect::<Vec<_>>()[..] else { panic!("{stderr}") };
    assert!(line.starts_with(&format!("cannot send log lines to {endpoint}: ")), "{line}");
}

#[test]
fn unreachable_log_endpoint_delays_no_exit() {
    let (folder, _, endpoint) = socket();
    let simulator =
        Simulator::start_with_log("127.0.0.1:0", &["--log-endpoint", &endpoint], Stdio::null());
    simulator.generate_random(r#"{"NumberOfBytes":1}"#);
    let before = Instant::now();
    assert_eq!(simulator.terminate(), Some(0));
    assert!(before.elapsed().as_secs() < 8, "{:?}", before.elapsed());

    let config = folder.path().join("enclave.toml");
    fs::write(&config, "[auth]\nmode = \"sigv4\"\n").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_enclave-simulator"))
        .args(["--listen", "127.0.0.1:0", "--log-endpoint", &endpoint, "--config"])
        .arg(&config)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    let reason = "enclave-simulator stops: ";
    assert!(
        stderr.lines().any(|line| line.starts_with(reason) && line.contains("[auth] region")),
        "{stderr}"
    );
}
