//! What a store's threads and its callers share: how the connection is, who waits, and which calls of
//! the module are under way. Whoever holds the lock does nothing else meanwhile.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use transport::limits::MAX_CONNECTIONS;

use super::calls::{Calls, STUCK_AFTER, Seat};
use super::fault::HsmFault;
use super::module::Place;
use crate::entropy::RandomBytes;

/// Connections count from one, so that whoever has lost the last does not take the next for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Connection {
    number: u64,
    /// Where the token is, which may be elsewhere each time.
    pub(super) place: Place,
}

#[derive(Debug)]
enum Phase {
    Connecting,
    Connected(Connection),
    Failed(HsmFault),
}

/// How a store is, to who looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    Connecting,
    Connected,
    Failed(HsmFault),
}

/// Why there is no place in the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoPlace {
    /// It is not connected.
    NotConnected(Condition),
    /// All are taken.
    Full,
}

/// Somebody who waits for random bytes.
#[derive(Debug)]
pub(super) struct Request {
    /// How many.
    pub(super) length: usize,
    reply: oneshot::Sender<Result<RandomBytes, HsmFault>>,
}

impl Request {
    /// Gives what came of it. Whoever has gone in the meantime has it wiped.
    pub(super) fn answer(self, result: Result<RandomBytes, HsmFault>) {
        drop(self.reply.send(result));
    }
}

/// What is shared.
#[derive(Debug)]
pub(super) struct Link {
    state: Mutex<State>,
    /// CryptoPool wait here for requests, and for the end of their connection.
    work: Condvar,
    /// The keeper waits here for the end of what it keeps, and whoever closes it for that of threads.
    ended: Condvar,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    connections: u64,
    waiting: VecDeque<Request>,
    calls: Calls,
    /// Threads that may still call.
    threads: usize,
    closed: bool,
}

/// A thread that may call the module, for as long as this is kept.
pub(super) struct Attendance<'a>(&'a Link);

impl Drop for Attendance<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.threads -= 1;
        if thread::panicking() {
            state.turn_to(Phase::Failed(HsmFault::ThreadEnded));
            state.waiting.clear();
            self.0.work.notify_all();
        }
        self.0.ended.notify_all();
    }
}

/// What a worker is to do next.
#[derive(Debug)]
pub(super) enum Work {
    /// Answer this, over this connection.
    Answer(Connection, Request),
    /// Let go of the session that it has: its connection has ended.
    LetGo,
    /// End.
    End,
}

/// What the keeper wakes up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// It is as it was when it went to sleep.
    Still,
    /// The connection has ended.
    Ended,
    /// Nobody needs it any more.
    Closed,
}

