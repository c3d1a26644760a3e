//! The settings and the shared state of one relay.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use transport::ConnectionId;

use crate::peer_policy::PeerPolicy;
use crate::timeouts::Timeouts;
use crate::upstream_pool::Pool;

/// The context of all connections of one relay, on all of its threads.
#[derive(Debug)]
pub(crate) struct RelayContext {
    pub(crate) pool: Arc<Pool>,
    pub(crate) peer_policy: PeerPolicy,
    /// True if the relay sends the client address to the enclave in a PROXY protocol header.
    pub(crate) proxy_protocol: bool,
    pub(crate) connection_ids: ConnectionIds,
    pub(crate) timeouts: Timeouts,
    pub(crate) drain_timeout: Duration,
}

/// A generator of connection identifiers.
#[derive(Debug)]
pub(crate) struct ConnectionIds(AtomicU64);

impl ConnectionIds {
    /// Starts at a random identifier, so that two relays, or two runs of one relay, use different
    /// identifiers.
    pub(crate) fn new() -> Self {
        // Identifiers are not secret, and a rare collision is harmless, so a failure of the random source is
        // ignored.
        Self(AtomicU64::new(getrandom::u64().unwrap_or_default()))
    }

    /// Returns the next identifier.
    pub(crate) fn next(&self) -> ConnectionId {
        ConnectionId::from_number(self.0.fetch_add(1, Ordering::Relaxed))
    }
}
