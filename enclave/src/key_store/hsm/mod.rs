//! An HSM behind a PKCS#11 module, and the threads that call it: one that keeps it connected
//! ([`keeper`]), and some that answer requests ([`worker`]). Callers see no more of them than what all
//! share ([`link`]), so that a call that does not return holds up nobody but its thread.

mod caller;
mod calls;
mod claims;
mod fault;
mod keeper;
mod link;
mod module;
mod returned;
mod store;
mod worker;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use cryptoki::types::RawAuthPin;
use kms_api::{ConnectionErrorCode, ConnectionState};

use self::caller::Caller;
use self::calls::Seat;
pub(super) use self::claims::Claims;
pub(super) use self::fault::HsmFault;
use self::keeper::Keeper;
use self::link::{Condition, Link, NoPlace};
use self::module::Module;
use self::store::Store;
use self::worker::Worker;
use super::fault::KeyStoreFault;
use super::settings::{HsmSettings, KeyStoreErrorReason};
use crate::clock::{Deadline, Pauses};
use crate::entropy::{HealthTests, RandomBytes};
use crate::key_store::metrics::KeyStoreMetrics;

/// The way to an HSM. Its threads end with it, as they come back.
pub(super) struct Hsm {
    store: Arc<Store>,
    /// How long a caller waits.
    deadline: Duration,
    /// Whether it was said that a call does not return.
    said_stuck: AtomicBool,
    /// Until it has a thread.
    keeper: Option<Keeper>,
}

impl Hsm {
    /// One that is not connected yet: nothing has been called.
    ///
    /// # Errors
    /// If there is no module, or no PIN.
    pub(super) fn new(
        id: &str,
        settings: HsmSettings,
        claims: &Arc<Claims>,
        metrics: &Arc<KeyStoreMetrics>,
    ) -> Result<Self, KeyStoreErrorReason> {
        let HsmSettings { module: path, token, pin, deadline, .. } = settings;
        let mut pin = pin.read()?;
        let module =
            Module::at(&path).map_err(|error| KeyStoreErrorReason::Module { path, error })?;
        let store = Arc::new(Store {
            id: id.to_owned(),
            module,
            link: Arc::new(Link::new()),
            claims: Arc::clone(claims),
            claim: Mutex::new(None),
            health: Mutex::new(Ok(HealthTests::new())),
            metrics: Arc::clone(metrics),
        });
        let caller = Caller::new(&store.link, Seat::KEEPER);
        // Moved, and wiped at the end.
        let pin = RawAuthPin::new(Box::new(std::mem::take(&mut *pin)));
        let refusals = AtomicU32::new(0);
        let keeper = Keeper { store: Arc::clone(&store), caller, token, pin, refusals };
        Ok(Self { store, deadline, said_stuck: AtomicBool::new(false), keeper: Some(keeper) })
    }

    /// Begins to connect it, once.
    ///
    /// # Errors
    /// If there is no thread.
    pub(super) fn connect(&mut self) -> Result<(), KeyStoreErrorReason> {
        let Some(keeper) = self.keeper.take() else { return Ok(()) };
        for seat in Seat::workers() {
            let worker = Worker::new(Arc::clone(&self.store), seat);
            spawn(move || worker.run())?;
        }
        spawn(move || keeper.run())
    }

    /// How it is, and if it failed, why.
    pub(super) fn state(&self) -> (ConnectionState, Option<ConnectionErrorCode>) {
        self.shown(&self.store.link.condition())
    }

    /// What the API calls it.
    fn shown(&self, condition: &Condition) -> (ConnectionState, Option<ConnectionErrorCode>) {
        let is_stuck = matches!(condition, Condition::Failed(HsmFault::Stuck { .. }));
        let was_stuck = self.said_stuck.swap(is_stuck, Ordering::Relaxed);
        match condition {
            Condition::Connecting => (ConnectionState::Connecting, None),
            Condition::Connected => {
                if was_stuck {
                    tracing::info!("key store {} answers again", self.store.id);
                }
                (ConnectionState::Connected, None)
            }
            Condition::Failed(fault) => {
                if is_stuck && !was_stuck {
                    self.store.report(fault);
                }
                (ConnectionState::Failed, Some(fault.code()))
            }
        }
    }

    /// Exactly what it gives for `length` bytes, by the deadline.
    pub(super) async fn draw(&self, length: usize) -> Result<RandomBytes, KeyStoreFault> {
        let drawn =
            self.draw_by(Deadline::after(self.deadline, Pauses::of_process()), length).await;
        let draws = &self.store.metrics.draws;
        let counter = match &drawn {
            Ok(_) => &draws.granted,
            Err(KeyStoreFault::Deadline { .. }) => &draws.deadline,
            Err(KeyStoreFault::Full) => &draws.full,
            // Nothing was drawn.
            Err(KeyStoreFault::NotConnected(_)) => return drawn,
            Err(_) => &draws.failed,
        };
        counter.inc();
        drawn
    }

    async fn draw_by(
        &self,
        deadline: Deadline,
        length: usize,
    ) -> Result<RandomBytes, KeyStoreFault> {
        let answer = self.store.link.ask(length).map_err(|reason| match reason {
            NoPlace::NotConnected(condition) => {
                KeyStoreFault::NotConnected(self.shown(&condition).0)
            }
            NoPlace::Full => KeyStoreFault::Full,
        })?;
        match deadline.bound(answer).await {
            Err(_) => Err(KeyStoreFault::Deadline { deadline: self.deadline }),
            Ok(answer) => Ok(answer.unwrap_or(Err(HsmFault::Lost))?),
        }
    }
}

impl Hsm {
    /// Ends its threads, as they come back.
    pub(super) fn close(&self) {
        self.store.link.close();
    }

    /// Waits until they have ended, or for the deadline: once it is dropped nobody knows of them.
    pub(super) fn ended(&self, deadline: std::time::Instant) {
        self.store.link.ended(deadline);
    }
}

impl Drop for Hsm {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Hsm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Hsm").field("id", &self.store.id).finish_non_exhaustive()
    }
}

fn spawn(run: impl FnOnce() + Send + 'static) -> Result<(), KeyStoreErrorReason> {
    let thread = thread::Builder::new().name("key-store".to_owned());
    thread.spawn(run).map(drop).map_err(KeyStoreErrorReason::Thread)
}

#[cfg(test)]
mod tests {
    use transport::limits::MAX_CONNECTIONS;

    use super::*;

    #[tokio::test]
    async fn who_finds_no_place_in_the_line_is_counted() {
        let store = store::tests::store();
        store.link.connected(module::Place { slot: 7, set_ups: 1 });
        let hsm = Hsm {
            store,
            deadline: Duration::from_secs(60),
            said_stuck: AtomicBool::new(false),
            keeper: None,
        };
        let _line: Vec<_> = (0..MAX_CONNECTIONS).map(|_| hsm.store.link.ask(1).unwrap()).collect();
        assert_eq!(hsm.draw(1).await.unwrap_err(), KeyStoreFault::Full);
        assert_eq!(hsm.store.metrics.draws.full.get(), 1);
    }
}
