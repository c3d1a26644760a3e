//! An upgrade without interruption: SIGUSR2 starts a successor, which takes over all listeners.
//!
//! The successor runs the binary at the path of this process, with the same arguments and environment, and
//! reads its configuration again. Nothing changes in this process until the successor reports that it can
//! serve.

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf, absolute};
use std::process::{self, Stdio};
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;

use crate::handover::{self, NOT_READY, NamedListener, READY, TAKE_OVER};
use crate::systemd;
use crate::upgrade_predecessor::PREDECESSOR_VARIABLE;

/// Time limit until a successor can serve. This limit must be longer than the successor's own wait for health
/// checks.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// Environment variables for this process only: sd_listen_fds(3), sd_watchdog_enabled(3).
const PROCESS_VARIABLES: [&str; 4] = ["LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID", "WATCHDOG_PID"];

/// A handler of SIGUSR2 that starts a successor.
#[derive(Debug)]
pub(crate) struct Upgrader {
    requests: Signal,
    program: PathBuf,
    arguments: Vec<OsString>,
    start_timeout: Duration,
}

/// The reason for which an upgrade failed.
#[derive(Debug, Error)]
enum UpgradeError {
    #[error(
        "this is process 1, and its end would also end the successor: replace the container instead"
    )]
    FirstProcess,
    #[error("cannot start {}: {error}", .program.display())]
    Start { program: PathBuf, error: io::Error },
    #[error("cannot hand over the listeners: {0}")]
    Handover(io::Error),
    #[error("the successor ended before it was ready: {0}")]
    Ended(process::ExitStatus),
    #[error("the successor closed its standard input before it was ready: {0}")]
    Closed(io::Error),
    #[error("the successor was not ready within {} s", .0.as_secs_f64())]
    Timeout(Duration),
    #[error("the successor found no ready enclave, but this process has one")]
    NotReady,
}

impl Upgrader {
    /// Installs the handler of SIGUSR2.
    ///
    /// # Errors
    /// If the handler cannot be installed, or the path of the binary cannot be determined.
    pub(crate) fn new() -> io::Result<Self> {
        let mut arguments = env::args_os();
        let program = program_path(arguments.next().unwrap_or_default().into())?;
        let requests = signal(SignalKind::user_defined2())?;
        Ok(Self { requests, program, arguments: arguments.collect(), start_timeout: START_TIMEOUT })
    }

    /// Waits until a successor serves with `listeners`. If `is_ready` returns true, this process has a ready
    /// enclave, and the successor must also have found one. Calls `on_failure` after each failed attempt.
    pub(crate) async fn wait_for_successor(
        &mut self,
        listeners: impl Fn() -> io::Result<Vec<NamedListener>>,
        is_ready: impl Fn() -> bool,
        on_failure: impl Fn(),
    ) {
        while self.requests.recv().await.is_some() {
            tracing::info!(program = %self.program.display(), "SIGUSR2: starting the successor");
            systemd::reloading();
            let attempt = async {
                let listeners = listeners().map_err(UpgradeError::Handover)?;
                self.attempt(&listeners, &is_ready).await
            };
            match attempt.await {
                Ok(()) => return,
                Err(error) => {
                    tracing::error!(
                        "SIGUSR2: upgrade failed, this process continues to serve: {error}"
                    );
                    on_failure();
                }
            }
        }
        std::future::pending().await
    }

    /// Rejects and logs further SIGUSR2 signals while this process drains.
    pub(crate) async fn reject_requests(&mut self) {
        while self.requests.recv().await.is_some() {
            tracing::warn!("SIGUSR2 rejected: this process drains, its successor serves");
        }
    }

    /// Starts a successor and hands over to it.
    async fn attempt(
        &mut self,
        listeners: &[NamedListener],
        is_ready: impl Fn() -> bool,
    ) -> Result<(), UpgradeError> {
        if process::id() == 1 {
            return Err(UpgradeError::FirstProcess);
        }
        let mut successor = Successor::start(&self.program, &self.arguments, listeners)?;
        let ready = timeout(self.start_timeout, successor.ready());
        let reject = async {
            while self.requests.recv().await.is_some() {
                tracing::warn!("SIGUSR2 rejected: an upgrade is in progress");
            }
        };
        let has_ready_enclave = tokio::select! {
            ready = ready => ready.map_err(|_| UpgradeError::Timeout(self.start_timeout))??,
            () = reject => false,
        };
        if !has_ready_enclave && is_ready() {
            return Err(UpgradeError::NotReady);
        }
        successor.hand_over().await
    }
}

