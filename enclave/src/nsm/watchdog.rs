//! A watchdog for calls of the NSM that do not return.
//!
//! The kernel driver may block a call for two minutes. A blocked thread cannot report its own call, so
//! another thread monitors the call.
//!
//! A pause of this process restarts the time limit of the current call, because no call can return during a
//! pause.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{fmt, io, thread};

use crate::clock::PauseDetector;

/// A monitor of the calls of one thread.
pub(super) struct CallMonitor {
    limit: Duration,
    pauses: &'static PauseDetector,
    state: Mutex<State>,
    /// Notified when the monitor is stopped.
    finished: Condvar,
    /// Callback for a call that took too long. The callback runs at most once.
    on_timeout: Mutex<Option<OnTimeout>>,
}

type OnTimeout = Box<dyn FnOnce() + Send>;

#[derive(Clone, Copy, Debug)]
enum State {
    Idle,
    /// A call that started at this time.
    Calling(Instant),
    Stopped,
}

impl CallMonitor {
    /// Starts a thread that monitors calls. If a call takes longer than `limit`, the thread runs
    /// `on_timeout` and ends.
    pub(super) fn spawn(
        limit: Duration,
        pauses: &'static PauseDetector,
        on_timeout: impl FnOnce() + Send + 'static,
    ) -> io::Result<Arc<Self>> {
        let monitor = Arc::new(Self::without_thread(limit, pauses, on_timeout));
        let watched = Arc::clone(&monitor);
        thread::Builder::new().name("nsm-watchdog".to_owned()).spawn(move || {
            if watched.wait_for_timeout() {
                watched.run_on_timeout();
            }
        })?;
        Ok(monitor)
    }

    /// Returns a monitor without a thread. Only [`Self::call`] then detects that a call took too long,
    /// after the call has returned.
    pub(super) fn without_thread(
        limit: Duration,
        pauses: &'static PauseDetector,
        on_timeout: impl FnOnce() + Send + 'static,
    ) -> Self {
        Self {
            limit,
            pauses,
            state: Mutex::new(State::Idle),
            finished: Condvar::new(),
            on_timeout: Mutex::new(Some(Box::new(on_timeout))),
        }
    }

    /// Makes a monitored call. If the call took too long, returns `None` after `on_timeout` has run.
    pub(super) fn call<T>(&self, call: impl FnOnce() -> T) -> Option<T> {
        let start = Instant::now();
        self.set_state(State::Calling(start));
        let finish = FinishOnDrop(self);
        let result = call();
        drop(finish);
        if self.pauses.effective_start(start).elapsed() < self.limit && !self.has_timed_out() {
            return Some(result);
        }
        self.run_on_timeout();
        None
    }

    /// Runs `on_timeout`, unless `on_timeout` has run already. If another thread runs `on_timeout` now,
    /// waits for the end of that run.
    fn run_on_timeout(&self) {
        let mut on_timeout = self.on_timeout.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(on_timeout) = on_timeout.take() {
            on_timeout();
        }
    }

