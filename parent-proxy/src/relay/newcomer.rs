//! A client that waits for a slot.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use transport::Stream;

use crate::peer_policy::{Admission, PeerPolicy};

/// How often a full relay looks for a connection that can make room, where none could.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A client that was admitted and has no slot yet.
pub(super) struct Newcomer {
    pub(super) client: Stream,
    pub(super) admission: Admission,
    /// Whether a connection was evicted for it, whose slot it gets.
    pub(super) has_room: bool,
}

/// Returns a slot for `newcomer` once there is one; a full relay evicts a connection for it. `None` never
/// comes, because the semaphore is never closed.
///
/// Cancel-safe: a slot is taken or it is not, and the newcomer remembers the eviction.
pub(super) async fn room(
    slots: &Arc<Semaphore>,
    peers: &PeerPolicy,
    newcomer: &mut Option<Newcomer>,
) -> Option<OwnedSemaphorePermit> {
    let Some(newcomer) = newcomer else { return pending().await };
    loop {
        newcomer.has_room = newcomer.has_room || peers.make_room(&newcomer.admission);
        let slot = Arc::clone(slots).acquire_owned();
        if newcomer.has_room {
            return slot.await.ok();
        }
        // A response is awaited on every connection. That one has come is recorded and not announced, so
        // that relaying stays cheap: look again.
        if let Ok(slot) = timeout(LOOK_AGAIN, slot).await {
            return slot.ok();
        }
    }
}
