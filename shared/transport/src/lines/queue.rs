//! The queue between the threads that hand lines over and the thread that writes them.

use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::count::Count;

/// Capacity for primary lines; further ones are dropped and counted. Secondary lines take none of these
/// places: see [`Lines::offer_secondary`](super::Lines::offer_secondary).
pub const QUEUE_LENGTH: usize = 1024;

/// Time for which the thread lets lines gather. A wake-up costs more than a line does, and a busy thread is
/// not woken for each of thousands of lines in a second.
const GATHERING: Duration = Duration::from_millis(2);

/// The number of lines that are written without waiting for more.
pub(super) const GATHERED_LENGTH: usize = QUEUE_LENGTH / 4;

/// A queue of lines for one thread.
#[derive(Debug)]
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    /// Notified when the thread may have something to do.
    work: Condvar,
    /// Notified when every line is written.
    is_idle: Condvar,
    /// The number of dropped lines.
    pub(super) dropped: AtomicU64,
    /// The number of dropped lines that a log has reported.
    pub(super) reported: AtomicU64,
}

#[derive(Debug)]
struct State<T> {
    lines: Vec<Queued<T>>,
    /// Lines that are queued or being written.
    pending: Count,
    thread: Thread,
    /// True while a flush waits until every line is written.
    hurried: bool,
    closed: bool,
}

/// A queued line.
#[derive(Debug)]
pub(super) struct Queued<T> {
    pub(super) line: T,
    pub(super) is_secondary: bool,
}

/// The state of the writing thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Thread {
    /// It looks for lines without a wake-up.
    Works,
    /// It lets lines gather, for a while.
    Gathers,
    /// It sleeps until it is woken.
    Sleeps,
}

impl<T> Queue<T> {
    pub(super) fn new() -> Self {
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
            dropped: AtomicU64::new(0),
            reported: AtomicU64::new(0),
        }
    }

    /// Queues a line, or returns it if `has_room` denies it a place.
    pub(super) fn offer(
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
            // One wake-up is enough.
            state.thread = Thread::Works;
            drop(state);
            self.work.notify_one();
        }
        Ok(())
    }

    /// Waits for lines and moves all into `taken`. Returns false if no line can come any more.
    pub(super) fn take(&self, taken: &mut Vec<Queued<T>>) -> bool {
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

    /// Waits until every line is written, at most for `timeout`. Returns the number of lines that are not.
    pub(super) fn flush(&self, timeout: Duration) -> usize {
        let mut state = self.lock();
        state.hurried = state.pending.all > 0;
        self.work.notify_one();
        let waited = self.is_idle.wait_timeout_while(state, timeout, |state| state.pending.all > 0);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.pending.all
    }

    /// Frees the places of lines that are written or dropped.
    pub(super) fn settle(&self, lines: Count) {
        let mut state = self.lock();
        state.pending = state.pending.minus(lines);
        let is_awaited = state.pending.all == 0 && mem::take(&mut state.hurried);
        drop(state);
        if is_awaited {
            self.is_idle.notify_all();
        }
    }

    /// Counts dropped lines.
    pub(super) fn drop_lines(&self, lines: u64) {
        self.dropped.fetch_add(lines, Ordering::Relaxed);
    }

    /// Ends the thread once it has written the queued lines.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.work.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // The state is consistent after every step, so a poisoned one can be used.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    /// Returns true if the queued lines are to be written without waiting for more.
    fn is_due(&self) -> bool {
        self.hurried || self.closed || self.lines.len() >= GATHERED_LENGTH
    }
}
