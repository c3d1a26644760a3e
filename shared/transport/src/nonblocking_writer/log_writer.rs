//! The writer of a log, which reports dropped lines in the log itself.

use std::io::{self, Write};
use std::sync::atomic::Ordering;

use super::NonBlockingWriter;

/// The writer of a log. Each write is one line.
#[derive(Debug)]
pub struct LogWriter<'a>(pub &'a NonBlockingWriter<Vec<u8>>);

impl Write for LogWriter<'_> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let Self(lines) = self;
        let (dropped, reported) = (lines.dropped(), lines.reported());
        if reported.load(Ordering::Relaxed) < dropped {
            // A notice that does not fit is not counted as dropped: the next event tries again.
            if lines.try_send(drop_notice(dropped, event).into_bytes()).is_ok() {
                reported.fetch_max(dropped, Ordering::Relaxed);
            }
        }
        lines.send_or_drop(event.to_vec());
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns a notice about the lines that were dropped before `event`, in JSON if the event is JSON.
pub(super) fn drop_notice(dropped: u64, event: &[u8]) -> String {
    let text = format!("{dropped} log lines were dropped: they could not be written in time");
    match event.first() {
        Some(b'{') => {
            format!("{{\"level\":\"WARN\",\"message\":\"{text}\",\"dropped\":{dropped}}}\n")
        }
        _ => format!("{text}\n"),
    }
}
