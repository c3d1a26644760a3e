//! Notices a call that does not return. The kernel's driver may hold one for two minutes, and the
//! thread that made it can say nothing meanwhile.
//!
//! A pause of this process is no time that a call took: what is under way has its limit once more after it.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{fmt, io, thread};

use crate::clock::Pauses;

/// The call that is under way, if one is.
pub(super) struct Flight {
    limit: Duration,
    pauses: &'static Pauses,
    state: Mutex<State>,
    landed: Condvar,
    /// What is done about a call that took too long; done once.
    on_stuck: Mutex<Option<OnStuck>>,
}

type OnStuck = Box<dyn FnOnce() + Send>;

#[derive(Clone, Copy, Debug)]
enum State {
    Grounded,
    Since(Instant),
    Over,
}

impl Flight {
    /// Watches calls, each of which may take `limit`, on a thread of its own. If one takes longer
    /// `on_stuck` is called, once, and the watch is over.
    pub(super) fn watch(
        limit: Duration,
        pauses: &'static Pauses,
        on_stuck: impl FnOnce() + Send + 'static,
    ) -> io::Result<Arc<Self>> {
        let flight = Arc::new(Self::unwatched(limit, pauses, on_stuck));
        let watched = Arc::clone(&flight);
        thread::Builder::new().name("nsm-watchdog".to_owned()).spawn(move || {
            if watched.is_stuck() {
                watched.tell();
            }
        })?;
        Ok(flight)
    }

    /// One whose calls nobody but who makes them finds to be too long.
    pub(super) fn unwatched(
        limit: Duration,
        pauses: &'static Pauses,
        on_stuck: impl FnOnce() + Send + 'static,
    ) -> Self {
        Self {
            limit,
            pauses,
            state: Mutex::new(State::Grounded),
            landed: Condvar::new(),
            on_stuck: Mutex::new(Some(Box::new(on_stuck))),
        }
    }

    /// Makes a call under watch. `None` if it took too long; what is done about it has been done by
    /// then, by whoever noticed first.
    pub(super) fn call<T>(&self, call: impl FnOnce() -> T) -> Option<T> {
        let start = Instant::now();
        self.enter(State::Since(start));
        let landing = Landing(self);
        let result = call();
        drop(landing);
        if self.pauses.restart(start).elapsed() < self.limit && !self.has_told() {
            return Some(result);
        }
        self.tell();
        None
    }

    /// Whoever comes second waits for the first.
    fn tell(&self) {
        let mut on_stuck = self.on_stuck.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(on_stuck) = on_stuck.take() {
            on_stuck();
        }
    }

    fn has_told(&self) -> bool {
        self.on_stuck.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// How long a call may take.
    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    /// No call will be made any more.
    pub(super) fn end(&self) {
        *self.lock() = State::Over;
        self.landed.notify_one();
    }

    fn enter(&self, next: State) {
        let mut state = self.lock();
        if !matches!(*state, State::Over) {
            *state = next;
        }
    }

    /// Waits for a call to be stuck, or for the end. Nobody wakes it when a call begins: if none
    /// is under way it looks again after `limit`, when a call that began since is not yet stuck.
    fn is_stuck(&self) -> bool {
        let mut state = self.lock();
        loop {
            let pause = match *state {
                State::Over => return false,
                State::Grounded => self.limit,
                State::Since(start) => {
                    let took = self.pauses.restart(start).elapsed();
                    match self.limit.checked_sub(took) {
                        None | Some(Duration::ZERO) => return true,
                        Some(left) => left,
                    }
                }
            };
            let woken = self.landed.wait_timeout(state, pause);
            (state, _) = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Also a call that panics has landed.
struct Landing<'a>(&'a Flight);

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        self.0.enter(State::Grounded);
    }
}

impl fmt::Debug for Flight {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Flight").field("limit", &self.limit).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::panic::resume_unwind;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc;

    use super::*;

    /// Far longer than any call here takes, and far shorter than the test may.
    const BOUND: Duration = Duration::from_secs(60);

    #[test]
    fn tells_of_a_call_that_is_still_under_way() {
        let (stuck, told) = mpsc::channel();
        let limit = Duration::from_millis(1);
        let flight =
            Flight::watch(limit, Pauses::of_process(), move || stuck.send(()).unwrap()).unwrap();
        // It returns because it was told of.
        let result = flight.call(|| told.recv_timeout(BOUND).unwrap());
        assert_eq!(result, None);
        flight.end();
    }

