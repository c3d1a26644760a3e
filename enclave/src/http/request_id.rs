//! The name of one request, by which its answer, its log lines and its audit record are matched.

use std::cell::RefCell;
use std::fmt;

use hyper::header::HeaderValue;
use uuid::fmt::Hyphenated;
use uuid::{Builder, Uuid};

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
        // An identifier is no secret; that the nil one could be given twice does no harm.
        let random = POOL.with_borrow_mut(|pool| {
            if pool.is_empty() {
                let mut random = [[0; 16]; POOL_LENGTH];
                shared::crypto::fill_random(random.as_flattened_mut()).ok()?;
                pool.extend(random);
            }
            pool.pop()
        });
        Self(random.map_or(Uuid::nil(), |random| Builder::from_random_bytes(random).into_uuid()))
    }

    /// As text, in this buffer.
    pub(crate) fn encode(self, buffer: &mut [u8; Self::LENGTH]) -> &str {
        self.0.hyphenated().encode_lower(buffer)
    }

    /// As a header's value.
    pub(super) fn to_header(self) -> HeaderValue {
        HeaderValue::from_str(self.encode(&mut [0; Self::LENGTH]))
            .unwrap_or(HeaderValue::from_static(""))
    }
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
    fn no_two_are_alike_on_one_thread_or_on_two() {
        let some =
            || -> Vec<Uuid> { (0..3 * POOL_LENGTH).map(|_| RequestId::random().0).collect() };
        let ids = [thread::spawn(some).join().unwrap(), some()].concat();
        assert!(ids.iter().all(|id| id.get_version_num() == 4));
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
    }
}
