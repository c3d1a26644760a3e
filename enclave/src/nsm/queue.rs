//! Between the one thread that has blocks and the many callers that want them: a few blocks kept
//! ready, callers in the order they came, and the latch that ends it all. What else the thread is
//! asked for, which is little, are errands; they go first.
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

/// Blocks of the type `B`, or faults of the type `F` in their stead; errands of the type `E`.
pub(super) struct Queue<B, F, E> {
    limits: Limits,
    state: Mutex<State<B, F, E>>,
    /// There may be something to do for the thread.
    work: Condvar,
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
    /// Errands that wait.
    pub(super) errands: usize,
}

struct State<B, F, E> {
    /// The oldest first, each with the moment it was made. Empty while anybody waits.
    ready: VecDeque<(Instant, B)>,
    waiting: VecDeque<oneshot::Sender<Result<B, F>>>,
    errands: VecDeque<E>,
    condition: Condition<F>,
    /// Blocks that grew too old.
    expired: u64,
    /// The thread waits for work, and nobody has woken it since.
    asleep: bool,
    closed: bool,
}

/// How things are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition<F> {
    /// The last block came when it should.
    Good,
    /// It did not; the next one that comes ends this.
    Faulty(F),
    /// Nothing ends this.
    Latched(F),
}

/// What a caller gets.
#[derive(Debug)]
pub(super) enum Taken<B, F> {
    /// A block that was kept ready.
    Ready(B),
    /// The place at which one will arrive, or a fault.
    Wait(oneshot::Receiver<Result<B, F>>),
}

/// Why a caller gets nothing, and no place to wait at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotTaken<F> {
    /// It is latched.
    Latched(F),
    /// Too many wait already.
    Full,
}

/// What the thread is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work<E> {
    /// Make a block.
    Block,
    /// Do this.
    Errand(E),
    /// See what else there is: it is time.
    Tick,
    /// End: nobody can ask any more, or nobody will be answered.
    End,
}

impl<B, F: Copy, E> Queue<B, F, E> {
    pub(super) fn new(limits: Limits) -> Self {
        let state = State {
            ready: VecDeque::with_capacity(limits.ready),
            waiting: VecDeque::new(),
            errands: VecDeque::new(),
            condition: Condition::Good,
            expired: 0,
            asleep: false,
            closed: false,
        };
        Self { limits, state: Mutex::new(state), work: Condvar::new() }
    }

    /// A block, or a place in the line. Dropping that place gives it up.
    pub(super) fn take(&self, now: Instant) -> Result<Taken<B, F>, NotTaken<F>> {
        let mut state = self.lock();
        if let Condition::Latched(fault) = state.condition {
            return Err(NotTaken::Latched(fault));
        }
        state.drop_expired(now, self.limits.max_age);
        let taken = match state.ready.pop_front() {
            Some((_, block)) => Taken::Ready(block),
            None => Taken::Wait(state.wait(self.limits.waiting).ok_or(NotTaken::Full)?),
        };
        // A wake-up costs more than a block: it is for half of them at a time.
        if matches!(taken, Taken::Wait(_)) || state.ready.len() <= self.limits.ready / 2 {
            self.wake(state);
        }
        Ok(taken)
    }

    /// Has something else done. An errand that cannot be done any more is dropped, and tells its
    /// owner so by that.
    pub(super) fn send(&self, errand: E) -> Result<(), NotTaken<F>> {
        let mut state = self.lock();
        if let Condition::Latched(fault) = state.condition {
            return Err(NotTaken::Latched(fault));
        }
        if state.errands.len() >= self.limits.errands {
            return Err(NotTaken::Full);
        }
        state.errands.push_back(errand);
        self.wake(state);
        Ok(())
    }

