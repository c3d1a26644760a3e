//! Enclaves and relays as processes that can be killed, paused and restarted.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::load::BoxError;

/// Time limit for the exit of a process. It is longer than every drain timeout.
const EXIT_TIMEOUT: Duration = Duration::from_secs(40);

/// A server process and its command. The process is killed on drop.
pub(crate) struct Server {
    pub(crate) name: String,
    command: Command,
    /// The number of endpoints that the server prints at its start.
    endpoints: usize,
    child: Option<Child>,
    /// The ID of the process that replaced the first process in an upgrade. That process is not a
    /// child of this process.
    successor: Option<Pid>,
    log: PathBuf,
}

/// The resource usage of a process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResourceUsage {
    pub(crate) descriptors: u64,
    pub(crate) threads: u64,
    pub(crate) resident_kib: u64,
}

impl ResourceUsage {
    /// Returns the smaller value of each resource.
    pub(crate) fn min(&self, other: &Self) -> Self {
        Self {
            descriptors: self.descriptors.min(other.descriptors),
            threads: self.threads.min(other.threads),
            resident_kib: self.resident_kib.min(other.resident_kib),
        }
    }
}

impl Server {
    /// Creates the server of `command`, which prints `endpoints` endpoints at its start and writes
    /// its log to the file `log`.
    pub(crate) fn new(name: String, command: Command, endpoints: usize, log: PathBuf) -> Self {
        Self { name, command, endpoints, child: None, successor: None, log }
    }

    /// Starts the server, waits until it listens, and returns its endpoints.
    pub(crate) fn start(&mut self) -> Result<Vec<String>, BoxError> {
        self.spawn()?.wait_until_listening()
    }

    /// Starts the server without waiting.
    pub(crate) fn spawn(&mut self) -> Result<StartingServer, BoxError> {
        let log = OpenOptions::new().create(true).append(true).open(&self.log)?;
        let command = self.command.stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn()?;
        let stdout = child.stdout.take().ok_or("no stdout")?;
        self.child = Some(child);
        let stdout = BufReader::new(stdout);
        Ok(StartingServer { name: self.name.clone(), endpoints: self.endpoints, stdout })
    }

