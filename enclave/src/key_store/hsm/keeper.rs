//! The thread that keeps a store connected: it connects, looks after the token, and connects again.

use std::cell::Cell;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use cryptoki::types::RawAuthPin;
use shared::kms::MAX_NUMBER_OF_BYTES;
use zeroize::Zeroizing;

use super::super::settings::Token;
use super::calls::Seat;
use super::claims::{Claim, Claims};
use super::fault::HsmFault;
use super::link::{Connection, Kept, Link};
use super::module::{Module, Session};
use crate::entropy::{HealthFault, HealthTests};
use crate::metrics::Metrics;

/// How often the token of a connection is looked for.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// How long after a first failure it is tried again; twice as long after each that follows.
const FIRST_DELAY: Duration = Duration::from_millis(250);

/// The longest that is waited.
const LAST_DELAY: Duration = Duration::from_secs(30);

/// After so many logins in a row that the token refused, whatever it says of why, there is no further
/// one: each may count as one by a wrong PIN, and lock the user out.
const MAX_REFUSALS: u32 = 3;

/// Outputs that are tested, and not used, before any is: two, so that one which repeats itself shows.
const START_UP_OUTPUTS: usize = 2;

/// What all threads of a store have.
pub(super) struct Store {
    /// For the log.
    pub(super) id: String,
    pub(super) module: Arc<Module>,
    pub(super) link: Link,
    pub(super) claims: Arc<Claims>,
    /// Or how they failed, for good.
    pub(super) health: Mutex<Result<HealthTests, HealthFault>>,
    pub(super) metrics: Arc<Metrics>,
}

impl Store {
    /// Tests what the HSM gave. After a first failure nothing passes.
    pub(super) fn test(&self, output: &[u8]) -> Result<(), HsmFault> {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        let tests = health.as_mut().map_err(|fault| *fault)?;
        if let Err(fault) = tests.check(output) {
            *health = Err(fault);
            return Err(fault.into());
        }
        Ok(())
    }

    /// One thread found that the connection has ended.
    pub(super) fn lost(&self, connection: Connection, fault: &HsmFault) {
        if self.link.lost(connection, fault) {
            self.metrics.key_store_failures.inc();
            self.report(fault);
        }
    }

    /// Says what is wrong.
    pub(super) fn report(&self, fault: &HsmFault) {
        let (id, code) = (&self.id, fault.code().name());
        match fault.is_final() {
            true => tracing::error!(
                "key store {id} failed ({code}): {fault}; it is not tried again before a restart"
            ),
            false => tracing::error!("key store {id} failed ({code}): {fault}"),
        }
    }
}

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
    pub(super) token: Token,
    pub(super) pin: RawAuthPin,
    /// Logins that the token refused in a row.
    pub(super) refusals: Cell<u32>,
}

impl Keeper {
    /// Returns when nobody needs the store any more, or nothing but a restart would help.
    pub(super) fn run(self) {
        let link = &self.store.link;
        let _attendance = link.attend();
        let mut delay = Delay(None);
        while link.keep(None, Duration::ZERO) != Kept::Closed {
            let kept = self.connect_and_keep(delay != Delay(None));
            let is_final = link.fault().is_some_and(|fault| fault.is_final());
            if is_final || link.keep(None, delay.after(kept)) == Kept::Closed {
                return;
            }
        }
    }

