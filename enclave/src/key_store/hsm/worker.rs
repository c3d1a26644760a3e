//! A thread that answers requests, each by one call of the module.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::caller::Caller;
use super::calls::Seat;
use super::fault::HsmFault;
use super::link::{Connection, Work};
use super::module::Session;
use super::store::Store;
use crate::entropy::RandomBytes;

/// The thread's own: a session, once there was a request, and the connection that it is of.
pub(super) struct Worker {
    store: Arc<Store>,
    caller: Caller,
    session: Option<(Connection, Session)>,
}

impl Worker {
    pub(super) fn new(store: Arc<Store>, seat: Seat) -> Self {
        let caller = Caller::new(&store.link, seat);
        Self { store, caller, session: None }
    }

    /// Returns when nobody needs the store any more.
    pub(super) fn run(self) {
        let store = Arc::clone(&self.store);
        // To the end of its session.
        let _attendance = store.link.attend();
        self.serve(&store);
    }

    fn serve(mut self, store: &Store) {
        let link = &store.link;
        loop {
            match link.work(self.session.as_ref().map(|(connection, _)| *connection)) {
                Work::End => return,
                Work::LetGo => self.session = None,
                Work::Answer(connection, request) => {
                    let drawn = self.draw(connection, request.length);
                    if let Err(fault) = &drawn {
                        // Before the caller is told, so that whoever looks next knows as well.
                        store.lost(connection, fault);
                    }
                    request.answer(drawn);
                }
            }
        }
    }

    /// Exactly what the HSM gives, tested. If it is only the session that is gone, another has a try.
    fn draw(&mut self, connection: Connection, length: usize) -> Result<RandomBytes, HsmFault> {
        let mut random = Zeroizing::new(vec![0; length]);
        match self.generate(connection, &mut random) {
            Err(fault) if fault.is_of_session() => {
                self.session = None;
                self.generate(connection, &mut random)?;
            }
            result => result?,
        }
        self.store.test(&random)?;
        // What was given up meanwhile gives nothing, though it may be good.
        match self.store.link.is_current(connection) {
            true => Ok(RandomBytes::new(random)),
            false => Err(HsmFault::Lost),
        }
    }

    fn generate(&mut self, connection: Connection, out: &mut [u8]) -> Result<(), HsmFault> {
        let session = match self.session.take() {
            Some((of, session)) if of == connection => session,
            // An earlier one's is closed before.
            _ => {
                let claim = self.store.claim()?;
                self.store.module.open(&self.caller, &claim, connection.place)?
            }
        };
        let (_, session) = self.session.insert((connection, session));
        session.generate(out)
    }
}
