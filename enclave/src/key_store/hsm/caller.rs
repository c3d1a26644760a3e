//! Who calls a module, so that it shows how long each call takes.

use std::sync::Arc;

use super::calls::Seat;
use super::fault::HsmFault;
use super::link::Link;

/// A thread's way to call a module: one call at a time.
#[derive(Clone)]
pub(super) struct Caller {
    link: Arc<Link>,
    seat: Seat,
}

impl Caller {
    pub(super) fn new(link: &Arc<Link>, seat: Seat) -> Self {
        Self { link: Arc::clone(link), seat }
    }

    /// One call; none any more when the service is at its end.
    pub(super) fn call<T>(
        &self,
        call: impl FnOnce() -> Result<T, HsmFault>,
    ) -> Result<T, HsmFault> {
        let result = match self.link.begin(self.seat) {
            true => call(),
            false => Err(HsmFault::Lost),
        };
        self.link.end(self.seat);
        result
    }

    /// One that is made also then: what was opened is closed.
    pub(super) fn close(&self, call: impl FnOnce()) {
        self.link.begin(self.seat);
        call();
        self.link.end(self.seat);
    }
}
