//! A fair queue of the requests for documents. The NSM creates few documents per second, so the queue has a
//! rate limit.
//!
//! Each request needs a permit. The queue selects the client whose last permit is the oldest. Of this
//! client's connections, the queue selects the connection whose last permit is the oldest. Clients that send
//! requests continuously are therefore served round robin. The first request of a new client is served before
//! their requests.
//!
//! At most one permit is held at a time, so that the NSM can produce entropy between two documents.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use crate::request::{ConnectionKey, FlowKey};

/// Time between two permits. The rate is ten permits per second.
const PERIOD: Duration = Duration::from_millis(100);

/// Number of permits that can be granted without a delay after an idle period.
const BURST: u32 = 20;

/// Maximum time that a request waits in the queue.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(10);

/// Maximum number of requests in the queue. This number of requests receives permits within [`MAX_WAIT`].
pub(super) const MAX_QUEUE_LENGTH: usize = 100;

/// Number of permits in the history. At the full rate, these are the permits of the last five minutes.
const HISTORY_LENGTH: u64 = 3000;

/// A fair queue of requests. A held permit contains a reference to the queue.
#[derive(Debug)]
pub(super) struct FairQueue(Mutex<State>);

#[derive(Debug)]
struct State {
    /// True if a permit is held. If it is false, `requests` is empty.
    is_permit_held: bool,
    /// The waiting requests, in the order of their arrival.
    requests: Vec<QueuedRequest>,
    history: History,
    bucket: TokenBucket,
}

#[derive(Debug)]
struct QueuedRequest {
    connection: ConnectionKey,
    permit: oneshot::Sender<Permit>,
}

/// The permit to request a document from the NSM. On drop, the next request receives the permit.
#[derive(Debug)]
pub(super) struct Permit(Option<Arc<FairQueue>>);

/// The error for a request that was evicted from the full queue, or that waited too long.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ThrottledError;

impl FairQueue {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            is_permit_held: false,
            requests: Vec::new(),
            history: History::default(),
            bucket: TokenBucket { full_at: Instant::now() },
        })))
    }

    /// Waits for a permit.
    pub(super) async fn acquire(
        self: &Arc<Self>,
        connection: ConnectionKey,
    ) -> Result<Permit, ThrottledError> {
        let permit = match self.enqueue(connection) {
            Ok(permit) => permit,
            Err(receiver) => {
                let received = timeout(MAX_WAIT, receiver).await.map_err(|_| ThrottledError)?;
                // The eviction of a request drops the sender.
                received.map_err(|_| ThrottledError)?
            }
        };
        // Only the holder of the permit spends tokens.
        let delay = self.lock().bucket.time_to_next(Instant::now());
        sleep(delay).await;
        let mut state = self.lock();
        state.bucket.spend(Instant::now());
        state.history.record(connection);
        drop(state);
        Ok(permit)
    }

    /// Returns the permit, if no request holds it. Otherwise adds a request to the queue, and returns the
    /// receiver for the permit as the error.
    fn enqueue(
        self: &Arc<Self>,
        connection: ConnectionKey,
    ) -> Result<Permit, oneshot::Receiver<Permit>> {
        let mut state = self.lock();
        if !state.is_permit_held {
            state.is_permit_held = true;
            return Ok(Permit(Some(Arc::clone(self))));
        }
        let (permit, receiver) = oneshot::channel();
        state.remove_cancelled();
        state.requests.push(QueuedRequest { connection, permit });
        if state.requests.len() > MAX_QUEUE_LENGTH
            && let Some(evicted) = state.eviction_index()
        {
            state.requests.remove(evicted);
        }
        Err(receiver)
    }

    /// Grants the permit to the next request in the queue.
    fn grant_next(self: Arc<Self>) {
        loop {
            let mut state = self.lock();
            state.remove_cancelled();
            let Some(next) = state.next_index() else {
                state.is_permit_held = false;
                return;
            };
            let QueuedRequest { permit, .. } = state.requests.remove(next);
            drop(state);
            let Err(mut returned) = permit.send(Permit(Some(Arc::clone(&self)))) else { return };
            // The request was cancelled after `remove_cancelled`. The drop of the returned permit must not grant a
            // permit, because this loop selects the next request.
            returned.0 = None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(queue) = self.0.take() {
            queue.grant_next();
        }
    }
}

impl State {
    fn remove_cancelled(&mut self) {
        self.requests.retain(|request| !request.permit.is_closed());
    }

    /// Returns the index of the request that receives the next permit.
    fn next_index(&self) -> Option<usize> {
        let requests = self.requests.iter().enumerate();
        let next = requests.min_by_key(|(index, request)| {
            let (client, connection) = self.history.last_permits(request.connection);
            (client, connection, *index)
        });
        next.map(|(index, _)| index)
    }

    /// Returns the index of the request that would be served last. This is a request of the client with the most
    /// requests in the queue.
    fn eviction_index(&self) -> Option<usize> {
        let requests = self.requests.iter().enumerate().map(|(index, request)| {
            let (client, connection) = self.history.last_permits(request.connection);
            (connection, index, client, request.connection.client_flow())
        });
        let mut requests: Vec<_> = requests.collect();
        requests.sort_unstable_by_key(|(connection, index, ..)| (*connection, *index));
        let mut rounds = HashMap::<FlowKey, usize>::new();
        let last = requests.into_iter().max_by_key(|(connection, index, client, key)| {
            let round = rounds.entry(*key).or_default();
            *round += 1;
            (*round, *client, *connection, *index)
        });
        last.map(|(_, index, ..)| index)
    }
}

/// The sequence numbers of the last permits, by client and by connection.
#[derive(Debug, Default)]
struct History {
    /// The number of granted permits.
    permits: u64,
    last: HashMap<FlowKey, u64>,
}

impl History {
    /// Returns the number of the client's last permit, and the number of the connection's last permit. The number
    /// is 0 if there was no permit.
    fn last_permits(&self, connection: ConnectionKey) -> (u64, u64) {
        let last = |key| self.last.get(&key).copied().unwrap_or_default();
        (last(connection.client_flow()), last(connection.connection_flow()))
    }

    fn record(&mut self, connection: ConnectionKey) {
        self.permits += 1;
        for key in [connection.client_flow(), connection.connection_flow()] {
            self.last.insert(key, self.permits);
        }
        // A clean-up keeps the entries of the last `HISTORY_LENGTH` permits. Each permit adds at most two entries.
        // So a clean-up removes at least half of the entries.
        if u64::try_from(self.last.len()).is_ok_and(|length| length > 4 * HISTORY_LENGTH) {
            let removed = self.permits.saturating_sub(HISTORY_LENGTH);
            self.last.retain(|_, permit| *permit > removed);
        }
    }
}

/// A token bucket with room for [`BURST`] tokens. One token is added in each [`PERIOD`].
#[derive(Debug)]
struct TokenBucket {
    full_at: Instant,
}

impl TokenBucket {
    /// Returns the time until the next token.
    fn time_to_next(&self, now: Instant) -> Duration {
        self.full_at.saturating_duration_since(now).saturating_sub((BURST - 1) * PERIOD)
    }

    fn spend(&mut self, now: Instant) {
        self.full_at = self.full_at.max(now) + PERIOD;
    }
}

#[cfg(test)]
#[path = "fair_queue_tests.rs"]
mod tests;
