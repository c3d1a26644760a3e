//! An HSM behind a PKCS#11 module, and the threads of its store.
//!
//! Only two kinds of threads call the module: one [`connection_manager`] and several [`worker`]s. A request
//! uses only the [`shared_state`]. So a call that does not return blocks only the thread that made the
//! call. [`connection_state`] defines the states of the connection.

mod backoff;
mod call_tracker;
mod connection_manager;
mod connection_state;
mod module;
mod shared_state;
mod store;
mod token_registry;
mod worker;

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use cryptoki::types::RawAuthPin;
use kms_api::{ConnectionErrorCode, ConnectionState};

use self::call_tracker::ThreadSlot;
use self::connection_manager::ConnectionManager;
use self::connection_state::Status;
use self::module::Module;
use self::shared_state::EnqueueError;
use self::store::Store;
pub(super) use self::token_registry::TokenRegistry;
use self::worker::Worker;
use super::fault::{HsmFault, KeyStoreFault};
use super::settings::{HsmSettings, KeyStoreErrorReason};
use crate::clock::{Deadline, PauseDetector};
use crate::entropy::RandomBytes;
use crate::key_store::metrics::KeyStoreMetrics;

/// A handle to the HSM of a key store. After the handle is dropped, each thread of the store ends when its
/// current call returns.
pub(super) struct Hsm {
    store: Arc<Store>,
    /// Longest time that a request waits.
    deadline: Duration,
    /// True from the log line about a stuck call until that call returns.
    is_stuck_logged: AtomicBool,
    /// Connection manager, until its thread is started. `None` afterwards.
    connection_manager: Option<ConnectionManager>,
}

impl Hsm {
    /// Returns an HSM that is not connected. Calls no function of the module.
    ///
    /// # Errors
    /// Fails if the module file cannot be read, or if the environment variable of the PIN is not set or empty.
    pub(super) fn new(
        id: &str,
        settings: HsmSettings,
        registry: &Arc<TokenRegistry>,
        metrics: &Arc<KeyStoreMetrics>,
    ) -> Result<Self, KeyStoreErrorReason> {
        let HsmSettings { module: path, token, pin, deadline, .. } = settings;
        let mut pin = pin.read()?;
        let module =
            Module::at(&path).map_err(|error| KeyStoreErrorReason::Module { path, error })?;
        let store = Arc::new(Store::new(id, module, registry, metrics));
        // The PIN is moved, not copied. RawAuthPin zeroizes it on drop.
        let pin = RawAuthPin::new(Box::new(mem::take(&mut *pin)));
        let connection_manager = Some(ConnectionManager::new(&store, token, pin));
        Ok(Self { store, deadline, is_stuck_logged: AtomicBool::new(false), connection_manager })
    }

    /// Starts the threads, which connect the store. Later calls do nothing.
    ///
    /// # Errors
    /// Fails if the system cannot start a thread.
    pub(super) fn connect(&mut self) -> Result<(), KeyStoreErrorReason> {
        let Some(manager) = self.connection_manager.take() else { return Ok(()) };
        for slot in ThreadSlot::workers() {
            let worker = Worker::new(&self.store, slot);
            spawn(move || worker.run())?;
        }
        spawn(move || manager.run())
    }

    /// Returns the state of the store as the API shows it.
    pub(super) fn state(&self) -> (ConnectionState, Option<ConnectionErrorCode>) {
        self.observe(&self.store.state.status())
    }

    /// Converts a status to the connection state and error code of the API. Logs when a call is stuck and
    /// when that call returns, because the thread of a stuck call cannot log.
    fn observe(&self, status: &Status) -> (ConnectionState, Option<ConnectionErrorCode>) {
        let is_stuck = matches!(status, Status::Failed(HsmFault::Stuck { .. }));
        let was_stuck = self.is_stuck_logged.swap(is_stuck, Ordering::Relaxed);
        match status {
            Status::Connecting => (ConnectionState::Connecting, None),
            Status::Connected => {
                if was_stuck {
                    tracing::info!(key_store = %self.store.id, "key store responds again");
                }
                (ConnectionState::Connected, None)
            }
            Status::Failed(fault) => {
                if is_stuck && !was_stuck {
                    self.store.log(fault);
                }
                (ConnectionState::Failed, Some(fault.connection_error_code()))
            }
        }
    }

    /// Returns `length` random bytes of the HSM, and counts the draw.
    pub(super) async fn draw(&self, length: usize) -> Result<RandomBytes, KeyStoreFault> {
        let deadline = Deadline::after(self.deadline, PauseDetector::global());
        let drawn = self.draw_by(deadline, length).await;
        let draws = &self.store.metrics.draws;
        let counter = match &drawn {
            Ok(_) => &draws.success,
            Err(KeyStoreFault::TimedOut { .. }) => &draws.timed_out,
            Err(KeyStoreFault::QueueFull) => &draws.queue_full,
            // A rejected request does not count as a draw.
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
        let response = self.store.state.enqueue(length).map_err(|error| match error {
            EnqueueError::NotConnected(status) => {
                KeyStoreFault::NotConnected(self.observe(&status).0)
            }
            EnqueueError::Full => KeyStoreFault::QueueFull,
        })?;
        match deadline.bound(response).await {
            Err(_) => Err(KeyStoreFault::TimedOut { deadline: self.deadline }),
            Ok(response) => Ok(response.unwrap_or(Err(HsmFault::ConnectionLost))?),
        }
    }

    /// Closes the store. Each thread ends, at the latest when its current call returns.
    pub(super) fn close(&self) {
        self.store.state.close();
    }

    /// Waits until the threads have ended, or until `deadline`.
    pub(super) fn wait_for_threads(&self, deadline: Instant) {
        self.store.state.wait_for_threads(deadline);
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
mod tests;
