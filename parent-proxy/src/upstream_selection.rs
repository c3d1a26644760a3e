//! Selects the upstream that gets the next connection.
//!
//! The upstream with the fewest open connections, divided by its weight, gets the connection. The weight is 1
//! unless `rejected_handshakes` lowers it. This rule alone would prefer an enclave whose clients disconnect at
//! once, because such an enclave has no open connections. Clients disconnect at once if they do not trust the
//! enclave's certificate authority, for example.
//!
//! The selection therefore also counts recent connections that have ended. A recent connection counts as 1 at
//! its start, and half as much after each [`HALF_LIFE`]. The share of an upstream is its weight divided by the
//! sum of the weights of all upstreams that are not ejected. An upstream exceeds its share if its ended
//! connections, divided by the recent connections of all these upstreams, are above the share. Upstreams that
//! exceed their share rank behind the others. An enclave whose clients disconnect at once therefore gets at
//! most its share. A new enclave whose clients stay gets the next clients until it has as many open connections
//! as the others.

use std::cmp::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use crate::decaying_count::DecayingCount;

/// Time after which a recent connection counts half as much. SDKs retry within seconds, and the first attempt must
/// still count at that time. An enclave that has recovered must not wait minutes for clients. The load
/// balancers of Finagle and linkerd also use a decay time of 10 s, for latencies.
const HALF_LIFE: Duration = Duration::from_secs(10);

/// Number of recent connections by which an upstream may exceed its share. Without this tolerance, the small
/// rest of old connections would determine the selection in an almost idle relay.
const SLACK: f64 = 0.5;

/// The recent connections of one upstream, by start and end.
#[derive(Debug)]
pub(crate) struct RecentConnections {
    started: DecayingCount,
    /// The connections of `started` that have ended, each with the same decay as in `started`.
    ended: DecayingCount,
}

impl RecentConnections {
    pub(crate) fn new() -> Self {
        Self { started: DecayingCount::new(HALF_LIFE), ended: DecayingCount::new(HALF_LIFE) }
    }

    /// Counts a connection that starts now. Returns the time for [`Self::end`].
    pub(crate) fn start(&self) -> Instant {
        let now = Instant::now();
        self.started.add(1.0, now);
        now
    }

    /// Counts the end of a connection that started at `started`. A long connection hardly counts, because its
    /// client did not disconnect at once.
    pub(crate) fn end(&self, started: Instant) {
        let now = Instant::now();
        self.ended.add(self.ended.decayed_since(1.0, started, now), now);
    }
}

/// The values of one upstream for the selection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    pub(crate) is_ejected: bool,
    /// Weight relative to other upstreams, from 0.1 to 1.
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

/// The sums over all upstreams, from which shares are computed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    weight: f64,
    started: f64,
}

impl Totals {
    /// Sums the upstreams that are not ejected, because only they get clients.
    pub(crate) fn sum(candidates: impl Iterator<Item = Candidate>) -> Self {
        let add = |sum: Self, candidate: Candidate| Self {
            weight: sum.weight + candidate.weight,
            started: sum.started + candidate.started,
        };
        candidates.filter(|candidate| !candidate.is_ejected).fold(Self::default(), add)
    }

    /// Orders two candidates. The lesser one gets the connection.
    pub(crate) fn compare(&self, one: &Candidate, other: &Candidate) -> Ordering {
        one.is_ejected
            .cmp(&other.is_ejected)
            .then(self.exceeds_its_share(one).cmp(&self.exceeds_its_share(other)))
            .then((one.open / one.weight).total_cmp(&(other.open / other.weight)))
            .then((one.started / one.weight).total_cmp(&(other.started / other.weight)))
    }

    /// Returns whether the ended connections of the candidate are more than its share of all recent
    /// connections, with the tolerance `SLACK`.
    fn exceeds_its_share(&self, one: &Candidate) -> bool {
        one.ended > self.started * one.weight / self.weight + SLACK
    }
}

/// Returns the index of the candidate that gets the connection. Of equal candidates, the first gets it.
pub(crate) fn select(
    candidates: impl Iterator<Item = Candidate>,
    totals: &Totals,
) -> Option<usize> {
    let least = candidates.enumerate().min_by(|(_, one), (_, other)| totals.compare(one, other));
    least.map(|(index, _)| index)
}

#[cfg(test)]
mod tests;
