//! Notifications to the service manager, sd_notify(3). Without a service manager, they do nothing.

use sd_notify::NotifyState;

/// Notifies the service manager that this process serves.
pub(super) fn ready(upstream: &str) {
    notify(&[NotifyState::Ready, NotifyState::Status(&format!("upstream {upstream}"))]);
}

/// Notifies the service manager that this process stops.
pub(super) fn stopping() {
    notify(&[NotifyState::Stopping]);
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "cannot notify the service manager");
    }
}