/// Returns the path of the binary, which an upgrade may have replaced. A symbolic link is not resolved,
/// because its target may change. A bare name is searched in PATH again.
fn program_path(name: PathBuf) -> io::Result<PathBuf> {
    if name.components().count() > 1 || name.is_absolute() { absolute(name) } else { Ok(name) }
}

/// A successor process. Dropping this value before the handover kills the process.
struct Successor {
    /// `None` after the handover.
    child: Option<Child>,
    socket: tokio::net::UnixStream,
}

impl Successor {
    /// Sends the listeners and starts the successor.
    fn start(
        program: &Path,
        arguments: &[OsString],
        listeners: &[NamedListener],
    ) -> Result<Self, UpgradeError> {
        let socket = |(ours, theirs): (UnixStream, UnixStream)| {
            handover::send(&ours, listeners)?;
            ours.set_nonblocking(true)?;
            Ok((tokio::net::UnixStream::from_std(ours)?, theirs))
        };
        let (socket, theirs) =
            UnixStream::pair().and_then(socket).map_err(UpgradeError::Handover)?;
        let mut command = Command::new(program);
        command.args(arguments).env(PREDECESSOR_VARIABLE, process::id().to_string());
        for name in PROCESS_VARIABLES {
            command.env_remove(name);
        }
        command.stdin(Stdio::from(OwnedFd::from(theirs)));
        let child = command
            .spawn()
            .map_err(|error| UpgradeError::Start { program: program.to_owned(), error })?;
        Ok(Self { child: Some(child), socket })
    }

    /// Waits until the successor can serve. Returns whether it found a ready enclave.
    async fn ready(&mut self) -> Result<bool, UpgradeError> {
        match self.socket.read_u8().await {
            Ok(READY) => Ok(true),
            Ok(NOT_READY) => Ok(false),
            Ok(_) => Err(UpgradeError::Closed(io::ErrorKind::InvalidData.into())),
            Err(error) => match self.child.as_mut() {
                // The successor closes its end when it exits.
                Some(child) => Err(match timeout(Duration::from_secs(1), child.wait()).await {
                    Ok(Ok(status)) => UpgradeError::Ended(status),
                    Ok(Err(error)) => UpgradeError::Closed(error),
                    Err(_) => UpgradeError::Closed(error),
                }),
                None => Err(UpgradeError::Closed(error)),
            },
        }
    }

    /// Makes the successor the main process, and lets it serve.
    async fn hand_over(mut self) -> Result<(), UpgradeError> {
        let id = self.child.as_ref().and_then(Child::id).unwrap_or_default();
        // This comes before the successor's notifications, because the service manager accepts notifications
        // from the main process only.
        systemd::set_main_pid(id);
        if let Err(error) = self.socket.write_all(&[TAKE_OVER]).await {
            systemd::set_main_pid(process::id());
            return Err(UpgradeError::Closed(error));
        }
        tracing::info!(successor = id, "the successor serves; this process drains");
        if let Some(child) = self.child.take() {
            tokio::spawn(log_exit(child));
        }
        Ok(())
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // A successor that has already exited cannot be killed.
            let _ = child.start_kill();
        }
    }
}

/// Logs the exit of a successor that ends before this process. The service manager must restart a successor
/// that fails. systemd detects such a failure by its watchdog only, because it does not become the parent of
/// the successor until this process ends.
async fn log_exit(mut child: Child) {
    match child.wait().await {
        Ok(status) if status.success() => tracing::info!("successor exited"),
        Ok(status) => tracing::error!(%status, "successor failed"),
        Err(error) => tracing::error!(%error, "cannot wait for the successor"),
    }
}

#[cfg(test)]
mod tests;
