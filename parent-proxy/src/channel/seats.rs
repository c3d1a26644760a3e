//! Connections by enclave, so that one of them cannot have those of all others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use transport::Episode;

/// Connections of one enclave at a time: it has two, and two that have not been noticed to be gone.
const MAX_OF_ENCLAVE: usize = 4;

/// How many connections each enclave has, by its CID.
type Taken = Mutex<HashMap<u32, usize>>;

/// Those that there are.
#[derive(Debug, Default)]
pub(super) struct Seats {
    taken: Arc<Taken>,
    over: Episode,
}

/// One of them, given back when this is dropped.
#[derive(Debug)]
pub(super) struct Seat(Option<(Arc<Taken>, u32)>);

impl Seats {
    /// One for an enclave, if it has few; whose CID is not known is not counted.
    pub(super) fn take(&self, cid: Option<u32>) -> Option<Seat> {
        let Some(cid) = cid else { return Some(Seat(None)) };
        let mut taken = lock(&self.taken);
        let count = taken.entry(cid).or_default();
        if *count < MAX_OF_ENCLAVE {
            *count += 1;
            return Some(Seat(Some((Arc::clone(&self.taken), cid))));
        }
        if self.over.begins() {
            tracing::warn!(
                cid,
                "an enclave has too many connections for its lines; more are closed"
            );
        }
        None
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some((taken, cid)) = &self.0 {
            let mut taken = lock(taken);
            if let Some(count) = taken.get_mut(cid) {
                *count -= 1;
            }
            taken.retain(|_, count| *count > 0);
        }
    }
}

fn lock(taken: &Taken) -> MutexGuard<'_, HashMap<u32, usize>> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_enclave_cannot_have_the_connections_of_all_others() {
        let seats = Seats::default();
        let mut of_one: Vec<_> =
            (0..MAX_OF_ENCLAVE).map(|_| seats.take(Some(16)).unwrap()).collect();
        assert!(seats.take(Some(16)).is_none());
        let others = [seats.take(Some(17)).unwrap(), seats.take(None).unwrap()];
        of_one.pop();
        let again = seats.take(Some(16)).unwrap();
        assert!(seats.take(Some(16)).is_none());
        drop((of_one, others, again));
        assert!(lock(&seats.taken).is_empty());
    }
}
