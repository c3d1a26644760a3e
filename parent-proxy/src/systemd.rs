//! Communication with the service manager: sd_notify(3) and sd_listen_fds(3).
//!
//! Without a service manager, these functions do nothing.

use std::sync::Arc;

use listenfd::ListenFd;
use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval};
use transport::{ListenError, Listener};

use crate::upstream_pool::Pool;

/// Returns the listening socket that the service manager passed.
///
/// # Errors
/// If there is none, or it is not a listening TCP socket.
pub(crate) fn listener() -> Result<Listener, ListenError> {
    let passed = ListenFd::from_env().take_tcp_listener(0).map_err(ListenError::Inherited)?;
    let listener = passed.ok_or_else(|| {
        ListenError::Inherited(std::io::Error::other("LISTEN_FDS and LISTEN_PID pass no socket"))
    })?;
    Listener::from_inherited_tcp(listener).map_err(ListenError::Inherited)
}

/// Notifies the service manager that this process serves.
pub(crate) fn ready(pool: &Pool) {
    notify(&[NotifyState::Ready, NotifyState::Status(&status(pool))]);
}

/// Notifies the service manager of a reload, until [`ready`] ends it.
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "cannot notify the service manager of a reload"),
    }
}

/// Sets the main process. The service manager then ignores notifications from other processes.
pub(crate) fn set_main_pid(process: u32) {
    notify(&[NotifyState::MainPid(process)]);
}

/// Notifies the service manager that this process stops.
pub(crate) fn stopping() {
    notify(&[NotifyState::Stopping]);
}

/// Reports the status whenever it changes, and keeps the watchdog alive, until the future is dropped. The
/// thread that accepts connections runs this future, so the watchdog detects if that thread hangs.
pub(crate) async fn report_status(pool: Arc<Pool>) {
    let mut changes = pool.changes();
    // sd_watchdog_enabled(3) rejects an interval of zero.
    let limit = sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero());
    let mut watchdog = limit.map(|limit| {
        let mut watchdog = interval(limit / 2);
        watchdog.set_missed_tick_behavior(MissedTickBehavior::Delay);
        watchdog
    });
    loop {
        tokio::select! {
            _ = changes.changed() => notify(&[NotifyState::Status(&status(&pool))]),
            () = tick(&mut watchdog) => notify(&[NotifyState::Watchdog]),
        }
    }
}

/// Waits for the next watchdog tick. Never returns without a watchdog.
async fn tick(watchdog: &mut Option<tokio::time::Interval>) {
    match watchdog {
        Some(watchdog) => drop(watchdog.tick().await),
        None => std::future::pending().await,
    }
}

/// Returns the status text: the number of ready and standby enclaves.
fn status(pool: &Pool) -> String {
    let (ready, active) = (pool.ready_count(), pool.active_count());
    match (pool.is_closed(), pool.upstreams().len().saturating_sub(active)) {
        (true, _) => "draining".to_owned(),
        (false, 0) => format!("{ready} of {active} enclaves ready"),
        (false, standby) => format!("{ready} of {active} enclaves ready, {standby} standby"),
    }
}

/// Sends states to the service manager. A failure is only logged.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "cannot notify the service manager");
    }
}
