//! The comparison of the upstreams' shares of rejected handshakes, and the weights that follow from it.
//!
//! The share of an upstream is the part of its recent handshakes that clients rejected. Its siblings are the
//! other upstreams. The condition "rejected" holds if the share of an upstream far exceeds the lower median of
//! the shares of its siblings. Siblings with few handshakes are ignored. Because the lower median is used, the
//! condition can hold for two of three or two of four upstreams. It holds for no upstream if clients reject
//! all of them.
//!
//! The condition begins if the share reaches both [`BEGIN_SHARE`] and [`BEGIN_RATIO`]. It ends below half of
//! these minimums. So a share that varies around a minimum does not begin and end the condition repeatedly.

use crate::recent_handshakes::{HandshakeStats, MIN_HANDSHAKES_FOR_SHARE};

/// Minimum number of recent rejections of an upstream before the condition can begin.
const MIN_REJECTIONS: f64 = 10.0;
/// Minimum number of recent handshakes of a sibling whose share is used, before the condition begins.
const MIN_HANDSHAKES: f64 = 10.0;
/// Minimum share at which the condition begins.
const BEGIN_SHARE: f64 = 0.2;
/// Minimum ratio of the upstream's share to the siblings' share at which the condition begins.
const BEGIN_RATIO: f64 = 5.0;
/// Factor of [`BEGIN_SHARE`] and [`BEGIN_RATIO`] below which the condition ends.
const END_FACTOR: f64 = 0.5;
/// Minimum weight in the upstream selection. An upstream with this weight still gets some clients, for two
/// reasons: without clients, the relay could not detect that they trust the certificate again, and any client
/// can send false alerts.
const MIN_WEIGHT: f64 = 0.1;

/// The result of the comparison for one upstream.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Comparison {
    pub(super) is_rejected: bool,
    /// The siblings' share with which the upstream's share was compared.
    pub(super) siblings_share: Option<f64>,
    /// Weight in the upstream selection, in thousandths, from 100 to 1000.
    pub(super) weight_thousandths: u16,
}

/// Returns whether the condition holds: the share of an upstream far exceeds that of its siblings.
fn stands_out(stats: &HandshakeStats, siblings_share: Option<f64>) -> bool {
    let (Some(share), Some(siblings)) = (stats.share(), siblings_share) else { return false };
    let is_above = |part: f64| share >= part * BEGIN_SHARE.max(BEGIN_RATIO * siblings);
    match stats.is_rejected {
        true => is_above(END_FACTOR),
        false => stats.rejections >= MIN_REJECTIONS && is_above(1.0),
    }
}

/// Compares each upstream with the others. Returns the results in the same order.
pub(super) fn compare(all: &[HandshakeStats]) -> Vec<Comparison> {
    let mut comparisons: Vec<Comparison> = all
        .iter()
        .enumerate()
        .map(|(index, one)| {
            let siblings_share = siblings_share(all, index, one.is_rejected);
            let is_rejected = stands_out(one, siblings_share);
            Comparison { is_rejected, siblings_share, weight_thousandths: 1000 }
        })
        .collect();
    let mut rejected: Vec<_> =
        all.iter().zip(&mut comparisons).filter(|(_, comparison)| comparison.is_rejected).collect();
    // Upstreams whose weight is already lowered come first, so that two upstreams with similar shares do not
    // alternate.
    rejected.sort_by(|(one, _), (other, _)| {
        let share = |one: &HandshakeStats| one.share().unwrap_or_default();
        other.is_lowered.cmp(&one.is_lowered).then(share(other).total_cmp(&share(one)))
    });
    for (one, comparison) in rejected.into_iter().take(all.len() / 2) {
        comparison.weight_thousandths = weight(one.share().unwrap_or_default());
    }
    comparisons
}

/// Returns the lower median of the shares of the other upstreams.
fn siblings_share(all: &[HandshakeStats], index: usize, is_rejected: bool) -> Option<f64> {
    let least = if is_rejected { MIN_HANDSHAKES_FOR_SHARE } else { MIN_HANDSHAKES };
    let others = all.iter().enumerate().filter(|(other, _)| *other != index);
    let mut shares: Vec<f64> = others
        .filter(|(_, other)| other.handshakes >= least)
        .filter_map(|(_, other)| other.share())
        .collect();
    shares.sort_by(f64::total_cmp);
    shares.get(shares.len().checked_sub(1)? / 2).copied()
}

