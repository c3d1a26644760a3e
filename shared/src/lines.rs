//! Lines that a thread of their own writes, so that nobody who has one waits for who reads them: a
//! pipe that is not read blocks its writer.
//!
//! The crate `tracing-appender` does the same for a log, but ends by printing where nobody reads,
//! which blocks or panics in the very case that matters here.

use std::io::{self, Write};
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Lines that wait to be written; those that find no room are dropped and counted.
pub const QUEUE_LENGTH: usize = 1024;

/// Bytes that are written at once, where so many wait: what a pipe takes in one piece (`PIPE_BUF`),
/// so that the lines of two writers never mix in it. A longer line is written alone.
const BATCH_LENGTH: usize = 4096;

/// How long the thread lets lines gather. To wake it costs more than a line does, and where there are
/// thousands in a second it is not woken for each.
const GATHERING: Duration = Duration::from_millis(2);

/// As many lines are not kept waiting for more.
const GATHERED_LENGTH: usize = QUEUE_LENGTH / 4;

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
pub struct Lines<T: Line>(Arc<Way<T>>);

/// What all of them share; with it nothing more can come.
#[derive(Debug)]
struct Way<T: Line>(Arc<Queue<T>>);

/// A log's writer: each write is an event, and its line.
#[derive(Debug)]
pub struct Log<'a>(pub &'a Lines<Vec<u8>>);

impl Write for Log<'_> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let Self(lines) = self;
        let (dropped, reported) = (lines.dropped(), &lines.0.0.reported);
        if reported.load(Ordering::Relaxed) < dropped {
            // A note that finds no room is none of them: the next event tries again.
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

/// Of lines that were dropped before `event`, in JSON where that is.
fn note(dropped: u64, event: &[u8]) -> String {
    let text = format!("{dropped} lines of this log were dropped: nobody took them");
    match event.first() {
        Some(b'{') => {
            format!("{{\"level\":\"WARN\",\"message\":\"{text}\",\"dropped\":{dropped}}}\n")
        }
        _ => format!("{text}\n"),
    }
}

#[derive(Debug)]
struct Queue<T> {
    state: Mutex<State<T>>,
    /// There may be something to do for the thread.
    work: Condvar,
    /// All is written.
    is_idle: Condvar,
    /// Some are.
    #[cfg(feature = "transport")]
    settled: tokio::sync::Notify,
    dropped: AtomicU64,
    /// Of those dropped, how many a log has told of.
    reported: AtomicU64,
}

#[derive(Debug)]
struct State<T> {
    lines: Vec<T>,
    /// Queued or being written.
    pending: usize,
    thread: Thread,
    /// Somebody waits until all is written.
    hurried: bool,
    closed: bool,
}

/// What the thread does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Thread {
    /// It looks for lines by itself.
    Works,
    /// It lets lines gather, for a while.
    Gathers,
    /// It sleeps until there is a line.
    Sleeps,
}

impl<T: Line> Clone for Lines<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Line> Lines<T> {
    /// To `writer`, by a thread of this name.
    ///
    /// # Errors
    /// If there is no thread to be had.
    pub fn to(name: &str, writer: impl Write + Send + 'static) -> io::Result<Self> {
        let queue = Arc::new(Queue::new());
        let lines = Arc::clone(&queue);
        let thread = thread::Builder::new().name(name.to_owned());
        thread.spawn(move || write_all(&lines, writer))?;
        Ok(Self(Arc::new(Way(queue))))
    }

    /// Hands a line over, or drops it: at once either way.
    pub fn submit(&self, line: T) {
        if self.offer(line).is_err() {
            self.drop_one();
        }
    }

    /// Hands a line over if there is room for it.
    ///
    /// # Errors
    /// The line, if there is none: [`settled`](Self::settled) tells when that may have changed.
    pub fn offer(&self, line: T) -> Result<(), T> {
        self.0.0.offer(line)
    }

