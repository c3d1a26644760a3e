//! What the service manager and this process tell each other: sd_notify(3), sd_listen_fds(3).
//!
//! Without one, all of it does nothing.

use std::sync::Arc;

use listenfd::ListenFd;
use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval};
use transport::{ListenError, Listener};

use crate::pool::Pool;

/// The socket that was passed.
///
/// # Errors
/// If there is none, or it is not one for TCP.
pub(crate) fn listener() -> Result<Listener, ListenError> {
    let passed = ListenFd::from_env().take_tcp_listener(0).map_err(ListenError::Inherited)?;
    let listener = passed.ok_or_else(|| {
        ListenError::Inherited(std::io::Error::other("LISTEN_FDS and LISTEN_PID pass no socket"))
    })?;
    Listener::from_inherited_tcp(listener).map_err(ListenError::Inherited)
}

/// It serves.
pub(crate) fn ready(pool: &Pool) {
    notify(&[NotifyState::Ready, NotifyState::Status(&status(pool))]);
}

/// It takes its configuration anew; [`ready`] ends that.
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "cannot notify the service manager of a reload"),
    }
}

/// Its main process is that one from now on, and the only one to be heard.
pub(crate) fn set_main_pid(process: u32) {
    notify(&[NotifyState::MainPid(process)]);
}

/// It ends.
pub(crate) fn stopping() {
    notify(&[NotifyState::Stopping]);
}

/// Tells how things are whenever that changes, and that this thread, which accepts, is alive as often as
/// it is asked to; until the future is dropped.
pub(crate) async fn report_status(pool: Arc<Pool>) {
    let mut changes = pool.changes();
    // No time at all is what sd_watchdog_enabled(3) refuses.
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

async fn tick(watchdog: &mut Option<tokio::time::Interval>) {
    match watchdog {
        Some(watchdog) => drop(watchdog.tick().await),
        None => std::future::pending().await,
    }
}

fn status(pool: &Pool) -> String {
    let (ready, active) = (pool.ready_count(), pool.active_count());
    match (pool.is_closed(), pool.upstreams().len().saturating_sub(active)) {
        (true, _) => "draining".to_owned(),
        (false, 0) => format!("{ready} of {active} enclaves ready"),
        (false, standby) => format!("{ready} of {active} enclaves ready, {standby} standby"),
    }
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "cannot notify the service manager");
    }
}
