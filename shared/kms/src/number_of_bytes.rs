//! The member NumberOfBytes and its limits.

/// Maximum NumberOfBytes of the API's model.
pub const MAX_NUMBER_OF_BYTES: u16 = 1024;

/// The number of requested random bytes: 1 to 1,024.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberOfBytes(u16);

impl NumberOfBytes {
    /// Creates the number. Returns `None` unless `value` is 1 to 1,024.
    pub fn new(value: u16) -> Option<Self> {
        (1..=MAX_NUMBER_OF_BYTES).contains(&value).then_some(Self(value))
    }

    /// Returns the number as a length.
    pub fn get(self) -> usize {
        self.0.into()
    }
}
