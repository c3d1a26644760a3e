//! A client that waits for a slot.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use transport::Stream;

use crate::peer_policy::{Admission, PeerPolicy};

/// Interval at which a full relay looks for a connection to evict.
const EVICTION_RETRY: Duration = Duration::from_millis(50);

/// A client that the peer policy has admitted, but that has no slot yet. A slot is a permit for one open
/// connection of the relay.
pub(super) struct PendingClient {
    pub(super) client: Stream,
    pub(super) admission: Admission,
    /// True if a connection was evicted for this client. The client then gets the slot of that connection.
    pub(super) has_evicted: bool,
}

/// Returns a slot for `pending_client` once one is free. A full relay evicts a connection for it. Never
/// returns `None`, because the semaphore is never closed.
///
/// Cancel-safe: dropping the future loses no slot, and `pending_client` records the eviction.
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
        // All connections await a response. Relayed responses are recorded but not signalled, to keep
        // relaying cheap. So try again after an interval.
        if let Ok(slot) = timeout(EVICTION_RETRY, slot).await {
            return slot.ok();
        }
    }
}
