//! Random bytes: the product.

use std::fmt;

use zeroize::Zeroizing;

pub use crate::nsm::NsmFault;

/// Bytes that nobody else has seen: wiped on drop, moved and never copied, not shown by Debug.
pub struct RandomBytes(Zeroizing<Vec<u8>>);

impl RandomBytes {
    pub(crate) fn new(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }

    /// The bytes, to be used where they stand.
    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for RandomBytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RandomBytes({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_no_byte() {
        let bytes = RandomBytes::new(Zeroizing::new(vec![0xab; 4]));
        assert_eq!(format!("{bytes:?}"), "RandomBytes(4 bytes)");
    }
}