    #[test]
    fn a_call_that_took_too_long_unnoticed_is_told_of_when_it_returns_and_once() {
        let (stuck, told) = mpsc::channel();
        let flight = Flight::unwatched(Duration::ZERO, Pauses::of_process(), move || {
            stuck.send(()).unwrap()
        });
        for _ in 0..2 {
            assert_eq!(flight.call(|| ()), None);
        }
        drop(flight);
        assert_eq!(told.iter().count(), 1);
    }

    #[test]
    fn a_call_that_was_told_of_does_not_return_before_that_is_done() {
        let (begun, told) = mpsc::channel();
        let done = Arc::new(AtomicBool::new(false));
        let doing = Arc::clone(&done);
        let flight = Flight::watch(Duration::from_millis(1), Pauses::of_process(), move || {
            begun.send(()).unwrap();
            // Long enough for the call to return meanwhile.
            (0..1000).for_each(|_| thread::yield_now());
            doing.store(true, Ordering::SeqCst);
        });
        let result = flight.unwrap().call(|| told.recv_timeout(BOUND).unwrap());
        assert_eq!((result, done.load(Ordering::SeqCst)), (None, true));
    }

    #[test]
    fn a_call_that_returned_or_panicked_is_not_under_way() {
        let (stuck, told) = mpsc::channel();
        let limit = Duration::from_millis(700);
        let flight =
            Flight::watch(limit, Pauses::of_process(), move || stuck.send(()).unwrap()).unwrap();
        assert_eq!(flight.call(|| 7), Some(7));
        assert_eq!(told.recv_timeout(2 * limit), Err(mpsc::RecvTimeoutError::Timeout));
        // Unlike `panic!`, this prints no backtrace, which can take longer than the limit.
        let panics = || flight.call(|| resume_unwind(Box::new("a bug")));
        assert!(thread::scope(|scope| scope.spawn(panics).join()).is_err());
        assert_eq!(told.recv_timeout(2 * limit), Err(mpsc::RecvTimeoutError::Timeout));
        flight.end();
    }

    #[test]
    fn a_call_is_given_its_limit_once_more_after_a_pause() {
        let pauses = Pauses::of_process();
        let (stuck, told) = mpsc::channel();
        let limit = Duration::from_secs(1);
        let flight = Flight::watch(limit, pauses, move || stuck.send(()).unwrap()).unwrap();
        let returns = || {
            thread::sleep(limit / 2);
            pauses.make_up();
            told.recv_timeout(limit * 3 / 4)
        };
        assert_eq!(flight.call(returns), Some(Err(mpsc::RecvTimeoutError::Timeout)));
        // It does not return after the pause either.
        let hangs = || {
            pauses.make_up();
            told.recv_timeout(BOUND)
        };
        assert_eq!(flight.call(hangs), None);
        flight.end();
    }

    #[test]
    fn does_not_tell_of_calls_that_return_however_many() {
        let (stuck, told) = mpsc::channel::<()>();
        let flight =
            Flight::watch(BOUND, Pauses::of_process(), move || stuck.send(()).unwrap()).unwrap();
        for number in 0..1000 {
            assert_eq!(flight.call(|| number), Some(number));
        }
        flight.end();
        drop(flight);
        // The thread ends and with it the sender, unused.
        assert_eq!(told.recv_timeout(BOUND), Err(mpsc::RecvTimeoutError::Disconnected));
    }

    #[test]
    fn a_call_that_began_between_two_looks_is_told_of_in_its_time() {
        let (stuck, told) = mpsc::channel();
        let limit = Duration::from_millis(20);
        let flight =
            Flight::watch(limit, Pauses::of_process(), move || stuck.send(Instant::now()).unwrap())
                .unwrap();
        let mut times = None;
        let call = || times = Some((Instant::now(), told.recv_timeout(BOUND).unwrap()));
        assert_eq!(flight.call(call), None);
        let (begun, noticed) = times.unwrap();
        assert!(noticed.duration_since(begun) + Duration::from_millis(1) >= limit);
        flight.end();
    }
}
