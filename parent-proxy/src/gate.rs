//! Which peers may connect.

use std::num::NonZeroUsize;
use std::sync::Arc;

use rustix::net::{RecvFlags, recv};
use transport::{Episode, Stream};

use crate::activity::Activity;
use crate::limiter::{ConnectionLimiter, Permit};
use crate::pool::Pool;

/// What is asked of a peer that connects.
#[derive(Debug)]
pub(crate) enum Gate {
    /// Clients: within the limits.
    Clients(Arc<ConnectionLimiter>),
    /// On vsock, to be one of these enclaves: others on this instance belong to others.
    Enclaves(Arc<Pool>, Episode),
}

/// The admission of a connection; a client's is given back on drop.
#[derive(Debug)]
pub(crate) struct Ticket(Option<Permit>);

impl Gate {
    /// Admits clients, `per_client` of one address at a time.
    pub(crate) fn new(per_client: Option<NonZeroUsize>) -> Self {
        Self::Clients(Arc::new(ConnectionLimiter::new(per_client)))
    }

    /// Admits only the enclaves of `pool`.
    pub(crate) fn enclaves(pool: Arc<Pool>) -> Self {
        Self::Enclaves(pool, Episode::default())
    }

    /// Admits the peer, or logs why not.
    pub(crate) fn admit(&self, peer: &Stream) -> Option<Ticket> {
        match self {
            Self::Clients(limiter) => {
                let address = peer.peer_address().map(|address| address.ip());
                limiter.admit(address).map(|permit| Ticket(Some(permit)))
            }
            Self::Enclaves(pool, strangers) => match peer.peer_cid() {
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

    /// Has another connection make room for `newcomer`. Returns `false` where none can.
    pub(crate) fn make_room(&self, newcomer: &Ticket) -> bool {
        match (self, &newcomer.0) {
            (Self::Clients(limiter), Some(permit)) => limiter.make_room(permit),
            _ => false,
        }
    }

    /// Returns the limits that clients are under.
    pub(crate) fn limiter(&self) -> Option<&ConnectionLimiter> {
        match self {
            Self::Clients(limiter) => Some(limiter),
            Self::Enclaves(..) => None,
        }
    }
}

impl Ticket {
    /// Returns whether a connection of the same address was evicted for this one.
    pub(crate) fn has_evicted(&self) -> bool {
        self.0.as_ref().is_some_and(Permit::has_evicted)
    }

    /// Records that a response is awaited where the client has sent something already.
    pub(crate) fn look_for_request(&self, client: &Stream) {
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        // An error is a client that has sent nothing, or has gone.
        if let Some(activity) = self.activity()
            && recv(client, &mut [0_u8; 1], flags).is_ok_and(|(_, length)| length > 0)
        {
            activity.await_response();
        }
    }

    /// Returns what a client's traffic is recorded in.
    pub(crate) fn activity(&self) -> Option<&Arc<Activity>> {
        self.0.as_ref().map(Permit::activity)
    }
}
