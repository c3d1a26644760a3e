//! Children that nobody waits for: whose parent has ended belongs to the first process.

use std::io;

use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use tokio::signal::unix::{SignalKind, signal};

/// Reaps them as long as the runtime lives.
pub(super) fn start() -> io::Result<()> {
    let mut ended = signal(SignalKind::child())?;
    tokio::spawn(async move {
        loop {
            // One signal may stand for several.
            while let Ok(status) = waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG)) {
                if status == WaitStatus::StillAlive {
                    break;
                }
            }
            if ended.recv().await.is_none() {
                return;
            }
        }
    });
    Ok(())
}
