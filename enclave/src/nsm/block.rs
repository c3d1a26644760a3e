//! One block of random bytes from the NSM.

use std::fmt;

use zeroize::Zeroizing;

/// A block of 256 random bytes that passed the health tests. Each block is used once.
///
/// The bytes are never copied. They are zeroized on drop and hidden from Debug.
pub(crate) struct Block(Zeroizing<Vec<u8>>);

impl Block {
    /// Wraps bytes that passed the health tests.
    pub(crate) fn new(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }

    /// Returns the bytes. The caller uses them in place and does not copy them.
    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Block(..)")
    }
}
