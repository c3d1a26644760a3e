//! Limits of the duration of a connection.

use std::time::Duration;

use crate::config::Config;

/// How long a client may leave its side open once the upstream has closed and the last byte has been
/// written to it. A silent client would otherwise hold its slot until the idle timeout.
pub(crate) const LINGER: Duration = Duration::from_secs(2);

/// The limits of one connection. The earliest deadline ends it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    /// No byte in either direction.
    pub(crate) idle: Duration,
    /// From accept to close.
    pub(crate) total: Duration,
    /// From the upstream's end to closing the client's side.
    pub(crate) linger: Duration,
    /// For a response, once health checks have found the upstream unresponsive.
    pub(crate) unresponsive: Duration,
}

impl From<&Config> for Timeouts {
    fn from(config: &Config) -> Self {
        Self {
            idle: config.idle_timeout,
            total: config.total_timeout,
            linger: LINGER,
            unresponsive: config.unresponsive_timeout,
        }
    }
}

impl Timeouts {
    /// Returns the limits of an egress route: the library of an HSM keeps its connections, busy or not.
    pub(crate) fn for_route() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self { idle: DAY, total: DAY * 365, linger: DAY, unresponsive: DAY }
    }
}
