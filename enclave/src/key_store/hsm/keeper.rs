//! The thread that keeps a store connected: it connects, looks after the token, and connects again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use cryptoki::types::RawAuthPin;
use kms_api::MAX_NUMBER_OF_BYTES;
use zeroize::Zeroizing;

use super::super::settings::Token;
use super::caller::Caller;
use super::fault::HsmFault;
use super::link::{Connection, Kept};
use super::module::{Place, Session};
use super::store::Store;

/// How often the token of a connection is looked for.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// How long after a first failure it is tried again; twice as long after each that follows.
const FIRST_DELAY: Duration = Duration::from_millis(250);

/// The longest that is waited.
const LAST_DELAY: Duration = Duration::from_secs(30);

/// After so many logins in a row that the token refused, whatever it says of why, there is no further
/// one: each may count as one by a wrong PIN, and lock the user out.
const MAX_REFUSALS: u32 = 3;

/// How long after such a login the next one is tried: what an HSM refuses in a bad moment is not to be
/// taken for good.
const REFUSAL_DELAY: Duration = Duration::from_secs(10);

/// Outputs that are tested, and not used, before any is: two, so that one which repeats itself shows.
const START_UP_OUTPUTS: usize = 2;

/// How long was waited last before a connection was tried again, if any was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Delay(Option<Duration>);

impl Delay {
    /// How long is waited next, after a connection that was there so long. One that fails as soon as it
    /// is connected is tried less and less often, too.
    fn after(&mut self, kept: Duration) -> Duration {
        let delay = match self.0 {
            Some(last) if kept <= last => (last * 2).min(LAST_DELAY),
            Some(_) | None => FIRST_DELAY,
        };
        self.0 = Some(delay);
        delay
    }
}

/// The thread's own.
pub(super) struct Keeper {
    pub(super) store: Arc<Store>,
    pub(super) caller: Caller,
    pub(super) token: Token,
    pub(super) pin: RawAuthPin,
    /// Logins that the token refused in a row.
    pub(super) refusals: AtomicU32,
}

impl Keeper {
    /// Returns when nobody needs the store any more, or nothing but a restart would help.
    pub(super) fn run(self) {
        let link = &self.store.link;
        let _attendance = link.attend();
        let (mut delay, mut again) = (Delay(None), false);
        while !link.is_closed() {
            let kept = self.connect_and_keep(again);
            again = true;
            let pause = match self.refusals.load(Ordering::Relaxed) {
                0 => delay.after(kept),
                _ => REFUSAL_DELAY,
            };
            let is_final = link.fault().is_some_and(|fault| fault.is_final());
            if is_final || link.keep(None, pause) == Kept::Closed {
                return;
            }
        }
    }

    /// One connection, from the attempt to its end: how long it was there.
    fn connect_and_keep(&self, again: bool) -> Duration {
        let link = &self.store.link;
        match self.connect(again) {
            Ok((session, place)) => {
                let since = Instant::now();
                let connection = link.connected(place);
                tracing::info!("key store {} is connected", self.store.id);
                self.keep(connection, session);
                self.store.set_claim(None);
                since.elapsed()
            }
            // It is given up, and nothing is wrong with it.
            Err(_) if link.is_closed() => Duration::ZERO,
            Err(fault) => {
                self.store.set_claim(None);
                self.store.metrics.failures.inc();
                // The same again and again is said once.
                if link.fault().as_ref() != Some(&fault) {
                    self.store.report(&fault);
                }
                link.not_connected(fault);
                Duration::ZERO
            }
        }
    }

    /// A session whose user is logged in, with a token that gives random bytes and is no other store's.
    fn connect(&self, again: bool) -> Result<(Session, Place), HsmFault> {
        let Store { id, module, link, claims, .. } = &*self.store;
        module.prepare(&self.caller, again)?;
        let place = module.find(&self.caller, &self.token)?;
        let claim = claims.claim(module.path().to_owned(), place.slot, id);
        let claim = claim.map_err(|store| HsmFault::TakenToken { store })?;
        let claim = Arc::new(claim);
        self.store.set_claim(Some(Arc::clone(&claim)));
        let session = self.open(place)?;
        // Tested, and not used (SP 800-90B section 4.3, which asks for 1,024 samples). A token that does
        // not give so much at once must not be found out by a caller, who would end the connection.
        for _ in 0..START_UP_OUTPUTS {
            let mut output = Zeroizing::new(vec![0; MAX_NUMBER_OF_BYTES.into()]);
            session.generate(&mut output)?;
            self.store.test(&output)?;
        }
        // Nor that it allows too few sessions. Who is still in a call of before may have one.
        let idle = 0..link.idle_workers();
        let sessions: Vec<_> =
            idle.map(|_| module.open(&self.caller, &claim, place)).collect::<Result<_, _>>()?;
        drop(sessions);
        Ok((session, place))
    }

    fn open(&self, place: Place) -> Result<Session, HsmFault> {
        let session = self.store.module.open(&self.caller, &self.store.claim()?, place)?;
        match session.log_in(&self.pin) {
            Ok(()) => self.refusals.store(0, Ordering::Relaxed),
            Err(fault) if fault.is_of_device() => return Err(fault),
            Err(fault) => {
                let before = self.refusals.fetch_add(1, Ordering::Relaxed);
                return Err(match before + 1 {
                    ..MAX_REFUSALS => fault,
                    _ => HsmFault::Refused { last: Box::new(fault) },
                });
            }
        }
        Ok(session)
    }

    /// Looks after a connection until it ends; the session is what keeps its user logged in.
    fn keep(&self, connection: Connection, session: Session) {
        let mut session = Some(session);
        while self.store.link.keep(Some(connection), CHECK_INTERVAL) == Kept::Still {
            if let Err(fault) = self.check(connection, &mut session) {
                self.store.lost(connection, &fault);
            }
        }
    }

    /// Whether the token is still there, and the session; if that alone is gone, there is another.
    fn check(&self, connection: Connection, session: &mut Option<Session>) -> Result<(), HsmFault> {
        self.store.module.check(&self.caller, connection.place, &self.token)?;
        match session.as_ref().map(Session::check) {
            Some(Err(fault)) if !fault.is_of_session() => Err(fault),
            Some(Ok(())) => Ok(()),
            Some(Err(_)) | None => {
                // First: its handle may be the next one's.
                *session = None;
                *session = Some(self.open(connection.place)?);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_tried_again_less_and_less_often_until_one_lasts() {
        let mut delay = Delay(None);
        let none = Duration::ZERO;
        let waited: Vec<_> = (0..9).map(|_| delay.after(none).as_millis()).collect();
        assert_eq!(waited, [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
        assert_eq!(delay.after(Duration::from_secs(30)), LAST_DELAY);
        assert_eq!(delay.after(Duration::from_secs(31)), FIRST_DELAY);
        assert_eq!(delay.after(none), FIRST_DELAY * 2);
    }
}
