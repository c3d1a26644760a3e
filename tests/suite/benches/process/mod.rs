//! Servers in separate processes, so that their resource usage can be measured separately.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::load::BoxError;

/// A server process that is killed on drop.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    address: SocketAddr,
}

impl Process {
    /// Starts `command`. The last word of the first line on the process's stdout is the address of
    /// the server.
    pub(crate) fn spawn_announced(command: &mut Command) -> Result<Self, BoxError> {
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().ok_or("no stdout")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let word = line.split_whitespace().next_back().unwrap_or_default();
        match word.trim_start_matches("tcp:").parse() {
            Ok(address) => Ok(Self { child, address }),
            Err(_) => {
                // The process has printed the reason to stderr.
                drop(child.kill());
                child.wait()?;
                Err(format!("{:?} printed {line:?} instead of its endpoint", command).into())
            }
        }
    }

    /// Starts `command`, and waits until it listens on `address`.
    pub(crate) fn spawn_listening(
        command: &mut Command,
        address: SocketAddr,
    ) -> Result<Self, BoxError> {
        let child = command.stdout(Stdio::null()).spawn()?;
        let mut this = Self { child, address };
        let deadline = std::time::Instant::now() + Duration::from_secs(30);
        while std::net::TcpStream::connect(address).is_err() {
            if let Some(status) = this.child.try_wait()? {
                return Err(format!("{command:?} exited: {status}").into());
            }
            if std::time::Instant::now() > deadline {
                return Err(format!("{command:?} does not listen on {address}").into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(this)
    }

    /// Returns the address that the server listens on.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the processor time of the process and its children.
    pub(crate) fn cpu_time(&self) -> Result<Duration, BoxError> {
        let mut total = Duration::ZERO;
        for id in self.process_ids()? {
            total += cpu_time(id)?;
        }
        Ok(total)
    }

    /// Returns the resident memory of the process and its children, in bytes.
    pub(crate) fn resident_bytes(&self) -> Result<u64, BoxError> {
        let mut total = 0;
        for id in self.process_ids()? {
            let status = fs::read_to_string(format!("/proc/{id}/status"))?;
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
            let kib = line
                .and_then(|line| line.trim().strip_suffix(" kB"))
                .ok_or("/proc/PID/status has no VmRSS")?;
            total += kib.trim().parse::<u64>()? * 1024;
        }
        Ok(total)
    }

    /// Returns the ID of the process and those of its children.
    fn process_ids(&self) -> Result<Vec<u32>, BoxError> {
        let id = self.child.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"))?;
        let children = children.split_whitespace().map(str::parse);
        Ok([Ok(id)].into_iter().chain(children).collect::<Result<_, _>>()?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The process may have exited already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Returns the processor time of the process with this ID, without its children.
pub(crate) fn cpu_time(id: u32) -> Result<Duration, BoxError> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
    // The name of the process is before the fields, and may contain any characters.
    let (_, fields) = stat.rsplit_once(") ").ok_or("/proc/PID/stat is malformed")?;
    let mut ticks = 0;
    for field in fields.split(' ').skip(11).take(2) {
        ticks += field.parse::<u64>()?;
    }
    // USER_HZ is 100 on all Linux architectures that matter here.
    Ok(Duration::from_millis(ticks * 10))
}

/// Returns the path of a binary that `make build` has built.
pub(crate) fn binary(name: impl AsRef<OsStr>) -> Result<PathBuf, BoxError> {
    let path =
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("release").join(name.as_ref());
    match path.is_file() {
        true => Ok(path),
        false => Err(format!("{} is missing: run `make build`", path.display()).into()),
    }
}
