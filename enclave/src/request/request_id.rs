//! The identifier of a request. The response, the log lines and the audit record contain the same identifier.

use std::cell::RefCell;
use std::fmt;

use hyper::header::HeaderValue;
use transport::ConnectionId;
use uuid::fmt::Hyphenated;
use uuid::{Builder, Bytes, Uuid};

/// Number of identifiers for which random bytes are drawn at once.
const POOL_LENGTH: usize = 64;

thread_local! {
    /// Random bytes for the next identifiers. One call of the crypto provider's generator fills the whole pool.
    static POOL: RefCell<Vec<[u8; 16]>> = const { RefCell::new(Vec::new()) };
}

/// A random UUID, as in the header `x-amzn-RequestId`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId(Uuid);

impl RequestId {
    /// Length of the text form, in bytes.
    pub(crate) const LENGTH: usize = Hyphenated::LENGTH;

    /// Creates an identifier.
    pub fn random() -> Self {
        Self::for_connection(None)
    }

    /// Creates the identifier of a request on `connection`. The first bytes are the identifier of the connection,
    /// which the relay logs. The other 74 random bits ensure that the relay cannot predict or choose the
    /// identifier.
    pub(crate) fn for_connection(connection: Option<ConnectionId>) -> Self {
        // If the generator fails, all requests have the nil identifier. This is safe, because identifiers are not
        // secret.
        let Some(mut bytes) = random_bytes() else { return Self(Uuid::nil()) };
        if let (Some(ConnectionId(id)), Some(begin)) = (connection, bytes.first_chunk_mut()) {
            *begin = id;
        }
        Self(Builder::from_random_bytes(bytes).into_uuid())
    }

    /// Writes the text form into `buffer`.
    pub(crate) fn encode(self, buffer: &mut [u8; Self::LENGTH]) -> &str {
        self.0.hyphenated().encode_lower(buffer)
    }

    /// Returns the identifier as a header value.
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
