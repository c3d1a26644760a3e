//! Between the one thread that has blocks and the many callers that want them: a few blocks kept
//! ready, callers in the order they came, and the latch that ends it all. What else the thread is
//! asked for, which is little, are tasks; they go first.
//!
//! Neither side ever waits for the other while it holds the lock. A block is handed to one caller or
//! to none; one whose caller has gone by then is handed to the next. What is dropped is wiped, by
//! the block itself.

use std::collections::VecDeque;
use std::mem;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::sync::{Condvar, Mutex, MutexGuard};

/// Blocks of the type `B`, or faults of the type `F` in their stead; tasks of the type `T`.
pub(super) struct Queue<B, F, T> {
    limits: Limits,
    state: Mutex<State<B, F, T>>,
    /// There may be something to do for the thread.
    work_changed: Condvar,
}

/// How much a queue holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Blocks kept ready.
    pub(super) ready: usize,
    /// How old a block may be when it is handed out.
    pub(super) max_age: Duration,
    /// Callers that wait.
    pub(super) waiting: usize,
    /// Tasks that wait.
    pub(super) tasks: usize,
}

struct State<B, F, T> {
    /// The oldest first, each with the moment it was made. Empty while anybody waits.
    ready: VecDeque<(Instant, B)>,
    waiting: VecDeque<oneshot::Sender<Result<B, F>>>,
    tasks: VecDeque<T>,
    status: DeviceStatus<F>,
    /// Blocks that grew too old.
    expired: u64,
    /// The thread waits for work, and nobody has woken it since.
    worker_asleep: bool,
    closed: bool,
}

/// How things are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DeviceStatus<F> {
    /// The last block came when it should.
    Working,
    /// It did not; the next one that comes ends this.
    Faulty(F),
    /// Nothing ends this.
    Latched(F),
}

/// What a caller gets.
#[derive(Debug)]
pub(super) enum Delivery<B, F> {
    /// A block that was kept ready.
    Ready(B),
    /// The place at which one will arrive, or a fault.
    Pending(oneshot::Receiver<Result<B, F>>),
}

/// Why a caller gets nothing, and no place to wait at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QueueError<F> {
    /// It is latched.
    Latched(F),
    /// Too many wait already.
    Full,
}

/// What the thread is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work<T> {
    /// Make a block.
    FetchBlock,
    /// Do this.
    Task(T),
    /// See what else there is: it is time.
    Tick,
    /// End: nobody can ask any more, or nobody will be answered.
    Stop,
}

impl<B, F: Copy, T> Queue<B, F, T> {
    pub(super) fn new(limits: Limits) -> Self {
        let state = State {
            ready: VecDeque::with_capacity(limits.ready),
            waiting: VecDeque::new(),
            tasks: VecDeque::new(),
            status: DeviceStatus::Working,
            expired: 0,
            worker_asleep: false,
            closed: false,
        };
        Self { limits, state: Mutex::new(state), work_changed: Condvar::new() }
    }

    /// A block, or a place in the line. Dropping that place gives it up.
    pub(super) fn take(&self, now: Instant) -> Result<Delivery<B, F>, QueueError<F>> {
        let mut state = self.lock();
        if let DeviceStatus::Latched(fault) = state.status {
            return Err(QueueError::Latched(fault));
        }
        state.drop_expired(now, self.limits.max_age);
        let delivery = match state.ready.pop_front() {
            Some((_, block)) => Delivery::Ready(block),
            None => {
                Delivery::Pending(state.add_caller(self.limits.waiting).ok_or(QueueError::Full)?)
            }
        };
        // A wake-up costs more than a block: it is for half of them at a time.
        if matches!(delivery, Delivery::Pending(_)) || state.ready.len() <= self.limits.ready / 2 {
            self.wake_worker(state);
        }
        Ok(delivery)
    }

    /// Has something else done. A task that cannot be done any more is dropped, and tells its
    /// owner so by that.
    pub(super) fn submit(&self, task: T) -> Result<(), QueueError<F>> {
        let mut state = self.lock();
        if let DeviceStatus::Latched(fault) = state.status {
            return Err(QueueError::Latched(fault));
        }
        if state.tasks.len() >= self.limits.tasks {
            return Err(QueueError::Full);
        }
        state.tasks.push_back(task);
        self.wake_worker(state);
        Ok(())
    }

