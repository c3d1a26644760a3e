//! The items that a [`NonBlockingWriter`](super::NonBlockingWriter) writes.

use std::io;

/// An item that is written as one line.
pub trait Line: Send + 'static {
    /// Appends the line to `batch`, with its line feed. `number` is the number of the line.
    ///
    /// # Errors
    /// If the item cannot be written as text. Then the item and the bytes that it appended are dropped.
    fn append_to(self, number: u64, batch: &mut Vec<u8>) -> io::Result<()>;
}

impl Line for Vec<u8> {
    fn append_to(self, _number: u64, batch: &mut Vec<u8>) -> io::Result<()> {
        batch.extend_from_slice(&self);
        Ok(())
    }
}
