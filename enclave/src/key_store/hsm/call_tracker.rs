//! A record of the current calls of a module, and the check for stuck calls.
//!
//! A thread cannot report that its own call does not return. So each thread calls the module through a
//! [`ModuleCaller`], which records the start and the end of each call. Any other thread can check these
//! records.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::super::fault::HsmFault;
use crate::clock::PauseDetector;

/// Number of worker threads of a store, each with a session.
const WORKERS: usize = 4;

/// Time limit of calls. Calls are stuck in two cases:
///
/// - A call has lasted for this time, and no call has returned since its start.
/// - The current calls of all workers have lasted for this time.
pub(super) const STUCK_AFTER: Duration = Duration::from_secs(10);

/// A slot of the call tracker, which is not a slot of PKCS#11. Each thread has one slot and makes at most
/// one call at a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct ThreadSlot(usize);

impl ThreadSlot {
    /// The slot of the connection manager.
    pub(super) const CONNECTION_MANAGER: Self = Self(WORKERS);

    /// Returns the slots of the workers.
    pub(super) fn workers() -> impl Iterator<Item = Self> {
        (0..WORKERS).map(Self)
    }
}

/// The calls of all threads of a store.
#[derive(Debug, Default)]
pub(super) struct CallTracker(Mutex<Calls>);

impl CallTracker {
    /// Returns a fault if calls are stuck at `now`, as [`STUCK_AFTER`] defines.
    pub(super) fn fault(&self, now: Instant) -> Option<HsmFault> {
        self.lock().are_stuck(now).then_some(HsmFault::Stuck { limit: STUCK_AFTER })
    }

    /// Returns the number of workers that are in no call.
    pub(super) fn idle_workers(&self) -> usize {
        self.lock().idle_workers()
    }

    /// Rejects all later calls, except those that close sessions.
    pub(super) fn close(&self) {
        self.lock().closed = true;
    }

    fn lock(&self) -> MutexGuard<'_, Calls> {
        // No panic can leave the records half-written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A wrapper through which one thread calls the module. The wrapper records each call.
#[derive(Clone)]
pub(super) struct ModuleCaller {
    tracker: Arc<CallTracker>,
    slot: ThreadSlot,
}

impl ModuleCaller {
    /// Returns the wrapper for the thread with this slot.
    pub(super) fn new(tracker: &Arc<CallTracker>, slot: ThreadSlot) -> Self {
        Self { tracker: Arc::clone(tracker), slot }
    }

    /// Makes a call, unless the tracker is closed.
    pub(super) fn call<T>(
        &self,
        call: impl FnOnce() -> Result<T, HsmFault>,
    ) -> Result<T, HsmFault> {
        let result = match self.begin() {
            true => call(),
            false => Err(HsmFault::ConnectionLost),
        };
        self.end();
        result
    }

    /// Makes a call that closes a session, even if the tracker is closed.
    pub(super) fn close_session(&self, call: impl FnOnce()) {
        self.begin();
        call();
        self.end();
    }

    /// Records the start of a call, and returns false if the tracker is closed.
    fn begin(&self) -> bool {
        let mut calls = self.tracker.lock();
        calls.begin(self.slot, Instant::now());
        !calls.closed
    }

    fn end(&self) {
        self.tracker.lock().end(self.slot, Instant::now());
    }
}

/// The records of a call tracker.
#[derive(Debug, Default)]
struct Calls {
    /// Start of the current call in each slot.
    began: [Option<Instant>; WORKERS + 1],
    /// Time of the last return of a call.
    returned: Option<Instant>,
    closed: bool,
}

impl Calls {
    fn begin(&mut self, slot: ThreadSlot, now: Instant) {
        self.set(slot, Some(now));
    }

    fn end(&mut self, slot: ThreadSlot, now: Instant) {
        self.set(slot, None);
        self.returned = Some(now);
    }

    fn set(&mut self, ThreadSlot(slot): ThreadSlot, began: Option<Instant>) {
        if let Some(call) = self.began.get_mut(slot) {
            *call = began;
        }
    }

    fn call_in(&self, ThreadSlot(slot): ThreadSlot) -> Option<Instant> {
        self.began.get(slot).copied().flatten()
    }

    fn idle_workers(&self) -> usize {
        ThreadSlot::workers().filter(|slot| self.call_in(*slot).is_none()).count()
    }

