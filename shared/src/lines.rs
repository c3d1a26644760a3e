//! Lines that a thread of their own writes, so that nobody who has one waits for who reads them: a
//! pipe that is not read blocks its writer.
//!
//! The crate `tracing-appender` does the same for a log, but ends by printing where nobody reads,
//! which blocks or panics in the very case that matters here.

use std::io::{self, Write};
use std::mem;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Lines that wait to be written; those that find no room are dropped and counted.
pub const QUEUE_LENGTH: usize = 1024;

/// Bytes that are written at once, where so many wait: what a pipe takes in one piece (`PIPE_BUF`),
/// so that the lines of two writers never mix in it. A longer line is written alone.
const BATCH_LENGTH: usize = 4096;

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
        let (dropped, reported) = (lines.dropped(), &lines.state.reported);
        if reported.load(Ordering::Relaxed) < dropped {
            let note = format!("{dropped} lines of this log were dropped: nobody took them\n");
            // A note that finds no room is none of them: the next event tries again.
            if lines.offer(note.into_bytes()) {
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

    /// Hands a line over, or drops it: at once either way.
    pub fn submit(&self, line: T) {
        if !self.offer(line) {
            self.drop_one();
        }
    }

    /// Hands a line over if there is room for it.
    fn offer(&self, line: T) -> bool {
        // Before the thread can see it, or it would be counted off before it is counted.
        self.state.pending.fetch_add(1, Ordering::AcqRel);
        let queued = self.queue.try_send(line).is_ok();
        if !queued {
            self.state.settle(1);
        }
        queued
    }

    /// Counts a line as dropped for which the caller itself finds no room.
    pub fn drop_one(&self) {
        self.state.drop_lines(1);
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

    fn drop_lines(&self, lines: u64) {
        self.dropped.fetch_add(lines, Ordering::Relaxed);
    }
}

fn write_all<T: Line>(lines: &Receiver<T>, writer: impl Write, state: &State) {
    let mut batch = Batch { bytes: Vec::new(), lines: 0, writer, state };
    while let Ok(first) = lines.recv() {
        batch.push(first);
        // Nobody is kept waiting for a batch to be full.
        while let Ok(next) = lines.try_recv() {
            batch.push(next);
        }
        batch.write();
    }
}

/// Whole lines that are written at once.
struct Batch<'a, W> {
    bytes: Vec<u8>,
    lines: usize,
    writer: W,
    state: &'a State,
}

impl<W: Write> Batch<'_, W> {
    /// Adds a line; what is before it is written first if both are too long together.
    fn push(&mut self, line: impl Line) {
        let before = self.bytes.len();
        if line.append_to(&mut self.bytes).is_err() {
            self.bytes.truncate(before);
            self.state.drop_lines(1);
            self.state.settle(1);
            return;
        }
        if self.bytes.len() > BATCH_LENGTH && before > 0 {
            let line = self.bytes.split_off(before);
            self.write();
            self.bytes = line;
        }
        self.lines += 1;
    }

    fn write(&mut self) {
        let lines = mem::take(&mut self.lines);
        if lines == 0 {
            return;
        }
        if self.writer.write_all(&self.bytes).and_then(|()| self.writer.flush()).is_err() {
            self.state.drop_lines(u64::try_from(lines).unwrap_or(u64::MAX));
        }
        self.bytes.clear();
        self.state.settle(lines);
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
            lines.submit(line.to_vec());
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
        for _ in 0..QUEUE_LENGTH * 2 {
            lines.submit(vec![b'-'; LENGTH]);
        }
        let dropped = usize::try_from(lines.dropped()).unwrap();
        // What the thread has taken for its batch, and what its queue holds, found room.
        assert!(dropped >= QUEUE_LENGTH - BATCH_LENGTH / LENGTH - 1, "{dropped}");
        drop(let_through);
        assert_eq!(lines.flush(PATIENCE), 0);
        let written = written.lock().unwrap().len() / LENGTH;
        assert_eq!(written + dropped, QUEUE_LENGTH * 2);
    }

    #[test]
    fn a_log_that_is_read_again_says_how_much_is_missing() {
        let (lines, let_through, written) = gated();
        let mut log = Log(&lines);
        for _ in 0..QUEUE_LENGTH * 2 {
            // Not by the log, which would tell of it as soon as there is room.
            lines.submit(vec![b'-'; 1024]);
        }
        let dropped = lines.dropped();
        assert!(dropped > 0);
        drop(let_through);
        assert_eq!(lines.flush(PATIENCE), 0);
        for _ in 0..2 {
            log.write_all(b"event\n").unwrap();
        }
        assert_eq!(lines.flush(PATIENCE), 0);
        let written = written.lock().unwrap();
        let text = String::from_utf8_lossy(&written);
        let (lines, notes) = text.rsplit_once("--").unwrap();
        assert_eq!(lines.len() + 2, (QUEUE_LENGTH * 2 - usize::try_from(dropped).unwrap()) * 1024);
        let note = format!("{dropped} lines of this log were dropped: nobody took them\n");
        assert_eq!(notes, [&note, "event\n", "event\n"].concat());
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
            lines.submit(b"line\n".to_vec());
        }
        assert_eq!((lines.flush(PATIENCE), lines.dropped()), (0, 3));
    }

    #[test]
    fn writes_whole_lines_as_many_at_once_as_a_pipe_takes_in_one_piece() {
        struct Pieces(Arc<Mutex<Vec<Vec<u8>>>>, Receiver<()>);
        impl Write for Pieces {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.1.recv().ok();
                self.0.lock().unwrap().push(bytes.to_vec());
                Ok(bytes.len())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (let_through, gate) = mpsc::channel();
        let pieces = Arc::new(Mutex::new(Vec::new()));
        let lines = Lines::to("lines", Pieces(Arc::clone(&pieces), gate)).unwrap();
        // The first piece is whatever the thread found; the others wait until it is let through.
        for length in [10, 1500, 1500, 1500, 5000, 10, 10] {
            lines.submit([&vec![b'-'; length - 1][..], b"\n"].concat());
        }
        drop(let_through);
        assert_eq!(lines.flush(PATIENCE), 0);
        let pieces = pieces.lock().unwrap();
        for piece in pieces.iter() {
            assert_eq!(piece.last(), Some(&b'\n'));
            let lines = piece.iter().filter(|byte| **byte == b'\n').count();
            assert!(piece.len() <= BATCH_LENGTH || lines == 1, "{} bytes", piece.len());
        }
        assert_eq!(pieces.iter().map(Vec::len).sum::<usize>(), 9530);
        assert!(pieces.len() < 7, "some were written at once");
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
