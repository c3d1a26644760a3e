//! The workspace's binaries as processes. Tests use processes to kill a server, to limit its
//! resources, or to test the binary itself.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) use suite::binary;

/// Time limit that only a hang reaches.
pub(crate) const HANG_TIMEOUT: Duration = Duration::from_secs(60);
/// The time between two checks of a condition for which a test waits.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// A server process. The process is killed on drop.
pub(crate) struct Process {
    child: Child,
    /// The lines of the process's log.
    log: Receiver<String>,
    /// The standard output after the endpoints. It contains the audit trail, if the server writes
    /// one.
    pub(crate) stdout: BufReader<ChildStdout>,
    /// The endpoints that the server printed at its start, in order.
    endpoints: Vec<String>,
}

impl Process {
    /// Starts `command`. Waits until the server has printed `endpoints` endpoints to its standard
    /// output.
    pub(crate) fn start(mut command: Command, endpoints: usize) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, log) = channel();
        thread::spawn(move || {
            for line in stderr.lines() {
                // The receiver may be dropped. The thread still reads the log, so that the process
                // does not block.
                drop(sender.send(line.unwrap_or_default()));
            }
        });
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut this = Self { child, log, stdout, endpoints: Vec::new() };
        for _ in 0..endpoints {
            let mut line = String::new();
            this.stdout.read_line(&mut line).unwrap();
            let Some((_, endpoint)) = line.trim_end().split_once(" listening on ") else {
                panic!(
                    "{command:?} printed {line:?} instead of its endpoint: {:?}",
                    this.remaining_log()
                );
            };
            this.endpoints.push(endpoint.to_owned());
        }
        this
    }

    /// Returns the `nth` endpoint that the server printed.
    pub(crate) fn endpoint(&self, nth: usize) -> &str {
        &self.endpoints[nth]
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, such as `TERM`, to the process.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.id().to_string();
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {id}")]).status();
        assert!(sent.unwrap().success(), "{name}");
    }

    /// Kills the process with SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until the process has exited by itself.
    pub(crate) fn wait_for_exit(&mut self) -> ExitStatus {
        wait_until("the process exits", || self.child.try_wait().unwrap())
    }

    /// Waits for a log line that contains `expected`. Returns all unread lines up to this line.
    pub(crate) fn wait_for_log(&self, expected: &str) -> Vec<String> {
        let (mut lines, deadline) = (Vec::new(), Instant::now() + HANG_TIMEOUT);
        loop {
            match self.log.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => lines.push(line),
                Err(error) => panic!("no log line contains `{expected}`: {error}: {lines:#?}"),
            }
            if lines.last().is_some_and(|line| line.contains(expected)) {
                return lines;
            }
        }
    }

    /// Returns the unread log lines that the process has written so far. If the process has exited,
    /// the list is complete.
    pub(crate) fn remaining_log(&mut self) -> Vec<String> {
        let timeout = if self.is_running() { Duration::ZERO } else { HANG_TIMEOUT };
        let mut lines = Vec::new();
        loop {
            match self.log.recv_timeout(timeout) {
                Ok(line) => lines.push(line),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return lines,
            }
        }
    }

    /// Returns the unread standard output of an exited process.
    pub(crate) fn remaining_stdout(&mut self) -> String {
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        rest
    }

    /// Returns the number of open file descriptors.
    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.id())).unwrap().count()
    }

    /// Waits until the number of open file descriptors is constant for 30 polls, and returns this
    /// number.
    pub(crate) fn stable_descriptors(&self) -> usize {
        let (mut last, mut times) = (self.descriptors(), 0);
        wait_until("the number of descriptors is stable", || {
            let now = self.descriptors();
            times = if now == last { times + 1 } else { 0 };
            last = now;
            (times == 30).then_some(now)
        })
    }

    /// Returns a value of proc_pid_status(5) in KiB, such as `VmRSS`.
    pub(crate) fn kib(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap().trim().strip_suffix(" kB").unwrap().parse().unwrap()
    }

    /// Returns the processor time that the process has used.
    pub(crate) fn cpu_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap();
        // The process name before the fields may contain spaces.
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        let ticks = fields.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().unwrap());
        // USER_HZ is 100 on every Linux platform.
        Duration::from_millis(10 * ticks.sum::<u64>())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The kill of an exited process fails, and the error is ignored.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Polls `poll_once` until it returns a value, and returns the value.
pub(crate) fn wait_until<T>(condition: &str, mut poll_once: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = poll_once() {
            return value;
        }
        assert!(start.elapsed() < HANG_TIMEOUT, "timed out waiting until {condition}");
        thread::sleep(POLL_INTERVAL);
    }
}

/// Returns a command that runs `command` in a shell after `ulimit` with the arguments `limit`.
pub(crate) fn with_ulimit(limit: &str, command: &Command) -> Command {
    let mut limited = Command::new("sh");
    limited.args(["-c", &format!("ulimit {limit} && exec \"$@\""), "sh"]);
    limited.arg(command.get_program()).args(command.get_args());
    limited
}