    /// Waits until there is something to do, or until `tick`. Without `refill` only callers count;
    /// with it also that there could be more blocks ready, and that a fault may be over: nobody asks
    /// a service that says it is not ready.
    pub(super) fn work(&self, tick: Instant, refill: bool) -> Work<E> {
        let mut state = self.lock();
        loop {
            if state.closed || matches!(state.condition, Condition::Latched(_)) {
                return Work::End;
            }
            let now = Instant::now();
            if now >= tick {
                return Work::Tick;
            }
            if let Some(errand) = state.errands.pop_front() {
                return Work::Errand(errand);
            }
            state.drop_expired(now, self.limits.max_age);
            let room = state.ready.len() < self.limits.ready;
            let faulty = matches!(state.condition, Condition::Faulty(_));
            if state.is_waited_for() || (refill && (room || faulty)) {
                return Work::Block;
            }
            // When the oldest block expires, another can take its place.
            let expiry = state.ready.front().map(|(made, _)| *made + self.limits.max_age);
            let wake = expiry.map_or(tick, |expiry| expiry.min(tick));
            let pause = wake.saturating_duration_since(now);
            state.asleep = true;
            let woken = self.work.wait_timeout(state, pause);
            (state, _) = woken.unwrap_or_else(PoisonError::into_inner);
            state.asleep = false;
        }
    }

    /// Hands over a block that was made at `made`: to who waits, or to be kept ready.
    pub(super) fn put(&self, made: Instant, block: B) {
        let mut state = self.lock();
        match state.condition {
            Condition::Latched(_) => return,
            Condition::Good | Condition::Faulty(_) => state.condition = Condition::Good,
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
            state.ready.push_back((made, block));
        }
    }

    /// There is a fault instead of a block: all who wait are told, those who come may try again.
    pub(super) fn fail(&self, fault: F) {
        let mut state = self.lock();
        state.suffer(fault);
        state.refuse_all(fault);
    }

    /// There is a fault, and no block was asked for: who waits goes on, and a block will show whether
    /// it is over.
    pub(super) fn report(&self, fault: F) {
        let mut state = self.lock();
        state.suffer(fault);
        self.wake(state);
    }

    /// Somebody waited for too long, which tells less than any other fault. Whether others do is up
    /// to them; whether it is over is for the thread to see, which may have handed over the block at
    /// the same moment.
    pub(super) fn overdue(&self, fault: F) {
        let mut state = self.lock();
        if matches!(state.condition, Condition::Good) {
            state.condition = Condition::Faulty(fault);
        }
        self.wake(state);
    }

    /// From now on nobody is given anything; the first cause is kept. What was ready is dropped.
    pub(super) fn latch(&self, fault: F) {
        let mut state = self.lock();
        if !matches!(state.condition, Condition::Latched(_)) {
            state.condition = Condition::Latched(fault);
        }
        state.ready.clear();
        state.errands.clear();
        state.refuse_all(fault);
        self.wake(state);
    }

    /// Nobody will ask any more.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.ready.clear();
        state.errands.clear();
        self.wake(state);
    }

    /// How things are.
    pub(super) fn condition(&self) -> Condition<F> {
        self.lock().condition
    }

    /// Blocks that are ready, and how many grew too old so far.
    pub(super) fn stock(&self) -> (usize, u64) {
        let state = self.lock();
        (state.ready.len(), state.expired)
    }

    /// Has the thread look, if it does not anyhow.
    fn wake(&self, mut state: MutexGuard<'_, State<B, F, E>>) {
        let asleep = mem::take(&mut state.asleep);
        drop(state);
        if asleep {
            self.work.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<B, F, E>> {
        // The state is whole after every step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B, F: Copy, E> State<B, F, E> {
    fn drop_expired(&mut self, now: Instant, max_age: Duration) {
        while self.ready.front().is_some_and(|(made, _)| now.duration_since(*made) >= max_age) {
            self.ready.pop_front();
            self.expired += 1;
        }
    }

    /// A place at the end of the line, if there is one. Those who have left take up none.
    fn wait(&mut self, limit: usize) -> Option<oneshot::Receiver<Result<B, F>>> {
        if self.waiting.len() >= limit {
            self.waiting.retain(|caller| !caller.is_closed());
        }
        if self.waiting.len() >= limit {
            return None;
        }
        let (caller, place) = oneshot::channel();
        self.waiting.push_back(caller);
        Some(place)
    }

    fn is_waited_for(&mut self) -> bool {
        while self.waiting.front().is_some_and(oneshot::Sender::is_closed) {
            self.waiting.pop_front();
        }
        !self.waiting.is_empty()
    }

    fn suffer(&mut self, fault: F) {
        if !matches!(self.condition, Condition::Latched(_)) {
            self.condition = Condition::Faulty(fault);
        }
    }

    fn refuse_all(&mut self, fault: F) {
        for caller in self.waiting.drain(..) {
            // Who has left need not be told.
            drop(caller.send(Err(fault)));
        }
    }
}
