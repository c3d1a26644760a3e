//! The policy of which peers may connect to a listener.

use std::num::NonZeroUsize;
use std::sync::Arc;

use rustix::net::{RecvFlags, recv};
use transport::{LogThrottle, Stream};

use crate::activity::Activity;
use crate::limiter::{ConnectionLimiter, Permit};
use crate::pool::Pool;

/// A condition that a connecting peer has to meet.
#[derive(Debug)]
pub(crate) enum PeerPolicy {
    /// Clients, within the limits of connections.
    Clients(Arc<ConnectionLimiter>),
    /// On vsock, only these enclaves: other enclaves of this instance are not part of this service.
    Enclaves(Arc<Pool>, LogThrottle),
}

/// The admission of a connection; a client's is given back on drop.
#[derive(Debug)]
pub(crate) struct Admission(Option<Permit>);

impl PeerPolicy {
    /// Creates a policy that admits clients, `per_client` of one address at a time.
    pub(crate) fn clients(per_client: Option<NonZeroUsize>) -> Self {
        Self::Clients(Arc::new(ConnectionLimiter::new(per_client)))
    }

    /// Creates a policy that admits only the enclaves of `pool`.
    pub(crate) fn enclaves(pool: Arc<Pool>) -> Self {
        Self::Enclaves(pool, LogThrottle::default())
    }

    /// Admits the peer, or logs the reason of the rejection.
    pub(crate) fn admit(&self, peer: &Stream) -> Option<Admission> {
        match self {
            Self::Clients(limiter) => {
                let address = peer.peer_address().map(|address| address.ip());
                limiter.admit(address).map(|permit| Admission(Some(permit)))
            }
            Self::Enclaves(pool, rejected) => match peer.peer_cid() {
                Ok(Some(cid)) if !pool.has_cid(cid) => {
                    if rejected.should_log() {
                        tracing::warn!(
                            cid,
                            "connection rejected: the CID is not that of an upstream"
                        );
                    }
                    None
                }
                Ok(_) => Some(Admission(None)),
                Err(_) => None,
            },
        }
    }

    /// Has another connection make room for `new`. Returns `false` where none can.
    pub(crate) fn evict_for(&self, new: &Admission) -> bool {
        match (self, &new.0) {
            (Self::Clients(limiter), Some(permit)) => limiter.evict_for(permit),
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

impl Admission {
    /// Returns whether a connection of the same address was evicted for this one.
    pub(crate) fn has_evicted(&self) -> bool {
        self.0.as_ref().is_some_and(Permit::has_evicted)
    }

    /// Records that a response is awaited where the client has sent something already.
    pub(crate) fn peek_request(&self, client: &Stream) {
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
