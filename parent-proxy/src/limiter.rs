//! The limits of open connections, and the eviction of idle connections to make room for new ones.

use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;
use transport::{LogThrottle, client_network};

use crate::activity::{Activity, Rank};

/// A limiter of open connections, by client address.
#[derive(Debug)]
pub(crate) struct ConnectionLimiter {
    per_client: Option<NonZeroUsize>,
    epoch: Instant,
    clients: Mutex<Clients>,
    pub(crate) counts: Counts,
    at_limit: LogThrottle,
    full: LogThrottle,
}

/// The number of connections that were evicted or rejected.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Evicted because their address was at its limit.
    pub(crate) evicted_per_client: AtomicU64,
    /// Evicted because the relay was full.
    pub(crate) evicted_full: AtomicU64,
    /// Rejected because all connections of their address awaited a response.
    pub(crate) rejected_per_client: AtomicU64,
}

/// A client address for the limit: an IPv4 address or an IPv6 /64. `None` for a Unix or vsock peer.
type ClientAddress = Option<IpAddr>;

/// The connections of all addresses.
#[derive(Debug, Default)]
struct Clients {
    open: HashMap<ClientAddress, OpenConnections>,
    next_number: u64,
}

/// The connections of one address, ordered by rank.
///
/// Relaying a byte changes the rank of a connection, but must not lock the index. So the index holds each
/// rank as of its last update. Ranks only rise, so the first entry whose rank is still current has the lowest
/// rank.
type OpenConnections = BTreeMap<(Rank, u64), Arc<Activity>>;

impl Clients {
    /// Returns whether `client` has reached `limit`.
    fn is_at_limit(&self, client: ClientAddress, limit: Option<NonZeroUsize>) -> bool {
        // A peer without an address is a local program.
        client.is_some()
            && limit.is_some_and(|limit| {
                self.open.get(&client).is_some_and(|open| open.len() >= limit.get())
            })
    }

    /// Adds a connection. Returns its number.
    fn insert(&mut self, client: ClientAddress, activity: &Arc<Activity>, now: Instant) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        let open = self.open.entry(client).or_default();
        index(open, number, Arc::clone(activity), activity.min_rank(now));
        number
    }

    /// Removes a connection. Also removes the address if it has no other connection.
    fn remove(&mut self, client: ClientAddress, number: u64, activity: &Activity) {
        if let Entry::Occupied(mut open) = self.open.entry(client) {
            open.get_mut().remove(&(activity.indexed_rank(), number));
            if open.get().is_empty() {
                open.remove();
            }
        }
    }

    /// Evicts the longest-idle connection of the address with the most connections, except the connection
    /// `new_number`. If all connections of that address await a response, tries the address with the next
    /// most connections.
    fn evict_from_largest(
        &mut self,
        new_number: u64,
        now: Instant,
    ) -> Option<(ClientAddress, Arc<Activity>)> {
        let evict = |clients: &mut Self, client| {
            let evicted = clients.evict_longest_idle(client, Some(new_number), now);
            evicted.map(|activity| (client, activity))
        };
        let largest =
            self.open.iter().max_by_key(|(_, open)| open.len()).map(|(client, _)| *client);
        if let Some(evicted) = largest.and_then(|client| evict(self, client)) {
            return Some(evicted);
        }
        let mut sizes: Vec<_> =
            self.open.iter().map(|(client, open)| (open.len(), *client)).collect();
        sizes.sort_unstable_by_key(|(size, _)| Reverse(*size));
        sizes.into_iter().find_map(|(_, client)| evict(self, client))
    }

    /// Evicts the longest-idle connection of one address, except the connection `new_number`.
    fn evict_longest_idle(
        &mut self,
        client: ClientAddress,
        new_number: Option<u64>,
        now: Instant,
    ) -> Option<Arc<Activity>> {
        let open = self.open.get_mut(&client)?;
        let mut passed_over = Vec::new();
        let mut evicted = None;
        while let Some(((indexed, number), activity)) = open.pop_first() {
            match activity.rank() {
                Some(rank)
                    if Some(number) != new_number && rank <= indexed && activity.evict(rank) =>
                {
                    evicted = Some(activity);
                    break;
                }
                // Bytes were relayed since the last update. Index the new rank, and look at the lowest rank
                // again.
                Some(rank) if Some(number) != new_number => index(open, number, activity, rank),
                _ => passed_over.push((number, activity)),
            }
        }
        for (number, activity) in passed_over {
            let rank = activity.min_rank(now);
            index(open, number, activity, rank);
        }
        if open.is_empty() {
            self.open.remove(&client);
        }
        evicted
    }
}

