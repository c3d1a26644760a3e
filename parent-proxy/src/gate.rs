//! Who may have a connection.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shared::transport::{Episode, Stream};

use crate::pool::Pool;

/// What is asked of whoever connects.
#[derive(Debug)]
pub(crate) enum Gate {
    /// Nothing.
    Open,
    /// To have few connections already.
    PerClient(Arc<Clients>),
    /// On vsock, to be one of these enclaves: others on this instance belong to others.
    Enclaves(Arc<Pool>, Episode),
}

/// Connections by client.
#[derive(Debug)]
pub(crate) struct Clients {
    cap: NonZeroUsize,
    open: Mutex<HashMap<IpAddr, usize>>,
    refused: AtomicU64,
    over: Episode,
}

/// What lets a client through, and is given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Ticket(Option<(Arc<Clients>, IpAddr)>);

impl Gate {
    pub(crate) fn new(per_client: Option<NonZeroUsize>) -> Self {
        match per_client {
            None => Self::Open,
            Some(cap) => Self::PerClient(Arc::new(Clients {
                cap,
                open: Mutex::default(),
                refused: AtomicU64::new(0),
                over: Episode::default(),
            })),
        }
    }

    /// Which lets only the enclaves of `pool` through.
    pub(crate) fn enclaves(pool: Arc<Pool>) -> Self {
        Self::Enclaves(pool, Episode::default())
    }

    /// Lets the client through, or not; why not, the log has told.
    pub(crate) fn admit(&self, client: &Stream) -> Option<Ticket> {
        match self {
            Self::Open => Some(Ticket(None)),
            Self::PerClient(clients) => match client.peer_address() {
                Some(address) => clients.admit(address.ip()),
                // Gone already, or nobody who has an address.
                None => Some(Ticket(None)),
            },
            Self::Enclaves(pool, strangers) => match client.peer_cid() {
                Ok(Some(cid)) if !pool.has_cid(cid) => {
                    if strangers.begins() {
                        tracing::warn!(cid, "refused: that CID is no upstream's");
                    }
                    None
                }
                Ok(_) => Some(Ticket(None)),
                Err(_) => None,
            },
        }
    }

    /// Clients that were refused for having too many connections.
    pub(crate) fn refused(&self) -> u64 {
        match self {
            Self::PerClient(clients) => clients.refused.load(Ordering::Relaxed),
            Self::Open | Self::Enclaves(..) => 0,
        }
    }
}

impl Clients {
    fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Ticket> {
        let client = client_of(address);
        let is_admitted = {
            let mut open = self.open();
            let count = open.entry(client).or_default();
            let is_admitted = *count < self.cap.get();
            *count += usize::from(is_admitted);
            is_admitted
        };
        if is_admitted {
            return Some(Ticket(Some((Arc::clone(self), client))));
        }
        self.refused.fetch_add(1, Ordering::Relaxed);
        if self.over.begins() {
            tracing::warn!(%client, cap = self.cap, "a client has too many connections; more are closed");
        }
        None
    }

    fn open(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some((clients, client)) = self.0.take()
            && let Entry::Occupied(mut entry) = clients.open().entry(client)
        {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

/// Whose address that is: of IPv6, a client commonly has all of a /64.
fn client_of(address: IpAddr) -> IpAddr {
    const HOST: u128 = (1 << 64) - 1;
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !HOST)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_so_many_at_a_time_and_another_its_own() {
        let Gate::PerClient(clients) = Gate::new(NonZeroUsize::new(2)) else { panic!() };
        let v4: IpAddr = "192.0.2.7".parse().unwrap();
        let first = clients.admit(v4).unwrap();
        // The same address, as a socket that takes both families has it.
        let _second = clients.admit("::ffff:192.0.2.7".parse().unwrap()).unwrap();
        assert!(clients.admit(v4).is_none());
        assert_eq!(clients.refused.load(Ordering::Relaxed), 1);
        let _other = clients.admit("192.0.2.8".parse().unwrap()).unwrap();
        drop(first);
        let _third = clients.admit(v4).unwrap();
        assert!(clients.admit(v4).is_none());
    }

    #[test]
    fn all_of_a_64_is_one_client_and_nothing_is_kept_of_who_has_gone() {
        let Gate::PerClient(clients) = Gate::new(NonZeroUsize::new(1)) else { panic!() };
        let one = clients.admit("2001:db8::1".parse().unwrap()).unwrap();
        assert!(clients.admit("2001:db8::ffff:0:0:1".parse().unwrap()).is_none());
        let other = clients.admit("2001:db8:0:1::1".parse().unwrap()).unwrap();
        drop((one, other));
        assert!(clients.open().is_empty());
    }
}
