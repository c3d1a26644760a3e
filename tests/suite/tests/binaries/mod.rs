//! The binaries of this workspace as processes, where a test needs a process of its own: to kill it, to
//! give it few resources, or because the binary itself is what is tested.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) use suite::binary;

/// Far longer than anything here takes: reached only by what hangs.
pub(crate) const HANG_TIMEOUT: Duration = Duration::from_secs(60);
/// How often what is awaited is looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// A server as a process, killed if the test ends before it does.
pub(crate) struct Process {
    child: Child,
    /// The lines of its log so far, and to come.
    log: Receiver<String>,
    /// What follows its announcements; the audit trail, if it has one.
    pub(crate) stdout: BufReader<ChildStdout>,
    /// Where it says that it listens, in the order in which it does.
    endpoints: Vec<String>,
}

impl Process {
    /// Starts `command`, which announces as many endpoints on its stdout.
    pub(crate) fn start(mut command: Command, endpoints: usize) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (said, log) = channel();
        thread::spawn(move || {
            for line in stderr.lines() {
                // Who listened may have gone; the process must not wait for that.
                drop(said.send(line.unwrap_or_default()));
            }
        });
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut this = Self { child, log, stdout, endpoints: Vec::new() };
        for _ in 0..endpoints {
            let mut line = String::new();
            this.stdout.read_line(&mut line).unwrap();
            let Some((_, endpoint)) = line.trim_end().split_once(" listening on ") else {
                panic!("{command:?} does not listen: {line:?} {:?}", this.remaining_log());
            };
            this.endpoints.push(endpoint.to_owned());
        }
        this
    }

    /// Where it listens: the nth that it said.
    pub(crate) fn endpoint(&self, nth: usize) -> &str {
        &self.endpoints[nth]
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.id().to_string();
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {id}")]).status();
        assert!(sent.unwrap().success(), "{name}");
    }

    /// At once, without a word.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until it has ended by itself.
    pub(crate) fn wait_for_exit(&mut self) -> ExitStatus {
        wait_until("it ends", || self.child.try_wait().unwrap())
    }

    /// Waits for a line of its log that says so; it, and those before it.
    pub(crate) fn wait_for_log(&self, expected: &str) -> Vec<String> {
        let (mut lines, deadline) = (Vec::new(), Instant::now() + HANG_TIMEOUT);
        loop {
            match self.log.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => lines.push(line),
                Err(error) => panic!("no `{expected}`: {error}: {lines:#?}"),
            }
            if lines.last().is_some_and(|line| line.contains(expected)) {
                return lines;
            }
        }
    }

    /// What its log has said since; all there is, if it has ended.
    pub(crate) fn remaining_log(&mut self) -> Vec<String> {
        let patience = if self.is_running() { Duration::ZERO } else { HANG_TIMEOUT };
        let mut lines = Vec::new();
        loop {
            match self.log.recv_timeout(patience) {
                Ok(line) => lines.push(line),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return lines,
            }
        }
    }

    /// What its stdout still had, once it has ended.
    pub(crate) fn remaining_stdout(&mut self) -> String {
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        rest
    }

    /// File descriptors that it has open.
    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.id())).unwrap().count()
    }

    /// The same once nothing is open that was: the same number for a while.
    pub(crate) fn stable_descriptors(&self) -> usize {
        let (mut last, mut times) = (self.descriptors(), 0);
        wait_until("descriptors settle", || {
            let now = self.descriptors();
            times = if now == last { times + 1 } else { 0 };
            last = now;
            (times == 30).then_some(now)
        })
    }

    /// A line of proc_pid_status(5) in KiB, such as `VmRSS`.
    pub(crate) fn kib(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap().trim().strip_suffix(" kB").unwrap().parse().unwrap()
    }

    /// The processor time that it has used.
    pub(crate) fn cpu_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap();
        // The name before it may hold anything.
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        let ticks = fields.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().unwrap());
        // USER_HZ is 100 on every Linux that there is.
        Duration::from_millis(10 * ticks.sum::<u64>())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // What has ended by itself cannot be killed.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What `look` sees at last.
pub(crate) fn wait_until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(start.elapsed() < HANG_TIMEOUT, "never: {what}");
        thread::sleep(POLL_INTERVAL);
    }
}

/// Starts `command` by a shell, after `limit`, which is one of its `ulimit`s.
pub(crate) fn with_ulimit(limit: &str, command: &Command) -> Command {
    let mut limited = Command::new("sh");
    limited.args(["-c", &format!("ulimit {limit} && exec \"$@\""), "sh"]);
    limited.arg(command.get_program()).args(command.get_args());
    limited
}
