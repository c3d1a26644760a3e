//! Lines that a thread of their own writes, so that nobody who has one waits for who reads them: a
//! pipe that is not read blocks its writer.
//!
//! The crate `tracing-appender` does the same for a log, but ends by printing where nobody reads,
//! which blocks or panics in the very case that matters here.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Lines that wait to be written; those that find no room are dropped and counted.
pub const QUEUE_LENGTH: usize = 1024;

/// Bytes that are written at once, where so many wait.
const BATCH_LENGTH: usize = 64 * 1024;

/// What becomes a line.
pub trait Line: Send + 'static {
    /// Writes it at the end of `batch`, with its line feed.
    ///
    /// # Errors
    /// If it cannot be written as text; it is dropped then, with what it has written.
    fn append_to(self, batch: &mut Vec<u8>) -> io::Result<()>;
}

impl Line for Vec<u8> {
    fn append_to(self, batch: &mut Vec<u8>) -> io::Result<()> {
        batch.extend_from_slice(&self);
        Ok(())
    }
}

/// The way to the thread, which ends with the last of them.
#[derive(Debug)]
pub struct Lines<T> {
    queue: SyncSender<T>,
    state: Arc<State>,
}

/// A log's writer: each write is an event, and its line.
#[derive(Debug)]
pub struct Log<'a>(pub &'a Lines<Vec<u8>>);

impl Write for Log<'_> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let Self(lines) = self;
        if let Some(dropped) = lines.state.unreported() {
            let note = format!("{dropped} lines of this log were dropped: nobody took them\n");
            lines.submit(note.into_bytes());
        }
        lines.submit(event.to_vec());
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug, Default)]
struct State {
    /// Queued or being written.
    pending: AtomicUsize,
    dropped: AtomicU64,
    /// Of those dropped, how many a log has told of.
    reported: AtomicU64,
    turn: Mutex<()>,
    is_idle: Condvar,
}

impl<T> Clone for Lines<T> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone(), state: Arc::clone(&self.state) }
    }
}

impl<T: Line> Lines<T> {
    /// To `writer`, by a thread of this name.
    ///
    /// # Errors
    /// If there is no thread to be had.
    pub fn to(name: &str, writer: impl Write + Send + 'static) -> io::Result<Self> {
        let (queue, lines) = sync_channel(QUEUE_LENGTH);
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let thread = thread::Builder::new().name(name.to_owned());
        thread.spawn(move || write_all(&lines, writer, &shared))?;
        Ok(Self { queue, state })
    }

    /// Hands a line over, or drops it: at once either way. If it is dropped, gives how many were.
    pub fn submit(&self, line: T) -> Option<u64> {
        // Before the thread can see it, or it would be counted off before it is counted.
        self.state.pending.fetch_add(1, Ordering::AcqRel);
        if self.queue.try_send(line).is_ok() {
            return None;
        }
        self.state.settle(1);
        Some(self.state.drop_lines(1))
    }

    /// Counts a line as dropped that the caller has no room for; gives how many were.
    pub fn drop_one(&self) -> u64 {
        self.state.drop_lines(1)
    }

    /// How many lines were dropped.
    pub fn dropped(&self) -> u64 {
        self.state.dropped.load(Ordering::Relaxed)
    }

    /// Waits until all that was handed over is written, for so long at the most; gives how many
    /// lines are not.
    pub fn flush(&self, timeout: Duration) -> usize {
        let turn = self.state.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let pending = || self.state.pending.load(Ordering::Acquire);
        let waited = self.state.is_idle.wait_timeout_while(turn, timeout, |()| pending() > 0);
        drop(waited);
        pending()
    }
}

impl State {
    /// So many lines are written, or dropped.
    fn settle(&self, lines: usize) {
        if self.pending.fetch_sub(lines, Ordering::AcqRel) == lines {
            // Whoever waits has looked before, or will look after this.
            drop(self.turn.lock().unwrap_or_else(PoisonError::into_inner));
            self.is_idle.notify_all();
        }
    }

    fn unreported(&self) -> Option<u64> {
        let dropped = self.dropped.load(Ordering::Relaxed);
        (self.reported.swap(dropped, Ordering::Relaxed) < dropped).then_some(dropped)
    }

    fn drop_lines(&self, lines: u64) -> u64 {
        self.dropped.fetch_add(lines, Ordering::Relaxed).saturating_add(lines)
    }
}