    /// Waits until lines are written or given up, from when this is called on: there is room then.
    #[cfg(feature = "transport")]
    pub fn settled(&self) -> tokio::sync::futures::Notified<'_> {
        self.0.0.settled.notified()
    }

    /// Counts a line as dropped for which the caller itself finds no room.
    pub fn drop_one(&self) {
        self.0.0.drop_lines(1);
    }

    /// How many lines were dropped.
    pub fn dropped(&self) -> u64 {
        self.0.0.dropped.load(Ordering::Relaxed)
    }

    /// Waits until all that was handed over is written, for so long at the most; gives how many
    /// lines are not.
    pub fn flush(&self, timeout: Duration) -> usize {
        self.0.0.flush(timeout)
    }
}

impl<T: Line> Drop for Way<T> {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.work.notify_one();
    }
}

impl<T> Queue<T> {
    fn new() -> Self {
        let state = State {
            lines: Vec::new(),
            pending: 0,
            thread: Thread::Works,
            hurried: false,
            closed: false,
        };
        Self {
            state: Mutex::new(state),
            work: Condvar::new(),
            is_idle: Condvar::new(),
            #[cfg(feature = "transport")]
            settled: tokio::sync::Notify::new(),
            dropped: AtomicU64::new(0),
            reported: AtomicU64::new(0),
        }
    }

    fn offer(&self, line: T) -> Result<(), T> {
        let mut state = self.lock();
        if state.pending >= QUEUE_LENGTH {
            return Err(line);
        }
        state.lines.push(line);
        state.pending += 1;
        let is_due = match state.thread {
            Thread::Works => false,
            Thread::Gathers => state.is_due(),
            Thread::Sleeps => true,
        };
        if is_due {
            // Nobody else need wake it.
            state.thread = Thread::Works;
            drop(state);
            self.work.notify_one();
        }
        Ok(())
    }

    /// Moves all lines into `taken` once there are some; `false` if there will never be any.
    fn take(&self, taken: &mut Vec<T>) -> bool {
        let mut state = self.lock();
        while state.lines.is_empty() {
            if state.closed {
                return false;
            }
            state.thread = Thread::Sleeps;
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if !state.is_due() {
            state.thread = Thread::Gathers;
            let gathered = self.work.wait_timeout(state, GATHERING);
            (state, _) = gathered.unwrap_or_else(PoisonError::into_inner);
        }
        state.thread = Thread::Works;
        mem::swap(&mut state.lines, taken);
        true
    }

    fn flush(&self, timeout: Duration) -> usize {
        let mut state = self.lock();
        state.hurried = state.pending > 0;
        self.work.notify_one();
        let waited = self.is_idle.wait_timeout_while(state, timeout, |state| state.pending > 0);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.pending
    }

    /// So many lines are written, or dropped.
    fn settle(&self, lines: usize) {
        let mut state = self.lock();
        state.pending = state.pending.saturating_sub(lines);
        let is_awaited = state.pending == 0 && mem::take(&mut state.hurried);
        drop(state);
        if is_awaited {
            self.is_idle.notify_all();
        }
        #[cfg(feature = "transport")]
        self.settled.notify_waiters();
    }

    fn drop_lines(&self, lines: u64) {
        self.dropped.fetch_add(lines, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // The state is whole after every step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    /// Whether what is there is written without waiting for more.
    fn is_due(&self) -> bool {
        self.hurried || self.closed || self.lines.len() >= GATHERED_LENGTH
    }
}

fn write_all<T: Line>(queue: &Queue<T>, writer: impl Write) {
    let mut batch = Batch { bytes: Vec::new(), lines: 0, writer, queue };
    let mut taken = Vec::new();
    while queue.take(&mut taken) {
        taken.drain(..).for_each(|line| batch.push(line));
        batch.write();
    }
}

/// Whole lines that are written at once.
struct Batch<'a, W, T> {
    bytes: Vec<u8>,
    lines: usize,
    writer: W,
    queue: &'a Queue<T>,
}

impl<W: Write, T: Line> Batch<'_, W, T> {
    /// Adds a line; what is before it is written first if both are too long together.
    fn push(&mut self, line: T) {
        let before = self.bytes.len();
        if line.append_to(&mut self.bytes).is_err() {
            self.bytes.truncate(before);
            self.queue.drop_lines(1);
            self.queue.settle(1);
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
            self.queue.drop_lines(u64::try_from(lines).unwrap_or(u64::MAX));
        }
        self.bytes.clear();
        self.queue.settle(lines);
    }
}

#[cfg(test)]
#[path = "lines_tests.rs"]
mod tests;
