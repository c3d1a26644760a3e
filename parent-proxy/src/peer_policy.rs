//! The policy that decides which peers may connect to a listener.

use std::num::NonZeroUsize;
use std::sync::Arc;

use rustix::net::{RecvFlags, recv};
use transport::{LogThrottle, Stream};

use crate::activity::Activity;
use crate::limiter::{ConnectionLimiter, Permit};
use crate::upstream_pool::Pool;

/// A policy that admits or rejects a connecting peer.
#[derive(Debug)]
pub(crate) enum PeerPolicy {
    /// Clients, within the connection limits.
    Clients(Arc<ConnectionLimiter>),
    /// Enclaves. On vsock, only enclaves of the pool are admitted, because other enclaves of this instance
    /// are not part of the service.
    Enclaves(Arc<Pool>, LogThrottle),
}

/// The admission of a connection by a [`PeerPolicy`]. The admission of a client holds a permit of the limiter
/// until it is dropped.
#[derive(Debug)]
pub(crate) struct Admission(Option<Permit>);

impl PeerPolicy {
    /// Creates a policy that admits clients, at most `per_client` connections per address.
    pub(crate) fn clients(per_client: Option<NonZeroUsize>) -> Self {
        Self::Clients(Arc::new(ConnectionLimiter::new(per_client)))
    }

    /// Creates a policy that admits only the enclaves of `pool`.
    pub(crate) fn enclaves(pool: Arc<Pool>) -> Self {
        Self::Enclaves(pool, LogThrottle::default())
    }

    /// Admits the peer. Logs a rejected peer and returns `None`.
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

    /// Evicts another connection to make room for `new`. Returns `false` if none can be evicted.
    pub(crate) fn evict_for(&self, new: &Admission) -> bool {
        match (self, &new.0) {
            (Self::Clients(limiter), Some(permit)) => limiter.evict_for(permit),
            _ => false,
        }
    }

    /// Returns the limiter of client connections.
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

    /// Records that a response is awaited, if the client has already sent bytes.
    pub(crate) fn peek_request(&self, client: &Stream) {
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        // An error means that the client has sent nothing, or has disconnected.
        if let Some(activity) = self.activity()
            && recv(client, &mut [0_u8; 1], flags).is_ok_and(|(_, length)| length > 0)
        {
            activity.await_response();
        }
    }

    /// Returns the activity record of a client connection.
    pub(crate) fn activity(&self) -> Option<&Arc<Activity>> {
        self.0.as_ref().map(Permit::activity)
    }
}