    fn has_timed_out(&self) -> bool {
        self.on_timeout.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// Returns the longest time that a call may take.
    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    /// Stops the monitor, whose thread then ends.
    pub(super) fn stop(&self) {
        *self.lock() = State::Stopped;
        self.finished.notify_one();
    }

    fn set_state(&self, next: State) {
        let mut state = self.lock();
        if !matches!(*state, State::Stopped) {
            *state = next;
        }
    }

    /// Waits until a call takes too long, or until the monitor is stopped. Returns whether a call took too
    /// long.
    ///
    /// The start of a call does not wake the monitoring thread. While no call runs, the thread wakes once
    /// per `limit`. So the thread wakes before a call that began in the meantime reaches the limit.
    fn wait_for_timeout(&self) -> bool {
        let mut state = self.lock();
        loop {
            let pause = match *state {
                State::Stopped => return false,
                State::Idle => self.limit,
                State::Calling(start) => {
                    let elapsed = self.pauses.effective_start(start).elapsed();
                    match self.limit.checked_sub(elapsed) {
                        None | Some(Duration::ZERO) => return true,
                        Some(left) => left,
                    }
                }
            };
            let woken = self.finished.wait_timeout(state, pause);
            (state, _) = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A guard that records the end of a call, even if the call panics.
struct FinishOnDrop<'a>(&'a CallMonitor);

impl Drop for FinishOnDrop<'_> {
    fn drop(&mut self) {
        self.0.set_state(State::Idle);
    }
}

impl fmt::Debug for CallMonitor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("CallMonitor").field("limit", &self.limit).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::panic::resume_unwind;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc;

    use super::*;

    /// Longer than any call in these tests, and shorter than the limit of a test.
    const BOUND: Duration = Duration::from_secs(60);

    #[test]
    fn reports_call_that_has_not_returned() {
        let (stuck, signal) = mpsc::channel();
        let limit = Duration::from_millis(1);
        let monitor =
            CallMonitor::spawn(limit, PauseDetector::global(), move || stuck.send(()).unwrap())
                .unwrap();
        // The call returns because `on_timeout` ran.
        let result = monitor.call(|| signal.recv_timeout(BOUND).unwrap());
        assert_eq!(result, None);
        monitor.stop();
    }

    #[test]
    fn slow_call_is_reported_once_when_it_returns() {
        let (stuck, signal) = mpsc::channel();
        let monitor =
            CallMonitor::without_thread(Duration::ZERO, PauseDetector::global(), move || {
                stuck.send(()).unwrap()
            });
        for _ in 0..2 {
            assert_eq!(monitor.call(|| ()), None);
        }
        drop(monitor);
        assert_eq!(signal.iter().count(), 1);
    }

    #[test]
    fn call_returns_after_on_timeout_has_finished() {
        let (begun, signal) = mpsc::channel();
        let done = Arc::new(AtomicBool::new(false));
        let doing = Arc::clone(&done);
        let monitor =
            CallMonitor::spawn(Duration::from_millis(1), PauseDetector::global(), move || {
                begun.send(()).unwrap();
                // Long enough for the call to return.
                (0..1000).for_each(|_| thread::yield_now());
                doing.store(true, Ordering::SeqCst);
            });
        let result = monitor.unwrap().call(|| signal.recv_timeout(BOUND).unwrap());
        assert_eq!((result, done.load(Ordering::SeqCst)), (None, true));
    }

    #[test]
    fn returned_and_panicked_calls_do_not_time_out() {
        let (stuck, signal) = mpsc::channel();
        let limit = Duration::from_millis(700);
        let monitor =
            CallMonitor::spawn(limit, PauseDetector::global(), move || stuck.send(()).unwrap())
                .unwrap();
        assert_eq!(monitor.call(|| 7), Some(7));
        assert_eq!(signal.recv_timeout(2 * limit), Err(mpsc::RecvTimeoutError::Timeout));
        // Unlike `panic!`, `resume_unwind` prints no backtrace. A backtrace can take longer than the limit.
        let panics = || monitor.call(|| resume_unwind(Box::new("a panic of this test")));
        assert!(thread::scope(|scope| scope.spawn(panics).join()).is_err());
        assert_eq!(signal.recv_timeout(2 * limit), Err(mpsc::RecvTimeoutError::Timeout));
        monitor.stop();
    }

    #[test]
    fn pause_restarts_the_limit_of_a_call() {
        let pauses = PauseDetector::global();
        let (stuck, signal) = mpsc::channel();
        let limit = Duration::from_secs(1);
        let monitor = CallMonitor::spawn(limit, pauses, move || stuck.send(()).unwrap()).unwrap();
        let returns = || {
            thread::sleep(limit / 2);
            pauses.simulate_pause();
            signal.recv_timeout(limit * 3 / 4)
        };
        assert_eq!(monitor.call(returns), Some(Err(mpsc::RecvTimeoutError::Timeout)));
        // This call does not return, not even after the pause.
        let hangs = || {
            pauses.simulate_pause();
            signal.recv_timeout(BOUND)
        };
        assert_eq!(monitor.call(hangs), None);
        monitor.stop();
    }

    #[test]
    fn many_fast_calls_do_not_time_out() {
        let (stuck, signal) = mpsc::channel::<()>();
        let monitor =
            CallMonitor::spawn(BOUND, PauseDetector::global(), move || stuck.send(()).unwrap())
                .unwrap();
        for number in 0..1000 {
            assert_eq!(monitor.call(|| number), Some(number));
        }
        monitor.stop();
        drop(monitor);
        // The thread ends, and drops the sender without running `on_timeout`.
        assert_eq!(signal.recv_timeout(BOUND), Err(mpsc::RecvTimeoutError::Disconnected));
    }

    #[test]
    fn detects_call_that_began_between_two_checks() {
        let (stuck, signal) = mpsc::channel();
        let limit = Duration::from_millis(20);
        let monitor = CallMonitor::spawn(limit, PauseDetector::global(), move || {
            stuck.send(Instant::now()).unwrap()
        })
        .unwrap();
        let mut times = None;
        let call = || times = Some((Instant::now(), signal.recv_timeout(BOUND).unwrap()));
        assert_eq!(monitor.call(call), None);
        let (begun, noticed) = times.unwrap();
        assert!(noticed.duration_since(begun) + Duration::from_millis(1) >= limit);
        monitor.stop();
    }
}
