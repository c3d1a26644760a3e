//! Work for the NSM's thread beside blocks: documents of the enclave's own.

use tokio::sync::oneshot;

use super::block::Block;
use super::fault::NsmFault;
use super::queue;

/// The queue between the NSM's thread and its callers.
pub(super) type Queue = queue::Queue<Block, NsmFault, Errand>;

/// Callers that may wait for a document of the enclave's own; few may ask in a second.
pub(super) const MAX_ERRANDS: usize = 64;

/// A document with `nonce` and `user_data` in it, for who waits at the other end.
#[derive(Debug)]
pub(super) struct Errand {
    pub(super) nonce: Vec<u8>,
    pub(super) user_data: Option<Vec<u8>>,
    pub(super) reply: oneshot::Sender<Result<Vec<u8>, NsmFault>>,
}
