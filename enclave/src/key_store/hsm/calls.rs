//! Which calls of a module are under way, and whether any of them will ever return.

use std::time::{Duration, Instant};

use crate::clock::Pauses;

/// Sessions by which requests are answered at a time, each with a thread.
const SESSIONS: usize = 4;

/// A call that takes longer, while none after it returns, is taken for one that never will; so are those
/// of all workers.
pub(super) const STUCK_AFTER: Duration = Duration::from_secs(10);

/// Who calls the module, one call at a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seat(usize);

impl Seat {
    /// Who keeps the connection.
    pub(super) const KEEPER: Self = Self(SESSIONS);

    /// Those who answer requests.
    pub(super) fn workers() -> impl Iterator<Item = Self> {
        (0..SESSIONS).map(Self)
    }
}

/// All calls.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// When each that is under way began, by its seat.
    began: [Option<Instant>; SESSIONS + 1],
    /// When any returned last.
    returned: Option<Instant>,
}

impl Calls {
    pub(super) fn begin(&mut self, seat: Seat) {
        self.set(seat, Some(Instant::now()));
    }

    pub(super) fn end(&mut self, seat: Seat) {
        self.set(seat, None);
        self.returned = Some(Instant::now());
    }

    fn set(&mut self, Seat(seat): Seat, began: Option<Instant>) {
        if let Some(call) = self.began.get_mut(seat) {
            *call = began;
        }
    }

    /// CryptoPool that are in none.
    pub(super) fn idle_workers(&self) -> usize {
        let is_idle = |seat: &Seat| self.began.get(seat.0).is_some_and(Option::is_none);
        Seat::workers().filter(is_idle).count()
    }

    /// Whether nothing returns any more, or there is nobody left to answer requests.
    pub(super) fn are_stuck(&self, now: Instant) -> bool {
        // While this process was paused no call could return.
        let pauses = Pauses::of_process();
        let is_long =
            |began: Instant| now.saturating_duration_since(pauses.restart(began)) >= STUCK_AFTER;
        let returned_since = |began: Instant| self.returned.is_some_and(|at| at >= began);
        let is_hung = |&began: &Instant| is_long(began) && !returned_since(began);
        self.began.iter().flatten().any(is_hung)
            || Seat::workers().all(|Seat(worker)| {
                let call = self.began.get(worker).copied().flatten();
                call.is_some_and(is_long)
            })
    }
}