    /// One connection, from the attempt to its end: how long it was there.
    fn connect_and_keep(&self, again: bool) -> Duration {
        let link = &self.store.link;
        link.begin(Seat::KEEPER);
        let connected = self.connect(again);
        link.end(Seat::KEEPER);
        match connected {
            Ok((session, slot, _claim)) => {
                let since = Instant::now();
                let connection = link.connected(slot);
                tracing::info!("key store {} is connected", self.store.id);
                self.keep(connection, session);
                since.elapsed()
            }
            Err(fault) => {
                self.store.metrics.key_store_failures.inc();
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
    fn connect(&self, again: bool) -> Result<(Session, u64, Claim), HsmFault> {
        let Store { id, module, link, claims, .. } = &*self.store;
        let go_on = || link.go_on(Seat::KEEPER);
        module.prepare(again)?;
        go_on();
        let slot = module.find(&self.token, go_on)?;
        let claim = claims.claim(module.path().to_owned(), slot, id);
        let claim = claim.map_err(|store| HsmFault::TakenToken { store })?;
        go_on();
        let session = self.open(slot)?;
        go_on();
        // Tested, and not used (SP 800-90B section 4.3, which asks for 1,024 samples). A token that does
        // not give so much at once must not be found out by a caller, who would end the connection.
        for _ in 0..START_UP_OUTPUTS {
            let mut output = Zeroizing::new(vec![0; MAX_NUMBER_OF_BYTES.into()]);
            session.generate(&mut output)?;
            go_on();
            self.store.test(&output)?;
        }
        // Nor that it allows too few sessions.
        let mut workers = Vec::new();
        for _ in Seat::workers() {
            workers.push(module.open(slot)?);
            go_on();
        }
        for session in workers {
            drop(session);
            go_on();
        }
        Ok((session, slot, claim))
    }

    fn open(&self, slot: u64) -> Result<Session, HsmFault> {
        let session = self.store.module.open(slot)?;
        self.store.link.go_on(Seat::KEEPER);
        match session.log_in(&self.pin) {
            Ok(()) => self.refusals.set(0),
            Err(fault) if fault.is_of_device() => return Err(fault),
            Err(fault) => {
                self.refusals.set(self.refusals.get() + 1);
                return Err(match self.refusals.get() {
                    ..MAX_REFUSALS => fault,
                    _ => HsmFault::Refused { last: Box::new(fault) },
                });
            }
        }
        Ok(session)
    }

    /// Looks after a connection until it ends; the session is what keeps its user logged in.
    fn keep(&self, connection: Connection, session: Session) {
        let link = &self.store.link;
        let mut session = Some(session);
        while link.keep(Some(connection), CHECK_INTERVAL) == Kept::Still {
            link.begin(Seat::KEEPER);
            let checked = self.check(connection, &mut session);
            link.end(Seat::KEEPER);
            if let Err(fault) = checked {
                self.store.lost(connection, &fault);
            }
        }
        link.begin(Seat::KEEPER);
        drop(session);
        link.end(Seat::KEEPER);
    }

    /// Whether the token is still there, and the session; if that alone is gone, there is another.
    fn check(&self, connection: Connection, session: &mut Option<Session>) -> Result<(), HsmFault> {
        self.store.module.check(connection.slot, &self.token)?;
        match session.as_ref().map(Session::check) {
            Some(Err(fault)) if !fault.is_of_session() => Err(fault),
            Some(Ok(())) => Ok(()),
            Some(Err(_)) | None => {
                // First: its handle may be the next one's.
                *session = None;
                *session = Some(self.open(connection.slot)?);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::env;

    use super::*;

    /// One without threads, before a module that nobody loads.
    pub(in super::super) fn store() -> Arc<Store> {
        Arc::new(Store {
            id: "cks-a".to_owned(),
            module: Module::at(&env::current_exe().unwrap()).unwrap(),
            link: Link::new(),
            claims: Arc::default(),
            health: Mutex::new(Ok(HealthTests::new())),
            metrics: Arc::new(Metrics::new()),
        })
    }

    #[test]
    fn nothing_is_good_after_bytes_that_are_not() {
        let store = store();
        assert_eq!(store.test(&[1, 2, 4]), Ok(()));
        let unhealthy = Err(HsmFault::Unhealthy(HealthFault::RepetitionCount));
        assert_eq!(store.test(&[7; 32]), unhealthy);
        assert_eq!(store.test(&[8, 16, 32]), unhealthy);
    }

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
