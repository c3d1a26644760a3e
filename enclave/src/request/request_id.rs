//! The name of one request, by which its answer, its log lines and its audit record are matched.

use std::cell::RefCell;
use std::fmt;

use hyper::header::HeaderValue;
use transport::ConnectionId;
use uuid::fmt::Hyphenated;
use uuid::{Builder, Bytes, Uuid};

/// How many are made at a time.
const POOL_LENGTH: usize = 64;

thread_local! {
    /// Random bytes for the next ones: a provider's generator does much for each call.
    static POOL: RefCell<Vec<[u8; 16]>> = const { RefCell::new(Vec::new()) };
}

/// A random UUID; see `x-amzn-RequestId`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId(Uuid);

impl RequestId {
    /// Bytes of one as text.
    pub(crate) const LENGTH: usize = Hyphenated::LENGTH;

    /// A new one.
    pub fn random() -> Self {
        Self::for_connection(None)
    }

    /// A new one on a connection. It begins as the connection's does in the log of whoever relays it;
    /// the rest, 74 bits, is random, so that the relay can neither foretell nor choose it.
    pub(crate) fn for_connection(connection: Option<ConnectionId>) -> Self {
        // An identifier is no secret; that the nil one could be given twice does no harm.
        let Some(mut bytes) = random_bytes() else { return Self(Uuid::nil()) };
        if let (Some(ConnectionId(id)), Some(begin)) = (connection, bytes.first_chunk_mut()) {
            *begin = id;
        }
        Self(Builder::from_random_bytes(bytes).into_uuid())
    }

    /// As text, in this buffer.
    pub(crate) fn encode(self, buffer: &mut [u8; Self::LENGTH]) -> &str {
        self.0.hyphenated().encode_lower(buffer)
    }

    /// As a header's value.
    pub(crate) fn to_header(self) -> HeaderValue {
        HeaderValue::from_str(self.encode(&mut [0; Self::LENGTH]))
            .unwrap_or(HeaderValue::from_static(""))
    }
}

fn random_bytes() -> Option<Bytes> {
    POOL.with_borrow_mut(|pool| {
        if pool.is_empty() {
            let mut random = [[0; 16]; POOL_LENGTH];
            attestation::crypto::fill_random(random.as_flattened_mut()).ok()?;
            pool.extend(random);
        }
        pool.pop()
    })
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::thread;

    use super::*;

    #[test]
    fn random_ids_are_unique_across_threads() {
        let some =
            || -> Vec<Uuid> { (0..3 * POOL_LENGTH).map(|_| RequestId::random().0).collect() };
        let ids = [thread::spawn(some).join().unwrap(), some()].concat();
        assert!(ids.iter().all(|id| id.get_version_num() == 4));
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
    }

    #[test]
    fn ids_of_a_connection_share_its_prefix() {
        let connection = ConnectionId([0x1b, 0x2c, 0x3d, 0x4e, 0x5f, 0x60]);
        let ids: Vec<_> = (0..100).map(|_| RequestId::for_connection(Some(connection))).collect();
        for id in &ids {
            assert!(id.to_string().starts_with("1b2c3d4e-5f60-4"), "{id}");
            assert_eq!(id.0.get_variant(), uuid::Variant::RFC4122);
        }
        let rests: HashSet<_> = ids.iter().map(|id| id.0.into_bytes()[6..].to_vec()).collect();
        assert_eq!(rests.len(), ids.len());
    }
}
