//! The queue between the NSM thread (the worker) and its callers.
//!
//! The queue holds prefetched blocks of random bytes, waiting callers, and tasks. A task is a request for
//! an attestation document. The queue serves callers in their order of arrival. The worker runs tasks
//! before it fetches blocks, because tasks are rare and delay blocks little. Once a fault is latched, the
//! queue rejects all callers and tasks until the service restarts.
//!
//! A thread that holds the lock of the queue does not wait for another thread. Each block goes to at most
//! one caller. If a caller no longer waits, its block goes to the next caller. A block is zeroized when it
//! is dropped.

use std::collections::VecDeque;
use std::mem;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::locks::{Condvar, Mutex, MutexGuard};

/// A queue of blocks of type `B` and tasks of type `T`, with faults of type `F`.
pub(super) struct Queue<B, F, T> {
    limits: Limits,
    state: Mutex<State<B, F, T>>,
    /// Wakes the worker when there may be work.
    work_changed: Condvar,
}

/// The capacities of a queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Number of blocks to prefetch.
    pub(super) ready: usize,
    /// Maximum age of a block when a caller receives it.
    pub(super) max_age: Duration,
    /// Maximum number of waiting callers.
    pub(super) waiting: usize,
    /// Maximum number of waiting tasks.
    pub(super) tasks: usize,
}

struct State<B, F, T> {
    /// Prefetched blocks with their creation time, oldest first. Empty while a caller waits.
    ready: VecDeque<(Instant, B)>,
    waiting: VecDeque<oneshot::Sender<Result<B, F>>>,
    tasks: VecDeque<T>,
    status: DeviceStatus<F>,
    /// Number of blocks that expired so far.
    expired: u64,
    /// True while the worker sleeps and no thread has woken it.
    worker_asleep: bool,
    closed: bool,
}

/// The state of the NSM. The last block or fault determines this state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DeviceStatus<F> {
    /// The NSM works.
    Working,
    /// The last block or clock synchronization failed or took too long. The next block ends the fault.
    Faulty(F),
    /// Only a restart ends the fault.
    Latched(F),
}

/// A block for a caller, or a receiver for a later block.
#[derive(Debug)]
pub(super) enum Delivery<B, F> {
    /// A prefetched block.
    Ready(B),
    /// A receiver for the next block or a fault.
    Pending(oneshot::Receiver<Result<B, F>>),
}

/// The reason why the queue rejects a caller or a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QueueError<F> {
    /// The queue is latched.
    Latched(F),
    /// Too many callers or tasks wait.
    Full,
}

/// The next step of the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work<T> {
    /// Fetch a block from the device.
    FetchBlock,
    /// Run this task.
    Task(T),
    /// Check whether periodic work is due, because the time `tick` has passed.
    Tick,
    /// End the thread, because the queue is closed or latched.
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

    /// Returns a prefetched block, or a receiver for the next block. Dropping the receiver cancels the
    /// wait.
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
        // Waking the worker costs more than fetching a block, so one wake-up refills half of the blocks.
        if matches!(delivery, Delivery::Pending(_)) || state.ready.len() <= self.limits.ready / 2 {
            self.wake_worker(state);
        }
        Ok(delivery)
    }

    /// Queues a task. If the queue is latched or closed before the task runs, the queue drops the task. The
    /// caller then sees that the reply channel of the task is closed.
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

    /// Waits until there is work, or until the time `tick`.
    ///
    /// A waiting caller or a task always counts as work. If `refill` is true, space for another prefetched
    /// block and a fault also count as work. A service with a fault is not ready and receives no
    /// requests, so the worker itself must find out that the fault has ended.
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
            // The worker also wakes when the oldest block expires, because another block can replace that
            // block.
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

    /// Sends a block to the first caller that still waits. If no caller waits, adds the block to the
    /// prefetched blocks. Ends a fault that is not latched.
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

    /// Records the fault of a failed call for a block, and returns the fault to all waiting callers. Later
    /// callers may wait again.
    pub(super) fn fail(&self, fault: F) {
        let mut state = self.lock();
        state.record_fault(fault);
        state.fail_waiting(fault);
    }

    /// Records the fault of a call that fetches no block, such as a clock synchronization. Waiting callers
    /// continue to wait. The worker fetches a block to check whether the fault has ended.
    pub(super) fn record_fault(&self, fault: F) {
        let mut state = self.lock();
        state.record_fault(fault);
        self.wake_worker(state);
    }

    /// Records a timeout, unless the queue has a fault already. Other callers continue to wait.
    ///
    /// Wakes the worker, so that it fetches another block, which ends the fault. The worker may be asleep
    /// if it added a block just before the timeout.
    pub(super) fn record_timeout(&self, fault: F) {
        let mut state = self.lock();
        if matches!(state.status, DeviceStatus::Working) {
            state.status = DeviceStatus::Faulty(fault);
        }
        self.wake_worker(state);
    }

    /// Latches the queue: drops all blocks and tasks, and returns a fault to all waiting and later callers.
    /// A later fault does not replace the first latched fault.
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

    /// Closes the queue. No caller uses the queue afterwards.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.ready.clear();
        state.tasks.clear();
        self.wake_worker(state);
    }

    /// Returns the state of the device.
    pub(super) fn status(&self) -> DeviceStatus<F> {
        self.lock().status
    }

    /// Returns the number of prefetched blocks, and the number of expired blocks so far.
    pub(super) fn block_counts(&self) -> (usize, u64) {
        let state = self.lock();
        (state.ready.len(), state.expired)
    }

    /// Wakes the worker if it sleeps.
    fn wake_worker(&self, mut state: MutexGuard<'_, State<B, F, T>>) {
        let worker_asleep = mem::take(&mut state.worker_asleep);
        drop(state);
        if worker_asleep {
            self.work_changed.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<B, F, T>> {
        // Every step leaves the state consistent, so a poisoned lock is safe to use.
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

    /// Adds a waiting caller, unless `limit` callers wait. Cancelled callers do not count.
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
            // Sending fails if the caller no longer waits.
            drop(caller.send(Err(fault)));
        }
    }
}
