//! The idle time of one connection, readable from any thread.

use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};

use tokio::task::AbortHandle;
use tokio::time::Instant;

/// Flag: a response is awaited.
const AWAITING: u64 = 1 << 63;

/// Flag: the client has sent a byte.
const CLIENT_SENT: u64 = 1 << 62;

/// Flag: the connection was evicted for a new one, and relays nothing more.
const EVICTED: u64 = 1 << 61;

const FLAGS: u64 = AWAITING | CLIENT_SENT | EVICTED;

/// The activity of one connection. The thread that relays the connection writes this record. The thread that
/// accepts connections reads the record to evict idle connections.
///
/// The state is one atomic word, so a request and an eviction cannot both succeed. If the eviction comes
/// first, the request is not relayed. If the request comes first, the eviction fails, because a response is
/// awaited.
#[derive(Debug)]
pub(crate) struct Activity {
    epoch: Instant,
    /// Microseconds from `epoch` to the last byte, with the flags above.
    state: AtomicU64,
    /// The rank under which the limiter indexes this connection. This field is read and written only under
    /// the limiter's lock.
    indexed_rank: AtomicU64,
    task: OnceLock<AbortHandle>,
}

/// The eviction order of connections: the lowest rank is evicted first.
///
/// Connections on which the client has not sent a byte come first. Otherwise, a flood of silent connections
/// from a shared address could evict a client between two messages of its TLS handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank(u64);

impl Activity {
    /// Creates the activity of a connection that was accepted at `now`. All activities whose ranks are
    /// compared have the same `epoch`.
    pub(crate) fn new(epoch: Instant, now: Instant) -> Self {
        Self {
            epoch,
            state: AtomicU64::new(micros(epoch, now)),
            indexed_rank: AtomicU64::new(0),
            task: OnceLock::new(),
        }
    }

    /// Records that the client sent bytes, before they are relayed. Returns `false` if the connection is
    /// evicted and must not relay them.
    pub(crate) fn await_response(&self) -> bool {
        self.state.fetch_or(AWAITING | CLIENT_SENT, SeqCst) & EVICTED == 0
    }

    /// Records that a byte, or the EOF of one direction, was relayed at `now`.
    pub(crate) fn record(&self, now: Instant, awaits_response: bool) {
        let awaiting = if awaits_response { AWAITING | CLIENT_SENT } else { 0 };
        let time = micros(self.epoch, now);
        let next = |state: u64| Some(time | awaiting | (state & (CLIENT_SENT | EVICTED)));
        // Never fails: `next` always returns `Some`.
        let _ = self.state.fetch_update(SeqCst, SeqCst, next);
    }

    /// Returns the connection's rank, or `None` while a response is awaited.
    pub(crate) fn rank(&self) -> Option<Rank> {
        let state = self.state.load(SeqCst);
        (state & AWAITING == 0).then_some(Rank(state))
    }

    /// Returns the lowest rank that the connection can have from `now` on.
    pub(crate) fn min_rank(&self, now: Instant) -> Rank {
        self.rank().unwrap_or(Rank(micros(self.epoch, now) | CLIENT_SENT))
    }

    /// Returns the rank that was last passed to [`set_indexed_rank`](Self::set_indexed_rank).
    pub(crate) fn indexed_rank(&self) -> Rank {
        Rank(self.indexed_rank.load(Relaxed))
    }

    /// Records the rank under which the limiter indexes this connection.
    pub(crate) fn set_indexed_rank(&self, rank: Rank) {
        self.indexed_rank.store(rank.0, Relaxed);
    }

    /// Sets the task to abort when the connection is evicted.
    pub(crate) fn set_task(&self, task: AbortHandle) {
        let task = self.task.get_or_init(|| task);
        // The eviction may have happened before this call.
        if self.state.load(SeqCst) & EVICTED != 0 {
            task.abort();
        }
    }

    /// Evicts the connection if its rank is still `rank`. Returns whether the connection was evicted. If so,
    /// the caller must call [`abort`](Self::abort).
    pub(crate) fn evict(&self, rank: Rank) -> bool {
        self.state.compare_exchange(rank.0, rank.0 | EVICTED, SeqCst, SeqCst).is_ok()
    }

    /// Aborts the task of an evicted connection.
    pub(crate) fn abort(&self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }
}

/// Returns the microseconds from `epoch` to `now`, without the bits of the flags.
fn micros(epoch: Instant, now: Instant) -> u64 {
    let micros = now.saturating_duration_since(epoch).as_micros();
    // The number of microseconds reaches the bits of the flags only after 73,000 years.
    u64::try_from(micros).unwrap_or(u64::MAX) & !FLAGS
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn ranks_silent_connections_before_those_that_have_sent() {
        let epoch = Instant::now();
        let at = |seconds| epoch + Duration::from_secs(seconds);
        let (old, new, client_sent) =
            (Activity::new(epoch, at(1)), Activity::new(epoch, at(9)), Activity::new(epoch, at(0)));
        client_sent.record(at(1), true);
        assert_eq!(client_sent.rank(), None);
        let lowest = client_sent.min_rank(at(2));
        client_sent.record(at(2), false);
        assert!(old.rank() < new.rank() && new.rank() < client_sent.rank());
        assert_eq!(client_sent.rank(), Some(lowest));
    }

    #[tokio::test]
    async fn evicts_a_task_set_after_the_eviction() {
        for task_first in [true, false] {
            let activity = Activity::new(Instant::now(), Instant::now());
            let task = tokio::spawn(std::future::pending::<()>());
            if task_first {
                activity.set_task(task.abort_handle());
            }
            assert!(activity.evict(activity.rank().unwrap()));
            activity.abort();
            activity.set_task(task.abort_handle());
            assert!(task.await.unwrap_err().is_cancelled());
        }
    }

    #[test]
    fn eviction_and_request_exclude_each_other() {
        let epoch = Instant::now();
        let (first, second) = (Activity::new(epoch, epoch), Activity::new(epoch, epoch));
        let rank = first.rank().unwrap();
        assert!(first.await_response());
        assert!(!first.evict(rank), "a response is awaited");
        assert!(second.evict(rank));
        second.record(epoch, false);
        assert!(!second.await_response(), "the connection is evicted");
    }
}
