//! Balancing: which upstream gets the next connection.
//!
//! The upstream with the fewest open connections comes first. That alone would prefer an enclave whose
//! clients leave at once, for example because they do not know its certificate authority: its connections
//! never count. So recent connections that are ended count as well, with a weight that halves every
//! [`HALF_LIFE`] from the moment they began. An upstream that has more of them than its share of all
//! recent connections comes behind those that have not. Hence an enclave whose clients leave at once gets
//! its share and no more, however many connections the others hold, while a new enclave, whose clients
//! stay, is filled as before.

use std::cmp::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use crate::decaying_count::DecayingCount;

/// Time in which a recent connection loses half of its weight. SDKs try again within seconds, and must find
/// that the first attempt still counts; an enclave that has recovered must not wait for minutes. Finagle's
/// and linkerd's balancers let a latency decay over 10 s too.
const HALF_LIFE: Duration = Duration::from_secs(10);

/// Recent connections by which an upstream may exceed its share: in a relay that is almost idle the little
/// weight that old connections have left must decide nothing.
const SLACK: f64 = 0.5;

/// The recent connections of one upstream.
#[derive(Debug)]
pub(crate) struct RecentConnections {
    started: DecayingCount,
    /// Those of `started` that have ended, with the weight that they have left.
    ended: DecayingCount,
}

impl RecentConnections {
    pub(crate) fn new() -> Self {
        Self { started: DecayingCount::new(HALF_LIFE), ended: DecayingCount::new(HALF_LIFE) }
    }

    /// Counts a connection that begins now, and returns the time for [`Self::end`].
    pub(crate) fn start(&self) -> Instant {
        let now = Instant::now();
        self.started.add(1.0, now);
        now
    }

    /// Counts the end of a connection that began at `started`. One that has lasted counts for little: it is
    /// no sign that clients leave at once.
    pub(crate) fn end(&self, started: Instant) {
        let now = Instant::now();
        self.ended.add(self.ended.decayed_since(1.0, started, now), now);
    }
}

/// One upstream, as balancing sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    pub(crate) is_ejected: bool,
    /// Share of connections relative to other upstreams, from 0.1 to 1.
    weight: f64,
    open: f64,
    started: f64,
    ended: f64,
}

impl Candidate {
    pub(crate) fn new(
        is_ejected: bool,
        weight: f64,
        open: usize,
        recent: &RecentConnections,
    ) -> Self {
        let now = Instant::now();
        Self {
            is_ejected,
            weight,
            open: f64::from(u32::try_from(open).unwrap_or(u32::MAX)),
            started: recent.started.at(now),
            ended: recent.ended.at(now),
        }
    }
}

/// The sums over all upstreams that a share is of.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    weight: f64,
    started: f64,
}

impl Totals {
    /// Adds up those that are not ejected: only they share the clients.
    pub(crate) fn sum(candidates: impl Iterator<Item = Candidate>) -> Self {
        let add = |sum: Self, candidate: Candidate| Self {
            weight: sum.weight + candidate.weight,
            started: sum.started + candidate.started,
        };
        candidates.filter(|candidate| !candidate.is_ejected).fold(Self::default(), add)
    }

    /// Orders two candidates: the lesser gets the connection.
    pub(crate) fn compare(&self, one: &Candidate, other: &Candidate) -> Ordering {
        one.is_ejected
            .cmp(&other.is_ejected)
            .then(self.exceeds_its_share(one).cmp(&self.exceeds_its_share(other)))
            .then((one.open / one.weight).total_cmp(&(other.open / other.weight)))
            .then((one.started / one.weight).total_cmp(&(other.started / other.weight)))
    }

    /// Whether more of the recent connections have come to it and ended than it has a share of.
    fn exceeds_its_share(&self, one: &Candidate) -> bool {
        one.ended > self.started * one.weight / self.weight + SLACK
    }
}

/// Returns the index of the candidate that gets the connection: the first of those that compare least.
pub(crate) fn select(
    candidates: impl Iterator<Item = Candidate>,
    totals: &Totals,
) -> Option<usize> {
    let least = candidates.enumerate().min_by(|(_, one), (_, other)| totals.compare(one, other));
    least.map(|(index, _)| index)
}

#[cfg(test)]
mod tests;