    fn id(&self) -> Result<u32, BoxError> {
        if let Some(successor) = self.successor {
            return Ok(successor.as_raw().try_into()?);
        }
        Ok(self.child.as_ref().ok_or_else(|| format!("{} is not running", self.name))?.id())
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<(), BoxError> {
        Ok(kill(Pid::from_raw(self.id()?.try_into()?), signal)?)
    }

    /// Upgrades a relay: the old process starts a new process. Waits until the new process serves and
    /// the old process has exited.
    ///
    /// # Errors
    /// Returns an error if the upgrade fails, for example because one of these events takes too long.
    pub(crate) fn upgrade(&mut self) -> Result<(), BoxError> {
        let (logged, old) = (fs::read_to_string(&self.log)?.len(), self.id()?);
        self.signal(Signal::SIGUSR2)?;
        let start = Instant::now();
        while self.successor.is_none_or(|successor| successor.as_raw().cast_unsigned() == old) {
            let log = fs::read_to_string(&self.log)?;
            let mut lines = log.get(logged..).unwrap_or_default().lines();
            if let Some(line) = lines.find(|line| line.contains("the successor serves")) {
                let (_, id) =
                    line.rsplit_once("successor=").ok_or("the log line has no process id")?;
                self.successor = Some(Pid::from_raw(id.trim().parse()?));
            } else if start.elapsed() > EXIT_TIMEOUT {
                return Err(format!(
                    "{} received SIGUSR2 but started no successor in time",
                    self.name
                )
                .into());
            }
            thread::sleep(Duration::from_millis(10));
        }
        if self.child.is_some() {
            return self.wait_for_exit();
        }
        while is_running(old) {
            if start.elapsed() > EXIT_TIMEOUT {
                return Err(
                    format!("{} has a successor but did not exit in time", self.name).into()
                );
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Kills the server with SIGKILL.
    pub(crate) fn kill(&mut self) -> Result<(), BoxError> {
        if let Some(successor) = self.successor.take() {
            // The process may have exited already.
            let _ = kill(successor, Signal::SIGKILL);
        }
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Sends SIGTERM and waits until the server has exited.
    pub(crate) fn terminate(&mut self) -> Result<(), BoxError> {
        self.signal(Signal::SIGTERM)?;
        self.wait_for_exit()
    }

    /// Waits until the server has exited after a signal.
    ///
    /// # Errors
    /// Returns an error if the server is not running, if its exit status is not 0, or if the exit takes
    /// too long.
    pub(crate) fn wait_for_exit(&mut self) -> Result<(), BoxError> {
        let mut child = self.child.take().ok_or("the server is not running")?;
        let start = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if start.elapsed() > EXIT_TIMEOUT {
                self.child = Some(child);
                return Err(format!("{} did not exit in time", self.name).into());
            }
            thread::sleep(Duration::from_millis(10));
        };
        match status.success() {
            true => Ok(()),
            false => Err(format!("{} exited with an error: {status}", self.name).into()),
        }
    }

    /// Returns whether the server has exited unexpectedly.
    pub(crate) fn has_exited(&mut self) -> Result<bool, BoxError> {
        Ok(match &mut self.child {
            Some(child) => child.try_wait()?.is_some(),
            None => false,
        })
    }

    pub(crate) fn resource_usage(&self) -> Result<ResourceUsage, BoxError> {
        let id = self.id()?;
        let status = fs::read_to_string(format!("/proc/{id}/status"))?;
        let value = |name: &str| -> Result<u64, BoxError> {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            let value = line.ok_or_else(|| format!("/proc/PID/status has no {name}"))?.trim();
            Ok(value.trim_end_matches(" kB").parse()?)
        };
        let descriptors = fs::read_dir(format!("/proc/{id}/fd"))?.count();
        Ok(ResourceUsage {
            descriptors: u64::try_from(descriptors)?,
            threads: value("Threads")?,
            resident_kib: value("VmRSS")?,
        })
    }

    /// Returns the lines of its log that contain `text`.
    pub(crate) fn log_lines(&self, text: &str) -> Result<Vec<String>, BoxError> {
        let log = io::read_to_string(File::open(&self.log)?)?;
        Ok(log.lines().filter(|line| line.contains(text)).map(str::to_owned).collect())
    }

    /// Returns the last lines of its log.
    pub(crate) fn log_end(&self) -> Result<String, BoxError> {
        const LINES: usize = 20;
        let log = io::read_to_string(File::open(&self.log)?)?;
        let lines: Vec<_> = log.lines().collect();
        let end = lines.len().saturating_sub(LINES);
        Ok(lines.get(end..).unwrap_or_default().join("\n"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The process may have exited already.
        drop(self.kill());
    }
}

/// Returns whether the process with this ID is running. A zombie counts as exited, because this process
/// cannot reap a process that is not its child.
fn is_running(id: u32) -> bool {
    // proc_pid_stat(5): the state follows the name, which may contain any characters.
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, fields)| !fields.starts_with(['Z', 'X']))
}

/// A started server that has not printed its endpoints yet.
pub(crate) struct StartingServer {
    name: String,
    endpoints: usize,
    stdout: BufReader<std::process::ChildStdout>,
}

impl StartingServer {
    /// Waits until the server listens, and returns its endpoints.
    pub(crate) fn wait_until_listening(mut self) -> Result<Vec<String>, BoxError> {
        let mut endpoints = Vec::new();
        while endpoints.len() < self.endpoints {
            let mut line = String::new();
            self.stdout.read_line(&mut line)?;
            match line.trim_end().split_once(" listening on ") {
                Some((_, endpoint)) => {
                    endpoints.push(endpoint.trim_start_matches("tcp:").to_owned());
                }
                None => {
                    return Err(
                        format!("{} printed {line:?} instead of its endpoint", self.name).into()
                    );
                }
            }
        }
        // After the endpoints, stdout contains the audit trail. The server would block if no
        // process read it.
        thread::spawn(move || io::copy(&mut self.stdout, &mut io::sink()));
        Ok(endpoints)
    }
}