/// Returns the share of clients that accept the certificate, in thousandths, at least 100.
fn weight(rejected_share: f64) -> u16 {
    let weight = (1.0 - rejected_share).clamp(MIN_WEIGHT, 1.0);
    // The largest integer that is not above the weight. It is searched for, because a cast from float to
    // integer is lossy.
    (100..=1000).rev().find(|whole| f64::from(*whole) <= weight * 1000.0).unwrap_or(100)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(handshakes: f64, rejections: f64) -> HandshakeStats {
        HandshakeStats { handshakes, rejections, is_rejected: false, is_lowered: false }
    }

    fn rejected(all: &[HandshakeStats]) -> Vec<bool> {
        compare(all).iter().map(|comparison| comparison.is_rejected).collect()
    }

    fn weights(all: &[HandshakeStats]) -> Vec<u16> {
        compare(all).iter().map(|comparison| comparison.weight_thousandths).collect()
    }

    const GOOD: HandshakeStats = HandshakeStats {
        handshakes: 100.0,
        rejections: 0.0,
        is_rejected: false,
        is_lowered: false,
    };
    const BAD: HandshakeStats = HandshakeStats { rejections: 100.0, ..GOOD };

    #[test]
    fn finds_share_far_above_the_siblings() {
        assert_eq!(rejected(&[GOOD, BAD]), [false, true]);
        assert_eq!(rejected(&[GOOD, BAD, BAD]), [false, true, true]);
        assert_eq!(rejected(&[GOOD, GOOD, BAD, BAD]), [false, false, true, true]);
        // Five times the share of the others, and 20 %.
        assert_eq!(rejected(&[GOOD, stats(100.0, 20.0)]), [false, true]);
        assert_eq!(rejected(&[GOOD, stats(100.0, 19.0)]), [false, false]);
        let some = stats(100.0, 10.0);
        assert_eq!(rejected(&[some, stats(100.0, 50.0)]), [false, true]);
        assert_eq!(rejected(&[some, stats(100.0, 49.0)]), [false, false]);
    }

    #[test]
    fn finds_nothing_without_enough_handshakes() {
        assert_eq!(rejected(&[]), [false; 0]);
        assert_eq!(rejected(&[BAD]), [false]);
        assert_eq!(rejected(&[stats(0.0, 0.0), BAD]), [false, false]);
        assert_eq!(rejected(&[stats(9.0, 0.0), BAD]), [false, false]);
        assert_eq!(rejected(&[GOOD, stats(9.0, 9.0)]), [false, false]);
        // If clients reject all upstreams, none stands out.
        assert_eq!(rejected(&[BAD, BAD]), [false, false]);
        assert_eq!(rejected(&[GOOD, BAD, BAD, BAD]), [false; 4]);
    }

    #[test]
    fn condition_ends_at_half_of_its_start_thresholds() {
        let before = |rejections| HandshakeStats { is_rejected: true, ..stats(100.0, rejections) };
        assert_eq!(rejected(&[GOOD, before(10.0)]), [false, true]);
        assert_eq!(rejected(&[GOOD, before(9.0)]), [false, false]);
        assert_eq!(rejected(&[stats(100.0, 10.0), before(25.0)]), [false, true]);
        assert_eq!(rejected(&[stats(100.0, 10.0), before(24.0)]), [false, false]);
        // An upstream without clients or without siblings ends the condition too.
        let idle = HandshakeStats { is_rejected: true, ..stats(0.9, 0.9) };
        assert_eq!(rejected(&[GOOD, idle]), [false, false]);
        assert_eq!(rejected(&[before(100.0)]), [false]);
    }

    #[test]
    fn lowers_weight_to_a_tenth_for_at_most_half() {
        assert_eq!(weights(&[GOOD, BAD]), [1000, 100]);
        assert_eq!(weights(&[GOOD, stats(100.0, 30.0)]), [1000, 700]);
        assert_eq!(weights(&[GOOD, GOOD, BAD, BAD]), [1000, 1000, 100, 100]);
        // Of three upstreams only the one that is rejected most is lowered, and it stays so.
        let most = stats(100.0, 90.0);
        assert_eq!(weights(&[GOOD, most, BAD]), [1000, 1000, 100]);
        let lowered = HandshakeStats { is_rejected: true, is_lowered: true, ..most };
        assert_eq!(weights(&[GOOD, lowered, BAD]), [1000, 100, 1000]);
    }
}
