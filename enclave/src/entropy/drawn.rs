//! Random bytes that were drawn for one answer.

use std::fmt;

use attestation::cms::ContentEncryption;
use zeroize::Zeroizing;

/// What one answer takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Random bytes.
    pub(crate) number_of_bytes: usize,
    /// Whether they are to be sealed.
    pub(crate) sealed: bool,
}

impl fmt::Display for Wanted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number_of_bytes, sealed } = self;
        let kind = if *sealed { "sealed" } else { "plain" };
        write!(formatter, "{number_of_bytes} bytes, {kind}")
    }
}

/// What was drawn for one answer, each part by a generate of its own.
#[derive(Debug)]
pub struct Drawn {
    pub(crate) random: RandomBytes,
    /// If they are to be sealed.
    pub(crate) encryption: Option<ContentEncryption>,
}

impl Drawn {
    /// What it is, as one would have wanted it.
    pub(crate) fn what(&self) -> Wanted {
        let (number_of_bytes, sealed) = (self.random.expose().len(), self.encryption.is_some());
        Wanted { number_of_bytes, sealed }
    }
}

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
