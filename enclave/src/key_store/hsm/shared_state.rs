//! The state that a store's threads and its requests share: the connection, the queue of requests, and the
//! number of threads. A thread that holds the lock does not call the module, and does not wait for another
//! thread.

use std::collections::VecDeque;
use std::iter;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use transport::limits::MAX_CONNECTIONS;

use super::super::fault::HsmFault;
use super::call_tracker::CallTracker;
use super::connection_state::{Connection, Event, State, Status};
use super::token_registry::TokenLocation;
use crate::entropy::RandomBytes;

/// The shared state of a store.
#[derive(Debug, Default)]
pub(super) struct StoreState {
    inner: Mutex<Inner>,
    calls: Arc<CallTracker>,
    /// Wakes workers when a request arrives, when the connection ends, and when the store is closed.
    work_changed: Condvar,
    /// Wakes the connection manager when the connection ends and when the store is closed. When a thread
    /// ends, wakes the thread that waits in `wait_for_threads`.
    state_changed: Condvar,
}

#[derive(Debug)]
struct Inner {
    state: State,
    /// Number of connections so far.
    connections: u64,
    queue: VecDeque<Request>,
    /// Number of threads that may call the module.
    threads: usize,
    closed: bool,
}

/// A request for random bytes.
#[derive(Debug)]
pub(super) struct Request {
    /// Number of random bytes.
    pub(super) length: usize,
    response: oneshot::Sender<Result<RandomBytes, HsmFault>>,
}

/// A receiver for the response to a request. If the receiver returns an error, the connection has ended.
pub(super) type Response = oneshot::Receiver<Result<RandomBytes, HsmFault>>;

/// The reason why a request cannot wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum EnqueueError {
    /// The store is not connected.
    NotConnected(Status),
    /// The queue is full.
    Full,
}

/// The next step of a worker.
#[derive(Debug)]
pub(super) enum Work {
    /// Answer this request over this connection.
    Answer(Connection, Request),
    /// Close the session, because its connection has ended.
    CloseSession,
    /// End the thread.
    Stop,
}

/// The reason why the connection manager stops waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WaitResult {
    /// The period is over.
    Elapsed,
    /// The connection has ended.
    ConnectionEnded,
    /// The store is closed.
    Closed,
}

/// A guard for a thread that may call the module. Dropping the guard reports the end or the panic of the
/// thread.
pub(super) struct ThreadGuard<'a>(&'a StoreState);

impl StoreState {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No panic can leave the state half-written.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the tracker of the calls of the module.
    pub(super) fn calls(&self) -> &Arc<CallTracker> {
        &self.calls
    }

    /// Returns the status of the store.
    pub(super) fn status(&self) -> Status {
        self.status_at(Instant::now())
    }

    fn status_at(&self, now: Instant) -> Status {
        self.lock().state.status(self.calls.fault(now))
    }

    /// Returns the fault of the last attempt to connect or of the last connection, if there is one.
    pub(super) fn fault(&self) -> Option<HsmFault> {
        self.lock().state.fault().cloned()
    }

    /// Returns true if the store has failed, and only a restart ends the failure.
    pub(super) fn is_latched(&self) -> bool {
        self.lock().state.is_latched()
    }

    /// Returns true if the store answers requests over `connection`.
    pub(super) fn is_current(&self, connection: Connection) -> bool {
        self.lock().state.is_current(connection)
    }

    /// Returns true if the store is closed.
    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Reports that an attempt to connect succeeded with the token at `location`. Returns the new
    /// connection.
    pub(super) fn connected(&self, location: TokenLocation) -> Connection {
        let mut inner = self.lock();
        inner.connections += 1;
        let connection = Connection { number: inner.connections, location };
        self.apply(&mut inner, Event::Connected(connection));
        connection
    }

    /// Reports that an attempt to connect failed.
    pub(super) fn attempt_failed(&self, fault: HsmFault) {
        self.apply(&mut self.lock(), Event::AttemptFailed(fault));
    }

    /// Reports that `connection` has ended. Returns true for the first report that changes the state.
    pub(super) fn connection_lost(&self, connection: Connection, fault: &HsmFault) -> bool {
        self.apply(&mut self.lock(), Event::ConnectionLost(connection, fault.clone()))
    }

    /// Applies an event, and returns true if the event changes the state.
    fn apply(&self, inner: &mut Inner, event: Event) -> bool {
        let Some(next) = inner.state.next(event) else { return false };
        inner.state = next;
        if inner.state.connection().is_none() {
            self.end_waits(inner);
        }
        true
    }