impl Link {
    pub(super) fn new() -> Self {
        let state = State {
            phase: Phase::Connecting,
            connections: 0,
            waiting: VecDeque::new(),
            calls: Calls::default(),
            threads: 0,
            closed: false,
        };
        Self { state: Mutex::new(state), work: Condvar::new(), ended: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that is done under it can leave it half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How it is.
    pub(super) fn condition(&self) -> Condition {
        self.lock().condition(Instant::now())
    }

    /// Takes a place in the line.
    pub(super) fn ask(
        &self,
        length: usize,
    ) -> Result<oneshot::Receiver<Result<RandomBytes, HsmFault>>, NoPlace> {
        let mut state = self.lock();
        match state.condition(Instant::now()) {
            Condition::Connected => {}
            other => return Err(NoPlace::NotConnected(other)),
        }
        if state.waiting.len() >= MAX_CONNECTIONS {
            // Those who have gone need no place.
            state.waiting.retain(|request| !request.reply.is_closed());
        }
        if state.waiting.len() >= MAX_CONNECTIONS {
            return Err(NoPlace::Full);
        }
        let (reply, answer) = oneshot::channel();
        state.waiting.push_back(Request { length, reply });
        self.work.notify_one();
        Ok(answer)
    }

    /// Waits for work, with a session of `connection` in hand or with none.
    pub(super) fn work(&self, connection: Option<Connection>) -> Work {
        let mut state = self.lock();
        loop {
            if state.closed {
                return Work::End;
            }
            let current = match state.phase {
                Phase::Connected(current) => Some(current),
                Phase::Connecting | Phase::Failed(_) => None,
            };
            if connection.is_some() && connection != current {
                return Work::LetGo;
            }
            if let Some(current) = current
                && let Some(request) = state.next()
            {
                return Work::Answer(current, request);
            }
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Begins a call. Whether one is still to be made.
    pub(super) fn begin(&self, seat: Seat) -> bool {
        let mut state = self.lock();
        state.calls.begin(seat);
        !state.closed
    }

    /// A call has returned.
    pub(super) fn end(&self, seat: Seat) {
        self.lock().calls.end(seat);
    }

    /// It is connected, to the token there.
    pub(super) fn connected(&self, place: Place) -> Connection {
        let mut state = self.lock();
        state.connections += 1;
        let connection = Connection { number: state.connections, place };
        state.turn_to(Phase::Connected(connection));
        connection
    }

    /// It could not be connected.
    pub(super) fn not_connected(&self, fault: HsmFault) {
        self.lock().turn_to(Phase::Failed(fault));
    }

    /// Whether nobody needs it any more.
    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// CryptoPool that are in no call.
    pub(super) fn idle_workers(&self) -> usize {
        self.lock().calls.idle_workers()
    }

    /// Whether this is the connection that there is.
    pub(super) fn is_current(&self, connection: Connection) -> bool {
        self.lock().is_current(connection)
    }

    /// Whoever first finds that `connection` has ended ends it for all: those who wait as well.
    /// Returns whether it was the first.
    pub(super) fn lost(&self, connection: Connection, fault: &HsmFault) -> bool {
        let mut state = self.lock();
        // What nothing but a restart ends counts wherever it was found; and once.
        let is_news = match &state.phase {
            Phase::Failed(known) if known.is_final() => false,
            _ => fault.is_final() || state.is_current(connection),
        };
        if !is_news {
            return false;
        }
        state.turn_to(Phase::Failed(fault.clone()));
        // Each learns it by its sender's end.
        state.waiting.clear();
        self.work.notify_all();
        self.ended.notify_all();
        true
    }

    /// Why it ended, if it has.
    pub(super) fn fault(&self) -> Option<HsmFault> {
        match &self.lock().phase {
            Phase::Failed(fault) => Some(fault.clone()),
            Phase::Connecting | Phase::Connected(_) => None,
        }
    }

    /// Sleeps for so long, or until `connection` ends.
    pub(super) fn keep(&self, connection: Option<Connection>, period: Duration) -> Kept {
        let is_same =
            |state: &State| connection.is_none_or(|connection| state.is_current(connection));
        let slept = self
            .ended
            .wait_timeout_while(self.lock(), period, |state| !state.closed && is_same(state));
        let (state, _) = slept.unwrap_or_else(PoisonError::into_inner);
        match (state.closed, is_same(&state)) {
            (true, _) => Kept::Closed,
            (false, true) => Kept::Still,
            (false, false) => Kept::Ended,
        }
    }

    /// A thread begins.
    pub(super) fn attend(&self) -> Attendance<'_> {
        self.lock().threads += 1;
        Attendance(self)
    }

    /// Ends all threads, as they come back.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.waiting.clear();
        self.work.notify_all();
        self.ended.notify_all();
    }

    /// Waits for the end of all threads, or for the deadline.
    pub(super) fn ended(&self, deadline: Instant) {
        let patience = deadline.saturating_duration_since(Instant::now());
        let has_threads = |state: &mut State| state.threads > 0;
        drop(self.ended.wait_timeout_while(self.lock(), patience, has_threads));
    }
}

impl State {
    /// What nothing but a restart ends stays so, whoever finds what else.
    fn turn_to(&mut self, phase: Phase) {
        match &self.phase {
            Phase::Failed(fault) if fault.is_final() => {}
            _ => self.phase = phase,
        }
    }

    fn is_current(&self, connection: Connection) -> bool {
        matches!(self.phase, Phase::Connected(current) if current == connection)
    }

    /// The next who still waits.
    fn next(&mut self) -> Option<Request> {
        loop {
            let request = self.waiting.pop_front()?;
            if !request.reply.is_closed() {
                return Some(request);
            }
        }
    }

    /// How it is at `now`. A thread that does not return cannot say so itself, so that whoever asks
    /// looks.
    fn condition(&self, now: Instant) -> Condition {
        match &self.phase {
            Phase::Failed(fault) if fault.is_final() => Condition::Failed(fault.clone()),
            // Also in the middle of another attempt.
            _ if self.calls.are_stuck(now) => {
                Condition::Failed(HsmFault::Stuck { limit: STUCK_AFTER })
            }
            Phase::Failed(fault) => Condition::Failed(fault.clone()),
            Phase::Connecting => Condition::Connecting,
            Phase::Connected(_) => Condition::Connected,
        }
    }
}

#[cfg(test)]
#[path = "link_tests.rs"]
mod tests;