    fn are_stuck(&self, now: Instant) -> bool {
        // No call can return while this process is paused.
        let pauses = PauseDetector::global();
        let is_long = |began: Instant| {
            now.saturating_duration_since(pauses.effective_start(began)) >= STUCK_AFTER
        };
        let returned_since = |began: Instant| self.returned.is_some_and(|at| at >= began);
        let hangs = |began: &Instant| is_long(*began) && !returned_since(*began);
        self.began.iter().flatten().any(hangs)
            || ThreadSlot::workers().all(|slot| self.call_in(slot).is_some_and(is_long))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANAGER: ThreadSlot = ThreadSlot::CONNECTION_MANAGER;
    const SECOND: Duration = Duration::from_secs(1);

    fn worker() -> ThreadSlot {
        ThreadSlot::workers().next().unwrap()
    }

    #[test]
    fn no_call_is_stuck_at_first() {
        assert!(!Calls::default().are_stuck(Instant::now() + STUCK_AFTER));
    }

    #[test]
    fn call_is_stuck_after_its_time_limit() {
        for slot in [worker(), MANAGER] {
            let (mut calls, began) = (Calls::default(), Instant::now());
            calls.begin(slot, began);
            assert!(!calls.are_stuck(began + STUCK_AFTER - SECOND));
            assert!(calls.are_stuck(began + STUCK_AFTER));
        }
    }

    #[test]
    fn call_is_not_stuck_once_a_later_call_returned() {
        let (mut calls, began) = (Calls::default(), Instant::now());
        calls.begin(worker(), began);
        calls.begin(MANAGER, began + SECOND);
        calls.end(MANAGER, began + SECOND);
        assert!(!calls.are_stuck(began + STUCK_AFTER));
    }

    #[test]
    fn call_is_stuck_if_only_an_earlier_call_returned() {
        let (mut calls, began) = (Calls::default(), Instant::now());
        calls.begin(MANAGER, began);
        calls.end(MANAGER, began + SECOND);
        calls.begin(worker(), began + SECOND * 2);
        assert!(calls.are_stuck(began + SECOND * 2 + STUCK_AFTER));
    }

    #[test]
    fn call_is_no_longer_stuck_once_it_returned() {
        let (mut calls, began) = (Calls::default(), Instant::now());
        calls.begin(worker(), began);
        assert!(calls.are_stuck(began + STUCK_AFTER));
        calls.end(worker(), began + STUCK_AFTER);
        assert!(!calls.are_stuck(began + STUCK_AFTER * 2));
    }

    #[test]
    fn each_call_of_a_thread_has_its_own_time_limit() {
        let (mut calls, began) = (Calls::default(), Instant::now());
        calls.begin(MANAGER, began);
        calls.end(MANAGER, began + SECOND);
        calls.begin(MANAGER, began + SECOND);
        assert!(!calls.are_stuck(began + STUCK_AFTER));
    }

    #[test]
    fn all_workers_in_calls_are_stuck_though_the_manager_is_not() {
        let (mut calls, began) = (Calls::default(), Instant::now());
        ThreadSlot::workers().for_each(|slot| calls.begin(slot, began));
        calls.begin(MANAGER, began + SECOND);
        calls.end(MANAGER, began + SECOND);
        assert!(!calls.are_stuck(began + STUCK_AFTER - SECOND));
        assert!(calls.are_stuck(began + STUCK_AFTER));
        calls.end(worker(), began + STUCK_AFTER);
        assert!(!calls.are_stuck(began + STUCK_AFTER));
    }

    #[test]
    fn worker_is_idle_outside_its_calls() {
        let tracker = Arc::new(CallTracker::default());
        let caller = ModuleCaller::new(&tracker, worker());
        assert_eq!(caller.call(|| Ok(tracker.idle_workers())), Ok(WORKERS - 1));
        assert_eq!(tracker.idle_workers(), WORKERS);
        let manager = ModuleCaller::new(&tracker, MANAGER);
        assert_eq!(manager.call(|| Ok(tracker.idle_workers())), Ok(WORKERS));
    }

    #[test]
    fn closed_tracker_rejects_all_calls_but_session_closes() {
        let tracker = Arc::new(CallTracker::default());
        let caller = ModuleCaller::new(&tracker, worker());
        assert_eq!(caller.call(|| Ok(())), Ok(()));
        tracker.close();
        let mut called = false;
        let call = || {
            called = true;
            Ok(())
        };
        assert_eq!(caller.call(call), Err(HsmFault::ConnectionLost));
        assert!(!called);
        caller.close_session(|| called = true);
        assert!(called);
    }
}
