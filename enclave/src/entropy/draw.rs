//! Random bytes for one response.

use std::fmt;

use attestation::cms::ContentEncryption;
use zeroize::Zeroizing;

/// The amount of random bytes that one response needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrawRequest {
    /// Number of random bytes.
    pub(crate) number_of_bytes: usize,
    /// True if the response is sealed, that is, encrypted for the caller. Sealing needs further random
    /// bytes.
    pub(crate) sealed: bool,
}

impl fmt::Display for DrawRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number_of_bytes, sealed } = self;
        let kind = if *sealed { "sealed" } else { "plain" };
        write!(formatter, "{number_of_bytes} bytes, {kind}")
    }
}

/// The random bytes for one response. Each part comes from its own generate call.
#[derive(Debug)]
pub struct Draw {
    pub(crate) random: RandomBytes,
    /// Content key, IV and OAEP seed of a sealed response.
    pub(crate) encryption: Option<ContentEncryption>,
}

impl Draw {
    /// Returns the request that this draw satisfies.
    pub(crate) fn request(&self) -> DrawRequest {
        let (number_of_bytes, sealed) = (self.random.expose().len(), self.encryption.is_some());
        DrawRequest { number_of_bytes, sealed }
    }
}

/// Secret random bytes. They are zeroized on drop, never copied, and hidden from Debug.
pub struct RandomBytes(Zeroizing<Vec<u8>>);

impl RandomBytes {
    pub(crate) fn new(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }

    /// Returns the bytes. The caller uses them in place and does not copy them.
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
    fn debug_output_hides_the_bytes() {
        let bytes = RandomBytes::new(Zeroizing::new(vec![0xab; 4]));
        assert_eq!(format!("{bytes:?}"), "RandomBytes(4 bytes)");
    }
}
