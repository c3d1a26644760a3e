//! A client that waits for a slot.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use transport::Stream;

use crate::peer_policy::{Admission, PeerPolicy};

/// How often a full relay looks for a connection that can make room, where none could.
const EVICTION_RETRY: Duration = Duration::from_millis(50);

/// A client that was admitted and has no slot yet.
pub(super) struct PendingClient {
    pub(super) client: Stream,
    pub(super) admission: Admission,
    /// Whether a connection was evicted for it, whose slot it gets.
    pub(super) has_evicted: bool,
}

/// Returns a slot for `pending_client` once there is one; a full relay evicts a connection for it. `None` never
/// comes, because the semaphore is never closed.
///
/// Cancel-safe: a slot is taken or it is not, and the pending_client remembers the eviction.
pub(super) async fn wait_for_slot(
    slots: &Arc<Semaphore>,
    peers: &PeerPolicy,
    pending_client: &mut Option<PendingClient>,
) -> Option<OwnedSemaphorePermit> {
    let Some(pending_client) = pending_client else { return pending().await };
    loop {
        pending_client.has_evicted =
            pending_client.has_evicted || peers.evict_for(&pending_client.admission);
        let slot = Arc::clone(slots).acquire_owned();
        if pending_client.has_evicted {
            return slot.await.ok();
        }
        // A response is awaited on every connection. That one has come is recorded and not announced, so
        // that relaying stays cheap: look again.
        if let Ok(slot) = timeout(EVICTION_RETRY, slot).await {
            return slot.ok();
        }
    }
}
