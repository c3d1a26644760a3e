//! The format of the lines that a [`NonBlockingWriter`](super::NonBlockingWriter) writes.

use std::io;
use std::ops::RangeInclusive;
use std::time::Instant;

/// A format that turns items into lines, on the writing thread. It may keep state, and may add lines of its own.
///
/// Items are numbered from 1. The thread passes each number to [`written`](Self::written) or to
/// [`lost`](Self::lost), once and in ascending order.
pub trait LineFormat: Send + 'static {
    /// The items.
    type Item: Send + 'static;

    /// Appends the line of `item` to `batch`, with its line feed. `number` is the number of the item.
    ///
    /// # Errors
    /// If the item cannot be written as text. Then the item and the bytes that it appended are dropped.
    fn append(&mut self, number: u64, item: Self::Item, batch: &mut Vec<u8>) -> io::Result<()>;

    /// Records that the output has accepted the line of item `number`. `line` has no line feed.
    fn written(&mut self, _number: u64, _line: &[u8]) {}

    /// Records that the items with these numbers were dropped, or that the output failed while it wrote them. A part of
    /// the lines may have been written in the second case.
    fn lost(&mut self, _numbers: RangeInclusive<u64>) {}

    /// Returns the time at which the thread must call [`append_own`](Self::append_own), if there are no items before.
    fn own_line_due(&self) -> Option<Instant> {
        None
    }

    /// Appends a line of the format itself, with its line feed. Appends nothing if no line is due. `is_end` is true
    /// after the last item. The thread calls this method after each batch until it appends nothing or the line cannot
    /// be written.
    fn append_own(&mut self, _is_end: bool, _batch: &mut Vec<u8>) {}

    /// Records whether the output has accepted the line that [`append_own`](Self::append_own) appended.
    fn own_line_done(&mut self, _is_written: bool) {}
}

/// A format for items that are already lines.
#[derive(Debug)]
pub(super) struct Verbatim;

impl LineFormat for Verbatim {
    type Item = Vec<u8>;

    fn append(&mut self, _number: u64, line: Vec<u8>, batch: &mut Vec<u8>) -> io::Result<()> {
        batch.extend_from_slice(&line);
        Ok(())
    }
}
