//! A log's writer, which notes lost lines in the log itself.

use std::io::{self, Write};
use std::sync::atomic::Ordering;

use super::Lines;

/// A log's writer: each write is one event, and its line.
#[derive(Debug)]
pub struct Log<'a>(pub &'a Lines<Vec<u8>>);

impl Write for Log<'_> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let Self(lines) = self;
        let (dropped, reported) = (lines.dropped(), lines.reported());
        if reported.load(Ordering::Relaxed) < dropped {
            // A note that finds no room is not counted as dropped: the next event tries again.
            if lines.offer(note(dropped, event).into_bytes()).is_ok() {
                reported.fetch_max(dropped, Ordering::Relaxed);
            }
        }
        lines.submit(event.to_vec());
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns a note about the lines that were dropped before `event`, in JSON if the event is JSON.
pub(super) fn note(dropped: u64, event: &[u8]) -> String {
    let text = format!("{dropped} lines of this log were dropped: nobody took them");
    match event.first() {
        Some(b'{') => {
            format!("{{\"level\":\"WARN\",\"message\":\"{text}\",\"dropped\":{dropped}}}\n")
        }
        _ => format!("{text}\n"),
    }
}
