//! The counters of an upstream.

use std::sync::atomic::AtomicU64;

/// The counters of an upstream.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) connections: AtomicU64,
    pub(crate) connect_failures: AtomicU64,
    pub(crate) ready: AtomicU64,
    pub(crate) not_ready: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) ejections: AtomicU64,
    pub(crate) scrape_failures: AtomicU64,
    /// Number of connections that were closed because an unresponsive enclave sent no response.
    pub(crate) unresponsive: AtomicU64,
}

/// The number of bytes relayed in each direction.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) to_enclave: AtomicU64,
    pub(crate) to_client: AtomicU64,
}
