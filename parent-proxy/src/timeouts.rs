//! The timeouts of a connection.

use std::time::Duration;

use crate::config::Config;

/// Time for which a client may keep its side open after the upstream has closed and the last byte was written
/// to the client. A silent client would otherwise count as an open connection until the idle timeout.
pub(crate) const LINGER: Duration = Duration::from_secs(2);

/// The timeouts of one connection. The earliest deadline ends it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    /// Time without a byte in either direction.
    pub(crate) idle: Duration,
    /// Time from accept to close.
    pub(crate) total: Duration,
    /// Time from the upstream's EOF to the close of the client's side.
    pub(crate) linger: Duration,
    /// Time limit of a response once health checks have found the upstream unresponsive.
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
    /// Returns the timeouts of an egress route. The client library of an HSM keeps its connections open, even
    /// while they are idle.
    pub(crate) fn for_route() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self { idle: DAY, total: DAY * 365, linger: DAY, unresponsive: DAY }
    }
}
