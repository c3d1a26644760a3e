//! The thread that keeps a store connected. The thread connects to the token, checks the token every
//! second, and reconnects after a fault.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cryptoki::types::RawAuthPin;
use kms_api::MAX_NUMBER_OF_BYTES;
use zeroize::Zeroizing;

use super::super::fault::HsmFault;
use super::super::settings::Token;
use super::backoff::Backoff;
use super::call_tracker::{ModuleCaller, ThreadSlot};
use super::connection_state::Connection;
use super::module::Session;
use super::shared_state::WaitResult;
use super::store::Store;
use super::token_registry::TokenLocation;

/// Interval between checks of the token of a connection.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Number of outputs that each attempt to connect tests and discards. Two outputs are necessary to detect a
/// token that repeats its output.
const START_UP_OUTPUTS: usize = 2;

/// The connection manager of a store.
pub(super) struct ConnectionManager {
    store: Arc<Store>,
    caller: ModuleCaller,
    token: Token,
    pin: RawAuthPin,
    backoff: Backoff,
}

impl ConnectionManager {
    /// Returns the connection manager of `store`, which logs in with `pin`.
    pub(super) fn new(store: &Arc<Store>, token: Token, pin: RawAuthPin) -> Self {
        let caller = ModuleCaller::new(store.state.calls(), ThreadSlot::CONNECTION_MANAGER);
        Self { store: Arc::clone(store), caller, token, pin, backoff: Backoff::default() }
    }

    /// Keeps the store connected until the store is closed or has a final fault.
    pub(super) fn run(mut self) {
        let store = Arc::clone(&self.store);
        let _guard = store.state.register_thread();
        let mut reinitialize = false;
        while !store.state.is_closed() {
            let connected_for = self.connect_and_check(reinitialize);
            reinitialize = true;
            let delay = self.backoff.next_delay(connected_for);
            if store.state.is_latched() || store.state.wait(None, delay) == WaitResult::Closed {
                return;
            }
        }
    }

    /// Connects, and checks the connection until the connection ends. Returns the duration of the
    /// connection.
    fn connect_and_check(&mut self, reinitialize: bool) -> Duration {
        match self.connect(reinitialize) {
            Ok((session, location)) => {
                let since = Instant::now();
                let connection = self.store.state.connected(location);
                tracing::info!(key_store = %self.store.id, "key store connected");
                self.check_until_end(connection, session);
                self.store.set_claim(None);
                since.elapsed()
            }
            Err(fault) => {
                // If the store was closed during the attempt, the failure is not a fault.
                if !self.store.state.is_closed() {
                    self.store.set_claim(None);
                    self.store.attempt_failed(fault);
                }
                Duration::ZERO
            }
        }
    }

    /// Opens a session whose user is logged in, and tests the token.
    fn connect(&mut self, reinitialize: bool) -> Result<(Session, TokenLocation), HsmFault> {
        self.store.module.prepare(&self.caller, reinitialize)?;
        let location = self.store.module.find(&self.caller, &self.token)?;
        self.store.claim_token(location.slot)?;
        let session = self.open_session(location)?;
        self.test_output(&session)?;
        self.test_session_limit(location)?;
        Ok((session, location))
    }

    fn open_session(&mut self, location: TokenLocation) -> Result<Session, HsmFault> {
        let claim = self.store.claim()?;
        let session = self.store.module.open(&self.caller, &claim, location)?;
        self.backoff.record_login(session.log_in(&self.pin))?;
        Ok(session)
    }

    /// Tests outputs of the token and discards them. NIST SP 800-90B section 4.3 requires a start-up test
    /// of 1,024 samples.
    ///
    /// Each output has the maximum length of a request. So a token that cannot return this many bytes at
    /// once fails here. Otherwise, the first request of this length would end the connection.
    fn test_output(&self, session: &Session) -> Result<(), HsmFault> {
        for _ in 0..START_UP_OUTPUTS {
            let mut output = Zeroizing::new(vec![0; MAX_NUMBER_OF_BYTES.into()]);
            session.generate(&mut output)?;
            self.store.test(&output)?;
        }
        Ok(())
    }

    /// Checks that the token allows a session for each worker at the same time. Opens these sessions, and
    /// closes them again.
    fn test_session_limit(&self, location: TokenLocation) -> Result<(), HsmFault> {
        let Store { module, state, .. } = &*self.store;
        let claim = self.store.claim()?;
        // A worker that is still in a call of the last connection may still have a session, so this test
        // does not count that worker.
        let workers = 0..state.calls().idle_workers();
        let sessions: Result<Vec<_>, _> =
            workers.map(|_| module.open(&self.caller, &claim, location)).collect();
        sessions.map(drop)
    }

    /// Checks a connection until it ends. The session keeps the token's user logged in.
    fn check_until_end(&mut self, connection: Connection, session: Session) {
        let store = Arc::clone(&self.store);
        let mut session = Some(session);
        while store.state.wait(Some(connection), CHECK_INTERVAL) == WaitResult::Elapsed {
            if let Err(fault) = self.check(connection, &mut session) {
                store.connection_lost(connection, &fault);
            }
        }
    }

    /// Checks the token and the session. If only the session is gone, opens another.
    fn check(
        &mut self,
        connection: Connection,
        session: &mut Option<Session>,
    ) -> Result<(), HsmFault> {
        self.store.module.check(&self.caller, connection.location, &self.token)?;
        match session.as_ref().map(Session::check) {
            Some(Err(fault)) if !fault.is_session_lost() => Err(fault),
            Some(Ok(())) => Ok(()),
            Some(Err(_)) | None => {
                // The old session is closed first, because the new session may get the same handle.
                *session = None;
                *session = Some(self.open_session(connection.location)?);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
#[path = "connection_manager_tests.rs"]
mod tests;
