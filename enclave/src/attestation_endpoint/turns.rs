//! Turns at the module, which makes few documents in a second: the budget, and the line of requests.
//!
//! The next turn belongs to the client that has gone longest without one, and among its connections to
//! the one that has gone longest without one. Clients that ask without a pause thus take turns (round
//! robin), and one that asks for the first time comes before them. One turn is out at a time, so that
//! the module makes entropy between any two documents.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use crate::request::{ConnectionKey, TurnKey};

/// Time between two turns: ten a second.
const PERIOD: Duration = Duration::from_millis(100);

/// Turns that are given at once after a pause.
const BURST: u32 = 20;

/// Longest wait in the line.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(10);

/// Requests in the line: as many as have a turn within [`MAX_WAIT`].
pub(super) const MAX_WAITING: usize = 100;

/// Turns that are remembered: those of the last five minutes, if all that could be were given.
const REMEMBERED: u64 = 3000;

/// The line of requests, and the last turns. A turn that is out keeps it alive.
#[derive(Debug)]
pub(super) struct Turns(Mutex<State>);

#[derive(Debug)]
struct State {
    /// Whether a turn is out. If none is, the line is empty.
    is_out: bool,
    /// The line, in the order in which requests came.
    waiting: Vec<Waiting>,
    history: History,
    budget: Budget,
}

#[derive(Debug)]
struct Waiting {
    connection: ConnectionKey,
    turn: oneshot::Sender<Turn>,
}

/// A turn. Dropped, it passes to the next in the line.
#[derive(Debug)]
pub(super) struct Turn(Option<Arc<Turns>>);

/// The line is full of others that come first, or the wait was too long.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Throttled;

impl Turns {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            is_out: false,
            waiting: Vec::new(),
            history: History::default(),
            budget: Budget { full_at: Instant::now() },
        })))
    }

    /// Waits for a turn.
    pub(super) async fn take(
        self: &Arc<Self>,
        connection: ConnectionKey,
    ) -> Result<Turn, Throttled> {
        let turn = match self.join(connection) {
            Ok(turn) => turn,
            // The channel closes where another request took the place.
            Err(place) => {
                timeout(MAX_WAIT, place).await.map_err(|_| Throttled)?.map_err(|_| Throttled)?
            }
        };
        // Only the turn that is out spends the budget.
        let pause = self.lock().budget.pause(Instant::now());
        sleep(pause).await;
        let mut state = self.lock();
        state.budget.spend(Instant::now());
        state.history.note(connection);
        drop(state);
        Ok(turn)
    }

    /// Returns the turn if it is not out, else a place in the line.
    fn join(self: &Arc<Self>, connection: ConnectionKey) -> Result<Turn, oneshot::Receiver<Turn>> {
        let mut state = self.lock();
        if !state.is_out {
            state.is_out = true;
            return Ok(Turn(Some(Arc::clone(self))));
        }
        let (turn, place) = oneshot::channel();
        state.drop_departed();
        state.waiting.push(Waiting { connection, turn });
        if state.waiting.len() > MAX_WAITING
            && let Some(last) = state.last()
        {
            state.waiting.remove(last);
        }
        Err(place)
    }

    /// Gives the turn to the next request in the line.
    fn pass_on(self: Arc<Self>) {
        loop {
            let mut state = self.lock();
            state.drop_departed();
            let Some(next) = state.next() else {
                state.is_out = false;
                return;
            };
            let Waiting { turn, .. } = state.waiting.remove(next);
            drop(state);
            let Err(mut unwanted) = turn.send(Turn(Some(Arc::clone(&self)))) else { return };
            // The request ended at this moment. Only this loop may pass the turn on.
            unwanted.0 = None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(turns) = self.0.take() {
            turns.pass_on();
        }
    }
}

impl State {
    fn drop_departed(&mut self) {
        self.waiting.retain(|waiting| !waiting.turn.is_closed());
    }

    /// Returns the index of the request whose turn is next.
    fn next(&self) -> Option<usize> {
        let line = self.waiting.iter().enumerate();
        let next = line.min_by_key(|(index, waiting)| {
            let (client, connection) = self.history.last(waiting.connection);
            (client, connection, *index)
        });
        next.map(|(index, _)| index)
    }

    /// Returns the index of the request whose turn would come last: one of the client with the most
    /// requests in the line.
    fn last(&self) -> Option<usize> {
        let line = self.waiting.iter().enumerate().map(|(index, waiting)| {
            let (client, connection) = self.history.last(waiting.connection);
            (connection, index, client, waiting.connection.client())
        });
        let mut line: Vec<_> = line.collect();
        line.sort_unstable_by_key(|(connection, index, ..)| (*connection, *index));
        let mut rounds = HashMap::<TurnKey, usize>::new();
        let last = line.into_iter().max_by_key(|(connection, index, client, key)| {
            let round = rounds.entry(*key).or_default();
            *round += 1;
            (*round, *client, *connection, *index)
        });
        last.map(|(_, index, ..)| index)
    }
}

/// The numbers of the last turns, by client and by connection.
#[derive(Debug, Default)]
struct History {
    turns: u64,
    last: HashMap<TurnKey, u64>,
}

impl History {
    /// Returns the numbers of the last turns of the client and of the connection; 0 if it had none.
    fn last(&self, connection: ConnectionKey) -> (u64, u64) {
        let last = |key| self.last.get(&key).copied().unwrap_or_default();
        (last(connection.client()), last(connection.connection()))
    }

    fn note(&mut self, connection: ConnectionKey) {
        self.turns += 1;
        for key in [connection.client(), connection.connection()] {
            self.last.insert(key, self.turns);
        }
        // A turn has two keys at most: what is forgotten at a time is as much as what is kept.
        if u64::try_from(self.last.len()).is_ok_and(|length| length > 4 * REMEMBERED) {
            let forgotten = self.turns.saturating_sub(REMEMBERED);
            self.last.retain(|_, turn| *turn > forgotten);
        }
    }
}

/// A token bucket of [`BURST`] turns, one more each [`PERIOD`].
#[derive(Debug)]
struct Budget {
    full_at: Instant,
}

impl Budget {
    /// Returns the time until the next turn.
    fn pause(&self, now: Instant) -> Duration {
        self.full_at.saturating_duration_since(now).saturating_sub((BURST - 1) * PERIOD)
    }

    fn spend(&mut self, now: Instant) {
        self.full_at = self.full_at.max(now) + PERIOD;
    }
}

#[cfg(test)]
#[path = "turns_tests.rs"]
mod tests;