    /// Ends all waits. Drops all queued requests, so that their receivers return an error.
    fn end_waits(&self, inner: &mut Inner) {
        inner.queue.clear();
        self.work_changed.notify_all();
        self.state_changed.notify_all();
    }

    /// Queues a request for `length` random bytes.
    pub(super) fn enqueue(&self, length: usize) -> Result<Response, EnqueueError> {
        let mut inner = self.lock();
        match inner.state.status(self.calls.fault(Instant::now())) {
            Status::Connected => {}
            other => return Err(EnqueueError::NotConnected(other)),
        }
        if inner.queue.len() >= MAX_CONNECTIONS {
            inner.queue.retain(|request| !request.response.is_closed());
        }
        if inner.queue.len() >= MAX_CONNECTIONS {
            return Err(EnqueueError::Full);
        }
        let (sender, response) = oneshot::channel();
        inner.queue.push_back(Request { length, response: sender });
        self.work_changed.notify_one();
        Ok(response)
    }

    /// Waits for the next step of a worker. `session` is the connection that the worker's open session
    /// belongs to.
    pub(super) fn next_work(&self, session: Option<Connection>) -> Work {
        let mut inner = self.lock();
        loop {
            if let Some(work) = inner.next_work(session) {
                return work;
            }
            inner = self.work_changed.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits for `period`, or until `connection` ends or the store is closed.
    pub(super) fn wait(&self, connection: Option<Connection>, period: Duration) -> WaitResult {
        let ended = |inner: &Inner| {
            connection.is_some_and(|connection| !inner.state.is_current(connection))
        };
        let must_wait = |inner: &mut Inner| !inner.closed && !ended(inner);
        let wait = self.state_changed.wait_timeout_while(self.lock(), period, must_wait);
        let (inner, _) = wait.unwrap_or_else(PoisonError::into_inner);
        match (inner.closed, ended(&inner)) {
            (true, _) => WaitResult::Closed,
            (false, true) => WaitResult::ConnectionEnded,
            (false, false) => WaitResult::Elapsed,
        }
    }

    /// Registers the current thread until the guard is dropped.
    pub(super) fn register_thread(&self) -> ThreadGuard<'_> {
        self.lock().threads += 1;
        ThreadGuard(self)
    }

    /// Closes the store. Each thread ends, at the latest when its current call returns.
    pub(super) fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        self.calls.close();
        self.end_waits(&mut inner);
    }

    /// Waits until all threads have ended, or until `deadline`.
    pub(super) fn wait_for_threads(&self, deadline: Instant) {
        let timeout = deadline.saturating_duration_since(Instant::now());
        let has_threads = |inner: &mut Inner| inner.threads > 0;
        drop(self.state_changed.wait_timeout_while(self.lock(), timeout, has_threads));
    }
}

impl Default for Inner {
    fn default() -> Self {
        let state = State::Connecting;
        Self { state, connections: 0, queue: VecDeque::new(), threads: 0, closed: false }
    }
}

impl Inner {
    /// Returns the next step of a worker, or `None` if the worker has to wait.
    fn next_work(&mut self, session: Option<Connection>) -> Option<Work> {
        let current = self.state.connection();
        if self.closed {
            return Some(Work::Stop);
        }
        if session.is_some() && session != current {
            return Some(Work::CloseSession);
        }
        let (current, request) = (current?, self.next_request()?);
        Some(Work::Answer(current, request))
    }

    /// Removes the next request from the queue. Skips and removes requests whose callers no longer wait.
    fn next_request(&mut self) -> Option<Request> {
        iter::from_fn(|| self.queue.pop_front()).find(|request| !request.response.is_closed())
    }
}

impl Request {
    /// Sends the result. If the caller no longer waits, the random bytes are dropped, which zeroizes them.
    pub(super) fn respond(self, result: Result<RandomBytes, HsmFault>) {
        drop(self.response.send(result));
    }
}

impl Drop for ThreadGuard<'_> {
    fn drop(&mut self) {
        let mut inner = self.0.lock();
        inner.threads -= 1;
        if thread::panicking() {
            self.0.apply(&mut inner, Event::ThreadPanicked);
        }
        self.0.state_changed.notify_all();
    }
}

#[cfg(test)]
#[path = "shared_state_tests.rs"]
mod tests;
