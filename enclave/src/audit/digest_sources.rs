//! The sources from which the writer thread makes the digests of a stream.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use attestation::crypto::Es256Key;
use attestation::time::UnixMillis;
use attestation::{AuditStream, KeyId};

/// The sources of the digests of a stream.
pub struct DigestSources {
    /// The key that signs the digests and names the stream.
    pub receipt_key: Arc<Es256Key>,
    /// Returns the trusted time.
    pub now: Box<dyn Fn() -> UnixMillis + Send>,
    /// Returns the enclave's current attestation document, which attests the receipt key. Must not block.
    pub document: Box<dyn Fn() -> Option<Arc<[u8]>> + Send>,
}

impl DigestSources {
    /// Returns sources with a new key, the time 0 and no document.
    #[cfg(test)]
    pub(crate) fn without_document() -> Self {
        Self {
            receipt_key: Arc::new(Es256Key::generate().unwrap()),
            now: Box::new(|| UnixMillis::new(0)),
            document: Box::new(|| None),
        }
    }

    /// Returns the identifier of the receipt key.
    pub(super) fn key_id(&self) -> KeyId {
        KeyId::of(self.receipt_key.public_key())
    }

    /// Returns the name of the stream.
    pub(super) fn stream(&self) -> AuditStream {
        AuditStream::of(self.key_id())
    }
}

impl fmt::Debug for DigestSources {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("DigestSources")
            .field("key_id", &self.key_id())
            .finish_non_exhaustive()
    }
}

/// The time between lines that the trail itself adds.
#[derive(Clone, Copy, Debug)]
pub(super) struct DigestSchedule {
    /// The time between two digests.
    pub(super) digests: Duration,
    /// The time between two digests with the attestation document.
    pub(super) documents: Duration,
}

impl Default for DigestSchedule {
    /// Returns one digest a minute, and one document an hour.
    fn default() -> Self {
        Self { digests: Duration::from_secs(60), documents: Duration::from_secs(60 * 60) }
    }
}
