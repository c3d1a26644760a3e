//! The body of a response.

use std::fmt;

use bytes::Buf;
use zeroize::Zeroizing;

/// A response body that may contain random bytes. The body is sent without a copy, and is zeroized on drop.
pub struct ZeroizingBody {
    bytes: Zeroizing<Vec<u8>>,
    sent: usize,
}

impl ZeroizingBody {
    /// Creates a body of `bytes`.
    pub(super) fn new(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self { bytes, sent: 0 }
    }
}

impl Buf for ZeroizingBody {
    fn remaining(&self) -> usize {
        self.chunk().len()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.get(self.sent..).unwrap_or_default()
    }

    fn advance(&mut self, count: usize) {
        self.sent = self.sent.saturating_add(count);
    }
}

impl fmt::Debug for ZeroizingBody {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ZeroizingBody(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advances_and_hides_its_bytes_from_debug() {
        let mut content = ZeroizingBody::new(Zeroizing::new(b"secret".to_vec()));
        assert_eq!(format!("{content:?}"), "ZeroizingBody(..)");
        assert_eq!((content.remaining(), content.chunk()), (6, &b"secret"[..]));
        content.advance(2);
        assert_eq!((content.remaining(), content.chunk()), (4, &b"cret"[..]));
        content.advance(4);
        assert!(!content.has_remaining());
    }
}
