//! The tasks of the NSM thread: requests for attestation documents of this enclave.

use tokio::sync::oneshot;

use super::block::Block;
use super::fault::NsmFault;
use super::queue::Queue;

/// The queue between the NSM thread and its callers.
pub(super) type NsmQueue = Queue<Block, NsmFault, Task>;

/// Maximum number of callers that wait for an attestation document.
pub(super) const MAX_TASKS: usize = 64;

/// A request for an attestation document. The NSM thread sends the document to `reply`.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) request: DocumentRequest,
    pub(super) reply: oneshot::Sender<Result<Vec<u8>, NsmFault>>,
}

/// The content of a requested document.
#[derive(Debug)]
pub(super) enum DocumentRequest {
    /// The current identity, and this nonce of a caller.
    Nonce(Vec<u8>),
    /// This `user_data`, which becomes the identity.
    NewIdentity(Vec<u8>),
}
