//! The threads that answer requests. Each thread makes one call of the module at a time.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::super::fault::HsmFault;
use super::call_tracker::{ModuleCaller, ThreadSlot};
use super::connection_state::Connection;
use super::module::Session;
use super::shared_state::Work;
use super::store::Store;
use crate::entropy::RandomBytes;

/// A worker thread of a store.
pub(super) struct Worker {
    store: Arc<Store>,
    caller: ModuleCaller,
    /// Session of this worker, and the connection that the session belongs to. The first request opens the
    /// session.
    session: Option<(Connection, Session)>,
}

impl Worker {
    /// Returns the worker of this slot.
    pub(super) fn new(store: &Arc<Store>, slot: ThreadSlot) -> Self {
        let caller = ModuleCaller::new(store.state.calls(), slot);
        Self { store: Arc::clone(store), caller, session: None }
    }

    /// Answers requests until the store is closed.
    pub(super) fn run(self) {
        let store = Arc::clone(&self.store);
        // The guard is dropped after the session is closed.
        let _guard = store.state.register_thread();
        self.serve(&store);
    }

    fn serve(mut self, store: &Store) {
        loop {
            match store.state.next_work(self.session.as_ref().map(|(connection, _)| *connection)) {
                Work::Stop => return,
                Work::CloseSession => self.session = None,
                Work::Answer(connection, request) => {
                    let drawn = self.draw(connection, request.length);
                    if let Err(fault) = &drawn {
                        // The fault is reported before the response, so that the next request sees the new
                        // state.
                        store.connection_lost(connection, fault);
                    }
                    request.respond(drawn);
                }
            }
        }
    }

    /// Draws and tests random bytes. If only the session is gone, tries once more with another session.
    fn draw(&mut self, connection: Connection, length: usize) -> Result<RandomBytes, HsmFault> {
        let mut random = Zeroizing::new(vec![0; length]);
        match self.generate(connection, &mut random) {
            Err(fault) if fault.is_session_lost() => {
                self.session = None;
                self.generate(connection, &mut random)?;
            }
            result => result?,
        }
        self.store.test(&random)?;
        // Another thread may have found a fault of this connection meanwhile.
        match self.store.state.is_current(connection) {
            true => Ok(RandomBytes::new(random)),
            false => Err(HsmFault::ConnectionLost),
        }
    }

    fn generate(&mut self, connection: Connection, out: &mut [u8]) -> Result<(), HsmFault> {
        let session = match self.session.take() {
            Some((opened_over, session)) if opened_over == connection => session,
            // A session of an earlier connection is closed first.
            _ => {
                let claim = self.store.claim()?;
                self.store.module.open(&self.caller, &claim, connection.location)?
            }
        };
        let (_, session) = self.session.insert((connection, session));
        session.generate(out)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::super::store::tests::{LOCATION, store};
    use super::*;

    #[tokio::test]
    async fn failed_draw_fails_the_store_before_the_response() {
        let store = store();
        store.state.connected(LOCATION);
        let response = store.state.enqueue(1).unwrap();
        let worker = Worker::new(&store, ThreadSlot::workers().next().unwrap());
        let thread = thread::spawn(move || worker.run());
        // The store has no claim, so no session can be opened.
        assert_eq!(response.await.unwrap().unwrap_err(), HsmFault::ConnectionLost);
        assert_eq!(store.state.fault(), Some(HsmFault::ConnectionLost));
        store.state.close();
        thread.join().unwrap();
    }
}