fn write_all<T: Line>(lines: &Receiver<T>, mut writer: impl Write, state: &State) {
    let mut batch = Vec::new();
    while let Ok(first) = lines.recv() {
        let (mut taken, mut written) = (0, 0);
        let mut next = Some(first);
        while let Some(line) = next {
            let length = batch.len();
            taken += 1;
            match line.append_to(&mut batch) {
                Ok(()) => written += 1,
                Err(_) => {
                    batch.truncate(length);
                    state.drop_lines(1);
                }
            }
            next = if batch.len() < BATCH_LENGTH { lines.try_recv().ok() } else { None };
        }
        if writer.write_all(&batch).and_then(|()| writer.flush()).is_err() {
            state.drop_lines(written);
        }
        batch.clear();
        state.settle(taken);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    type Written = Arc<Mutex<Vec<u8>>>;

    /// Collects what is written, once it is let through.
    struct Gate(Receiver<()>, Written);

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // An error means that all are let through.
            self.0.recv().ok();
            self.1.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn gated() -> (Lines<Vec<u8>>, mpsc::Sender<()>, Written) {
        let (let_through, gate) = mpsc::channel();
        let written = Written::default();
        let lines = Lines::to("lines", Gate(gate, Arc::clone(&written))).unwrap();
        (lines, let_through, written)
    }

    #[test]
    fn writes_all_in_order_before_it_is_flushed() {
        let (lines, let_through, written) = gated();
        let sent: Vec<u8> = (0..100_u8).flat_map(|number| [number, b'\n']).collect();
        for line in sent.chunks(2) {
            assert_eq!(lines.submit(line.to_vec()), None);
        }
        assert!(lines.flush(Duration::ZERO) > 0);
        drop(let_through);
        assert_eq!(lines.flush(PATIENCE), 0);
        assert_eq!(*written.lock().unwrap(), sent);
        assert_eq!(lines.dropped(), 0);
    }

    #[test]
    fn drops_and_counts_what_finds_no_room_and_never_waits() {
        const LENGTH: usize = 1024;
        let (lines, let_through, written) = gated();
        let results: Vec<_> =
            (0..QUEUE_LENGTH * 2).map(|_| lines.submit(vec![b'-'; LENGTH])).collect();
        let dropped = usize::try_from(lines.dropped()).unwrap();
        // What the thread has taken for its batch, and what its queue holds, found room.
        assert!(dropped >= QUEUE_LENGTH - BATCH_LENGTH / LENGTH, "{dropped}");
        assert_eq!(results.iter().flatten().count(), dropped);
        drop(let_through);
        assert_eq!(lines.flush(PATIENCE), 0);
        let written = written.lock().unwrap().len() / LENGTH;
        assert_eq!(written + dropped, results.len());
    }

    #[test]
    fn a_log_that_is_read_again_says_how_much_is_missing() {
        let (lines, let_through, written) = gated();
        let mut log = Log(&lines);
        for _ in 0..QUEUE_LENGTH * 2 {
            assert_eq!(log.write(&[b'-'; 1024]).unwrap(), 1024);
        }
        let dropped = lines.dropped();
        drop(let_through);
        assert_eq!(lines.flush(PATIENCE), 0);
        log.write_all(b"event\n").unwrap();
        assert_eq!(lines.flush(PATIENCE), 0);
        let written = written.lock().unwrap();
        let text = String::from_utf8_lossy(&written);
        let (_, notes) = text.rsplit_once("--").unwrap();
        assert!(dropped > 0);
        assert!(notes.contains(" lines of this log were dropped: nobody took them\n"), "{notes}");
        assert!(notes.ends_with("\nevent\n"), "{notes}");
    }

    #[test]
    fn counts_what_cannot_be_written() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let lines = Lines::to("lines", Closed).unwrap();
        for _ in 0..3 {
            assert_eq!(lines.submit(b"line\n".to_vec()), None);
        }
        assert_eq!((lines.flush(PATIENCE), lines.dropped()), (0, 3));
    }

    #[test]
    fn drops_what_is_no_line_and_nothing_else() {
        struct Odd(u8);
        impl Line for Odd {
            fn append_to(self, batch: &mut Vec<u8>) -> io::Result<()> {
                batch.push(self.0);
                if self.0.is_multiple_of(2) {
                    Ok(())
                } else {
                    Err(io::ErrorKind::InvalidData.into())
                }
            }
        }
        let (let_through, gate) = mpsc::channel::<()>();
        drop(let_through);
        let written = Written::default();
        let lines = Lines::to("lines", Gate(gate, Arc::clone(&written))).unwrap();
        for number in 0..6 {
            lines.submit(Odd(number));
        }
        assert_eq!((lines.flush(PATIENCE), lines.dropped()), (0, 3));
        assert_eq!(*written.lock().unwrap(), [0, 2, 4]);
    }
}