    /// Waits until there is something to do, or until `tick`. Without `refill` only callers count;
    /// with it also that there could be more blocks ready, and that a fault may be over: nobody asks
    /// a service that says it is not ready.
    pub(super) fn next_work(&self, tick: Instant, refill: bool) -> Work<T> {
        let mut state = self.lock();
        loop {
            if state.closed || matches!(state.status, DeviceStatus::Latched(_)) {
                return Work::Stop;
            }
            let now = Instant::now();
            if now >= tick {
                return Work::Tick;
            }
            if let Some(task) = state.tasks.pop_front() {
                return Work::Task(task);
            }
            state.drop_expired(now, self.limits.max_age);
            let room = state.ready.len() < self.limits.ready;
            let faulty = matches!(state.status, DeviceStatus::Faulty(_));
            if state.has_waiting_caller() || (refill && (room || faulty)) {
                return Work::FetchBlock;
            }
            // When the oldest block expires, another can take its place.
            let expiry =
                state.ready.front().map(|(created_at, _)| *created_at + self.limits.max_age);
            let wake = expiry.map_or(tick, |expiry| expiry.min(tick));
            let pause = wake.saturating_duration_since(now);
            state.worker_asleep = true;
            let woken = self.work_changed.wait_timeout(state, pause);
            (state, _) = woken.unwrap_or_else(PoisonError::into_inner);
            state.worker_asleep = false;
        }
    }

    /// Hands over a block that was made at `created_at`: to who waits, or to be kept ready.
    pub(super) fn put(&self, created_at: Instant, block: B) {
        let mut state = self.lock();
        match state.status {
            DeviceStatus::Latched(_) => return,
            DeviceStatus::Working | DeviceStatus::Faulty(_) => state.status = DeviceStatus::Working,
        }
        let mut block = block;
        while let Some(caller) = state.waiting.pop_front() {
            match caller.send(Ok(block)) {
                Ok(()) => return,
                Err(Ok(returned)) => block = returned,
                Err(Err(_)) => return,
            }
        }
        if state.ready.len() < self.limits.ready {
            state.ready.push_back((created_at, block));
        }
    }

    /// There is a fault instead of a block: all who wait are told, those who come may try again.
    pub(super) fn fail(&self, fault: F) {
        let mut state = self.lock();
        state.record_fault(fault);
        state.fail_waiting(fault);
    }

    /// There is a fault, and no block was asked for: who waits goes on, and a block will show whether
    /// it is over.
    pub(super) fn record_fault(&self, fault: F) {
        let mut state = self.lock();
        state.record_fault(fault);
        self.wake_worker(state);
    }

    /// Somebody waited for too long, which tells less than any other fault. Whether others do is up
    /// to them; whether it is over is for the thread to see, which may have handed over the block at
    /// the same moment.
    pub(super) fn record_timeout(&self, fault: F) {
        let mut state = self.lock();
        if matches!(state.status, DeviceStatus::Working) {
            state.status = DeviceStatus::Faulty(fault);
        }
        self.wake_worker(state);
    }

    /// From now on nobody is given anything; the first cause is kept. What was ready is dropped.
    pub(super) fn latch(&self, fault: F) {
        let mut state = self.lock();
        if !matches!(state.status, DeviceStatus::Latched(_)) {
            state.status = DeviceStatus::Latched(fault);
        }
        state.ready.clear();
        state.tasks.clear();
        state.fail_waiting(fault);
        self.wake_worker(state);
    }

    /// Nobody will ask any more.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.ready.clear();
        state.tasks.clear();
        self.wake_worker(state);
    }

    /// How things are.
    pub(super) fn status(&self) -> DeviceStatus<F> {
        self.lock().status
    }

    /// Blocks that are ready, and how many grew too old so far.
    pub(super) fn block_counts(&self) -> (usize, u64) {
        let state = self.lock();
        (state.ready.len(), state.expired)
    }

    /// Has the thread look, if it does not anyhow.
    fn wake_worker(&self, mut state: MutexGuard<'_, State<B, F, T>>) {
        let worker_asleep = mem::take(&mut state.worker_asleep);
        drop(state);
        if worker_asleep {
            self.work_changed.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<B, F, T>> {
        // The state is whole after every step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B, F: Copy, T> State<B, F, T> {
    fn drop_expired(&mut self, now: Instant, max_age: Duration) {
        while self
            .ready
            .front()
            .is_some_and(|(created_at, _)| now.duration_since(*created_at) >= max_age)
        {
            self.ready.pop_front();
            self.expired += 1;
        }
    }

    /// A place at the end of the line, if there is one. Those who have left take up none.
    fn add_caller(&mut self, limit: usize) -> Option<oneshot::Receiver<Result<B, F>>> {
        if self.waiting.len() >= limit {
            self.waiting.retain(|caller| !caller.is_closed());
        }
        if self.waiting.len() >= limit {
            return None;
        }
        let (caller, receiver) = oneshot::channel();
        self.waiting.push_back(caller);
        Some(receiver)
    }

    fn has_waiting_caller(&mut self) -> bool {
        while self.waiting.front().is_some_and(oneshot::Sender::is_closed) {
            self.waiting.pop_front();
        }
        !self.waiting.is_empty()
    }

    fn record_fault(&mut self, fault: F) {
        if !matches!(self.status, DeviceStatus::Latched(_)) {
            self.status = DeviceStatus::Faulty(fault);
        }
    }

    fn fail_waiting(&mut self, fault: F) {
        for caller in self.waiting.drain(..) {
            // Who has left need not be told.
            drop(caller.send(Err(fault)));
        }
    }
}
