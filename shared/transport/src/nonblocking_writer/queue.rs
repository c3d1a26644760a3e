//! The queue between the callers and the writing thread.

use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::line_count::LineCount;

/// Capacity for primary lines. Further primary lines are dropped and counted. Secondary lines use none of these
/// places: see [`NonBlockingWriter::try_send_secondary`](super::NonBlockingWriter::try_send_secondary).
pub const QUEUE_LENGTH: usize = 1024;

/// Time for which the thread waits for further lines before it writes a batch.
///
/// A wake-up costs more than a line, so the thread is not woken for each of thousands of lines per second.
const BATCH_DELAY: Duration = Duration::from_millis(2);

/// Number of queued lines that are written without waiting for more.
pub(super) const EAGER_WRITE_LENGTH: usize = QUEUE_LENGTH / 4;

/// A queue of lines for one writing thread.
#[derive(Debug)]
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    /// Notified when the thread must check its state.
    work: Condvar,
    /// Notified when every line is written, and when the thread ends.
    is_idle: Condvar,
    /// The number of dropped lines.
    pub(super) dropped: AtomicU64,
    /// The number of dropped lines that the log has reported.
    pub(super) reported: AtomicU64,
}

#[derive(Debug)]
struct State<T> {
    lines: Vec<QueuedItem<T>>,
    /// The lines that are queued or being written.
    pending: LineCount,
    /// The number of the last line. A dropped line has a number too.
    last_number: u64,
    thread: ThreadState,
    /// True if a flush waits until every line is written.
    flushing: bool,
    closed: bool,
    /// True if the thread has ended.
    ended: bool,
}

/// A queued item.
#[derive(Debug)]
pub(super) struct QueuedItem<T> {
    pub(super) item: T,
    pub(super) number: u64,
    pub(super) is_secondary: bool,
}

/// The result of [`Queue::take`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    /// The number of the last line that was queued or dropped.
    pub(super) last_number: u64,
    /// True if no lines follow.
    pub(super) is_end: bool,
}

/// The state of the writing thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ThreadState {
    /// The thread checks for lines without a wake-up.
    Working,
    /// The thread waits up to [`BATCH_DELAY`] for further lines.
    Batching,
    /// The thread sleeps until it is woken.
    Sleeping,
}

impl<T> Queue<T> {
    pub(super) fn new() -> Self {
        let state = State {
            lines: Vec::new(),
            pending: LineCount::default(),
            last_number: 0,
            thread: ThreadState::Working,
            flushing: false,
            closed: false,
            ended: false,
        };
        Self {
            state: Mutex::new(state),
            work: Condvar::new(),
            is_idle: Condvar::new(),
            dropped: AtomicU64::new(0),
            reported: AtomicU64::new(0),
        }
    }

    /// Queues a line and returns its number, or returns the line if `has_room` returns false for the pending lines.
    pub(super) fn try_push(
        &self,
        line: T,
        has_room: impl Fn(LineCount) -> bool,
        is_secondary: bool,
    ) -> Result<u64, T> {
        let state = self.lock();
        match !state.closed && has_room(state.pending) {
            true => Ok(self.push(state, line, is_secondary)),
            false => Err(line),
        }
    }

    /// Queues a primary line, or drops and counts it if `has_room` returns false for the pending lines. Returns the
    /// number of the line in both cases.
    pub(super) fn push_or_drop(&self, line: T, has_room: impl Fn(LineCount) -> bool) -> u64 {
        let mut state = self.lock();
        if !state.closed && has_room(state.pending) {
            return self.push(state, line, false);
        }
        let number = state.take_number();
        drop(state);
        self.count_dropped(1);
        number
    }

    /// Numbers a line and queues it. Both happen under one lock, so the queue is in the order of the numbers.
    fn push(&self, mut state: MutexGuard<'_, State<T>>, line: T, is_secondary: bool) -> u64 {
        let number = state.take_number();
        state.lines.push(QueuedItem { item: line, number, is_secondary });
        state.pending = state.pending.plus(LineCount::one(is_secondary));
        let is_due = match state.thread {
            ThreadState::Working => false,
            ThreadState::Batching => state.is_due(),
            ThreadState::Sleeping => true,
        };
        if is_due {
            // One wake-up suffices until the thread sleeps again.
            state.thread = ThreadState::Working;
            drop(state);
            self.work.notify_one();
        }
        number
    }

    /// Waits for lines and moves all into `taken`. Waits until `deadline` at most.
    pub(super) fn take(&self, taken: &mut Vec<QueuedItem<T>>, deadline: Option<Instant>) -> Taken {
        let mut state = self.wait_for_line(deadline);
        if !state.lines.is_empty() && !state.is_due() {
            state.thread = ThreadState::Batching;
            let woken = self.work.wait_timeout(state, BATCH_DELAY);
            (state, _) = woken.unwrap_or_else(PoisonError::into_inner);
        }
        state.thread = ThreadState::Working;
        mem::swap(&mut state.lines, taken);
        // No line is queued after the queue is closed.
        Taken { last_number: state.last_number, is_end: state.closed }
    }

    /// Waits until there is a line, the queue is closed, or `deadline` has passed.
    fn wait_for_line(&self, deadline: Option<Instant>) -> MutexGuard<'_, State<T>> {
        let mut state = self.lock();
        while state.lines.is_empty() && !state.closed {
            state.thread = ThreadState::Sleeping;
            let Some(deadline) = deadline else {
                state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let woken = self.work.wait_timeout(state, left);
            (state, _) = woken.unwrap_or_else(PoisonError::into_inner);
        }
        state
    }

    /// Waits until every line is written, for at most `timeout`. Returns the number of unwritten lines.
    pub(super) fn flush(&self, timeout: Duration) -> usize {
        let mut state = self.lock();
        state.flushing = state.pending.all > 0;
        self.work.notify_one();
        let waited = self.is_idle.wait_timeout_while(state, timeout, |state| state.pending.all > 0);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.pending.all
    }

    /// Frees the places of written or dropped lines.
    pub(super) fn release(&self, lines: LineCount) {
        let mut state = self.lock();
        state.pending = state.pending.minus(lines);
        let is_flushed = state.pending.all == 0 && mem::take(&mut state.flushing);
        drop(state);
        if is_flushed {
            self.is_idle.notify_all();
        }
    }

    /// Counts dropped lines.
    pub(super) fn count_dropped(&self, lines: u64) {
        self.dropped.fetch_add(lines, Ordering::Relaxed);
    }

    /// Ends the thread once it has written the queued lines. The queue accepts no further lines.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.work.notify_one();
    }

    /// Records that the thread has ended.
    pub(super) fn end(&self) {
        self.lock().ended = true;
        self.is_idle.notify_all();
    }

    /// Closes the queue and waits until the thread has ended, for at most `timeout`. Returns the number of unwritten
    /// lines.
    pub(super) fn finish(&self, timeout: Duration) -> usize {
        self.close();
        let waited = self.is_idle.wait_timeout_while(self.lock(), timeout, |state| !state.ended);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.pending.all
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // The state is consistent after every step, so a poisoned lock can be used.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    /// Returns the number of the next line.
    fn take_number(&mut self) -> u64 {
        self.last_number = self.last_number.saturating_add(1);
        self.last_number
    }

    /// Returns whether the queued lines must be written without waiting for more.
    fn is_due(&self) -> bool {
        self.flushing || self.closed || self.lines.len() >= EAGER_WRITE_LENGTH
    }
}