/// Inserts a connection into the index under `rank`.
fn index(open: &mut OpenConnections, number: u64, activity: Arc<Activity>, rank: Rank) {
    activity.set_indexed_rank(rank);
    open.insert((rank, number), activity);
}

/// A permit for one connection, returned on drop.
#[derive(Debug)]
pub(crate) struct Permit {
    limiter: Arc<ConnectionLimiter>,
    client: ClientAddress,
    number: u64,
    activity: Arc<Activity>,
    has_evicted: bool,
}

impl ConnectionLimiter {
    /// Creates a limiter of `per_client` connections per address; `None` is no limit.
    pub(crate) fn new(per_client: Option<NonZeroUsize>) -> Self {
        Self {
            per_client,
            epoch: Instant::now(),
            clients: Mutex::default(),
            counts: Counts::default(),
            at_limit: LogThrottle::default(),
            full: LogThrottle::default(),
        }
    }

    /// Admits a connection. At the limit of its address, this evicts the address's longest-idle connection.
    /// Returns `None` if all connections of the address await a response.
    pub(crate) fn admit(self: &Arc<Self>, address: Option<IpAddr>) -> Option<Permit> {
        let client = address.map(client_network);
        let now = Instant::now();
        let activity = Arc::new(Activity::new(self.epoch, now));
        let (number, evicted) = {
            let mut clients = self.clients();
            let evicted = match clients.is_at_limit(client, self.per_client) {
                false => None,
                true => match clients.evict_longest_idle(client, None, now) {
                    Some(evicted) => Some(evicted),
                    None => {
                        drop(clients);
                        self.record_rejection(client);
                        return None;
                    }
                },
            };
            (clients.insert(client, &activity, now), evicted)
        };
        let has_evicted = evicted.is_some();
        if let Some(evicted) = evicted {
            evicted.abort();
            self.counts.evicted_per_client.fetch_add(1, Ordering::Relaxed);
            if self.at_limit.should_log() {
                let (client_network, limit) =
                    (client.map(tracing::field::display), self.per_client);
                tracing::warn!(
                    client_network,
                    limit,
                    "client address at its connection limit: closing its longest-idle connections"
                );
            }
        }
        Some(Permit { limiter: Arc::clone(self), client, number, activity, has_evicted })
    }

    /// Evicts the longest-idle connection of the address with the most connections, to make room for `new`.
    /// Returns `false` if all other connections await a response.
    pub(crate) fn evict_for(&self, new: &Permit) -> bool {
        let now = Instant::now();
        let Some((client, evicted)) = self.clients().evict_from_largest(new.number, now) else {
            return false;
        };
        evicted.abort();
        self.counts.evicted_full.fetch_add(1, Ordering::Relaxed);
        if self.full.should_log() {
            let client_network = client.map(tracing::field::display);
            tracing::warn!(
                client_network,
                "relay full: closing the longest-idle connections of the address with the most connections"
            );
        }
        true
    }

    /// Counts and logs a rejected connection.
    fn record_rejection(&self, client: ClientAddress) {
        self.counts.rejected_per_client.fetch_add(1, Ordering::Relaxed);
        if self.at_limit.should_log() {
            let (client_network, limit) = (client.map(tracing::field::display), self.per_client);
            tracing::warn!(
                client_network,
                limit,
                "client address at its connection limit, and all of its connections await responses: \
                 rejecting new ones"
            );
        }
    }

    fn clients(&self) -> MutexGuard<'_, Clients> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// Returns whether a connection of the same address was evicted for this one.
    pub(crate) fn has_evicted(&self) -> bool {
        self.has_evicted
    }

    /// Returns the record of the connection's activity.
    pub(crate) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.limiter.clients().remove(self.client, self.number, &self.activity);
    }
}

#[cfg(test)]
#[path = "limiter_tests.rs"]
mod tests;
