//! How long a connection has been silent, readable from any thread.

use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};

use tokio::task::AbortHandle;
use tokio::time::Instant;

/// A response is awaited.
const AWAITING: u64 = 1 << 63;

/// The client has sent a byte.
const CLIENT_SENT: u64 = 1 << 62;

/// The connection makes room for another one, and relays nothing more.
const EVICTED: u64 = 1 << 61;

const FLAGS: u64 = AWAITING | CLIENT_SENT | EVICTED;

/// The traffic of one connection, written by the thread that relays it, which also evicts others.
///
/// All of it is one atomic word, so that a request and an eviction cannot cross: either the eviction comes
/// first, and the request is not relayed, or the eviction sees that a response is awaited.
#[derive(Debug)]
pub(crate) struct Activity {
    epoch: Instant,
    /// Microseconds from `epoch` to the last byte, with the flags above.
    state: AtomicU64,
    /// The rank that the limiter has this connection filed under; read and written under its lock only.
    indexed_rank: AtomicU64,
    task: OnceLock<AbortHandle>,
}

/// The order in which connections make room: the lowest goes first.
///
/// A connection on which the client has never sent a byte comes before all others. Behind a shared address
/// a flood of silent connections would otherwise push out clients between two messages of a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank(u64);

impl Activity {
    /// Starts the silence of a connection that was accepted at `now`; `epoch` is common to all that are
    /// compared.
    pub(crate) fn new(epoch: Instant, now: Instant) -> Self {
        Self {
            epoch,
            state: AtomicU64::new(micros(epoch, now)),
            indexed_rank: AtomicU64::new(0),
            task: OnceLock::new(),
        }
    }

    /// Records that the client has sent something, before it is relayed. Returns `false` where the
    /// connection is evicted and must not relay it.
    pub(crate) fn await_response(&self) -> bool {
        self.state.fetch_or(AWAITING | CLIENT_SENT, SeqCst) & EVICTED == 0
    }

    /// Records that a byte, or the end of a direction, passed at `now`.
    pub(crate) fn record(&self, now: Instant, awaits_response: bool) {
        let awaiting = if awaits_response { AWAITING | CLIENT_SENT } else { 0 };
        let time = micros(self.epoch, now);
        let next = |state: u64| Some(time | awaiting | (state & (CLIENT_SENT | EVICTED)));
        // It never fails, as `next` always returns a value.
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

    /// Returns the rank that was last given to [`set_indexed_rank`](Self::set_indexed_rank).
    pub(crate) fn indexed_rank(&self) -> Rank {
        Rank(self.indexed_rank.load(Relaxed))
    }

    /// Notes the rank that this connection is filed under.
    pub(crate) fn set_indexed_rank(&self, rank: Rank) {
        self.indexed_rank.store(rank.0, Relaxed);
    }

    /// Names the task to abort when the connection is evicted.
    pub(crate) fn set_task(&self, task: AbortHandle) {
        let task = self.task.get_or_init(|| task);
        // The eviction may have come before the task.
        if self.state.load(SeqCst) & EVICTED != 0 {
            task.abort();
        }
    }

    /// Evicts the connection if its rank is still `rank`. Returns whether it was; then
    /// [`abort`](Self::abort) must follow.
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

fn micros(epoch: Instant, now: Instant) -> u64 {
    let micros = now.saturating_duration_since(epoch).as_micros();
    // The flags' bits are free for 73,000 years.
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
        assert!(!second.await_response(), "it is evicted");
    }
}
