//! Work for the NSM's thread beside blocks: documents of the enclave's own.

use tokio::sync::oneshot;

use super::block::Block;
use super::fault::NsmFault;
use super::queue::Queue;

/// The queue between the NSM's thread and its callers.
pub(super) type NsmQueue = Queue<Block, NsmFault, Task>;

/// Maximum number of callers that wait for a document of the enclave's own.
pub(super) const MAX_TASKS: usize = 64;

/// A request for an attestation document with `nonce` and `user_data`. The thread sends it to `reply`.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) nonce: Vec<u8>,
    pub(super) user_data: Option<Vec<u8>>,
    pub(super) reply: oneshot::Sender<Result<Vec<u8>, NsmFault>>,
}
