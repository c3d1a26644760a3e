//! The member NumberOfBytes and its limits.

/// The greatest NumberOfBytes of the model.
pub const MAX_NUMBER_OF_BYTES: u16 = 1024;

/// How many random bytes are asked for: 1 to 1,024.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberOfBytes(u16);

impl NumberOfBytes {
    /// `None` unless it is 1 to 1,024.
    pub fn new(value: u16) -> Option<Self> {
        (1..=MAX_NUMBER_OF_BYTES).contains(&value).then_some(Self(value))
    }

    /// As a length.
    pub fn get(self) -> usize {
        self.0.into()
    }
}
