//! What the NSM gives at a time.

use std::fmt;

use zeroize::Zeroizing;

/// 256 fresh, tested bytes, for one use: moved, never copied, wiped on drop, not shown by Debug.
pub(crate) struct Block(Zeroizing<Vec<u8>>);

impl Block {
    /// Of bytes that were tested.
    pub(crate) fn new(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }

    /// The bytes, to be used where they stand.
    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Block(..)")
    }
}
