//! The reaper of orphaned processes. The kernel makes the first process their parent, so the first process
//! must reap them.

use std::io;

use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use tokio::signal::unix::{SignalKind, signal};

/// Reaps child processes until the runtime ends.
pub(super) fn start() -> io::Result<()> {
    let mut ended = signal(SignalKind::child())?;
    tokio::spawn(async move {
        loop {
            // One signal may stand for several children.
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

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;
    use std::time::Duration;

    use tokio::time::{sleep, timeout};

    use super::*;

    /// Starts a child that no code waits for. No other test of this program starts a child.
    fn child() -> u32 {
        Command::new("true").spawn().unwrap().id()
    }

    /// Waits until the process is reaped. A process that has ended remains in /proc until it is reaped.
    async fn is_reaped(id: u32) {
        let gone = async {
            while Path::new(&format!("/proc/{id}")).exists() {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(Duration::from_secs(60), gone).await.expect("the process is not reaped");
    }

    #[tokio::test]
    async fn reaps_children_that_end_before_and_after_the_start() {
        let before = child();
        start().unwrap();
        is_reaped(before).await;
        let later = [child(), child(), child()];
        for id in later {
            is_reaped(id).await;
        }
    }
}
