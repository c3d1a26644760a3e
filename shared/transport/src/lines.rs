//! Lines that a thread of their own writes, so that nobody who has one waits for who reads them: a
//! pipe that is not read blocks its writer.
//!
//! The crate `tracing-appender` does the same for a log, but ends by printing where nobody reads,
//! which blocks or panics in the very case that matters here.

mod batch;

use std::io::{self, Write};
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Lines that wait to be written; those that find no room are dropped and counted. Secondary lines
/// take none of these places: see [`Lines::offer_secondary`].
pub const QUEUE_LENGTH: usize = 1024;

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
    settled: tokio::sync::Notify,
    dropped: AtomicU64,
    /// Of those dropped, how many a log has told of.
    reported: AtomicU64,
}

#[derive(Debug)]
struct State<T> {
    lines: Vec<Queued<T>>,
    /// Lines that are queued or being written.
    pending: Count,
    thread: Thread,
    /// Somebody waits until all is written.
    hurried: bool,
    closed: bool,
}

/// A line that waits.
#[derive(Debug)]
struct Queued<T> {
    line: T,
    is_secondary: bool,
}

/// A number of lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    all: usize,
    /// Secondary lines among them.
    secondary: usize,
}

impl Count {
    fn of(is_secondary: bool) -> Self {
        Self { all: 1, secondary: usize::from(is_secondary) }
    }

    fn plus(self, other: Self) -> Self {
        Self { all: self.all + other.all, secondary: self.secondary + other.secondary }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            all: self.all.saturating_sub(other.all),
            secondary: self.secondary.saturating_sub(other.secondary),
        }
    }

    fn primary(self) -> usize {
        self.all.saturating_sub(self.secondary)
    }
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
        thread.spawn(move || batch::write_all(&lines, writer))?;
        Ok(Self(Arc::new(Way(queue))))
    }

    /// Hands a line over, or drops it: at once either way.
    pub fn submit(&self, line: T) {
        if self.offer(line).is_err() {
            self.0.0.drop_lines(1);
        }
    }

    /// Hands a line over if there is room for it.
    ///
    /// # Errors
    /// The line, if there is none: [`settled`](Self::settled) tells when that may have changed.
    pub fn offer(&self, line: T) -> Result<(), T> {
        self.0.0.offer(line, |pending| pending.primary() < QUEUE_LENGTH, false)
    }

    /// Hands over a line that gives way to the others: it takes none of their [`QUEUE_LENGTH`]
    /// places, and is taken only while fewer than `limit` lines of either kind wait. So a slow reader
    /// gets no secondary lines, and a flood of them costs the other lines nothing.
    ///
    /// # Errors
    /// The line, if there is no room for it.
    pub fn offer_secondary(&self, line: T, limit: usize) -> Result<(), T> {
        self.0.0.offer(line, |pending| pending.all < limit, true)
    }

    /// Waits until lines are written or given up, from when this is called on: there is room then.
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
            pending: Count::default(),
            thread: Thread::Works,
            hurried: false,
            closed: false,
        };
        Self {
            state: Mutex::new(state),
            work: Condvar::new(),
            is_idle: Condvar::new(),
            settled: tokio::sync::Notify::new(),
            dropped: AtomicU64::new(0),
            reported: AtomicU64::new(0),
        }
    }

    fn offer(
        &self,
        line: T,
        has_room: impl Fn(Count) -> bool,
        is_secondary: bool,
    ) -> Result<(), T> {
        let mut state = self.lock();
        if !has_room(state.pending) {
            return Err(line);
        }
        state.lines.push(Queued { line, is_secondary });
        state.pending = state.pending.plus(Count::of(is_secondary));
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
    fn take(&self, taken: &mut Vec<Queued<T>>) -> bool {
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
        state.hurried = state.pending.all > 0;
        self.work.notify_one();
        let waited = self.is_idle.wait_timeout_while(state, timeout, |state| state.pending.all > 0);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.pending.all
    }

    /// So many lines are written, or dropped.
    fn settle(&self, lines: Count) {
        let mut state = self.lock();
        state.pending = state.pending.minus(lines);
        let is_awaited = state.pending.all == 0 && mem::take(&mut state.hurried);
        drop(state);
        if is_awaited {
            self.is_idle.notify_all();
        }
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

#[cfg(test)]
#[path = "lines_tests.rs"]
mod tests;
