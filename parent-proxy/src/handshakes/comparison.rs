//! Which upstreams have a share of rejected handshakes that is far above that of their siblings, and what
//! weight they get.
//!
//! It is compared with the median of the siblings that had handshakes, and of an even number with the lower one
//! of the middle two: so that of three upstreams two can be found, and of four two, while clients that reject
//! all of them make none stand out. The condition begins at [`BEGIN_SHARE`] and [`BEGIN_RATIO`] and ends at half
//! of both, so that a share between them changes nothing.

use crate::handshake_window::{MIN_HANDSHAKES_FOR_SHARE, WindowStats};

/// Rejections that an upstream must have had in the recent window before the condition can begin.
const MIN_REJECTIONS: f64 = 10.0;
/// Handshakes that a sibling must have had in the recent window to be compared with before it begins.
const MIN_HANDSHAKES: f64 = 10.0;
/// The least share at which the condition begins.
const BEGIN_SHARE: f64 = 0.2;
/// The least ratio of the share to that of the siblings at which it begins.
const BEGIN_RATIO: f64 = 5.0;
/// The part of both below which it ends.
const END_FACTOR: f64 = 0.5;
/// The least weight: an upstream that is lowered goes on getting clients, for a stranger may have sent the
/// alerts, and without clients it would never be seen to be trusted again.
const MIN_WEIGHT: f64 = 0.1;

/// What is found about an upstream.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Comparison {
    pub(super) is_rejected: bool,
    /// What its share was compared with.
    pub(super) siblings_share: Option<f64>,
    /// From 100 to 1000.
    pub(super) weight_thousandths: u16,
}

/// Returns whether the share of an upstream stands out now.
fn stands_out(stats: &WindowStats, siblings_share: Option<f64>) -> bool {
    let (Some(share), Some(siblings)) = (stats.share(), siblings_share) else { return false };
    let is_above = |part: f64| share >= part * BEGIN_SHARE.max(BEGIN_RATIO * siblings);
    match stats.is_rejected {
        true => is_above(END_FACTOR),
        false => stats.rejections >= MIN_REJECTIONS && is_above(1.0),
    }
}

/// Judges each upstream among the others. The comparisons are in the same order.
pub(super) fn compare(all: &[WindowStats]) -> Vec<Comparison> {
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
    // Those that are lowered stay so, or two that are alike would take turns.
    rejected.sort_by(|(one, _), (other, _)| {
        let share = |one: &WindowStats| one.share().unwrap_or_default();
        other.is_lowered.cmp(&one.is_lowered).then(share(other).total_cmp(&share(one)))
    });
    for (one, comparison) in rejected.into_iter().take(all.len() / 2) {
        comparison.weight_thousandths = weight(one.share().unwrap_or_default());
    }
    comparisons
}

/// Returns the lower median of the shares of the others.
fn siblings_share(all: &[WindowStats], index: usize, is_rejected: bool) -> Option<f64> {
    let least = if is_rejected { MIN_HANDSHAKES_FOR_SHARE } else { MIN_HANDSHAKES };
    let others = all.iter().enumerate().filter(|(other, _)| *other != index);
    let mut shares: Vec<f64> = others
        .filter(|(_, other)| other.handshakes >= least)
        .filter_map(|(_, other)| other.share())
        .collect();
    shares.sort_by(f64::total_cmp);
    shares.get(shares.len().checked_sub(1)? / 2).copied()
}

/// Returns the share of clients that accept, in thousandths, but a tenth at least.
fn weight(rejected_share: f64) -> u16 {
    let weight = (1.0 - rejected_share).clamp(MIN_WEIGHT, 1.0);
    // The largest whole number that is not above it: floats are not converted to whole numbers here.
    (100..=1000).rev().find(|whole| f64::from(*whole) <= weight * 1000.0).unwrap_or(100)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(handshakes: f64, rejections: f64) -> WindowStats {
        WindowStats { handshakes, rejections, is_rejected: false, is_lowered: false }
    }

    fn rejected(all: &[WindowStats]) -> Vec<bool> {
        compare(all).iter().map(|comparison| comparison.is_rejected).collect()
    }

    fn weights(all: &[WindowStats]) -> Vec<u16> {
        compare(all).iter().map(|comparison| comparison.weight_thousandths).collect()
    }

    const GOOD: WindowStats =
        WindowStats { handshakes: 100.0, rejections: 0.0, is_rejected: false, is_lowered: false };
    const BAD: WindowStats = WindowStats { rejections: 100.0, ..GOOD };

    #[test]
    fn finds_share_far_above_the_siblings() {
        assert_eq!(rejected(&[GOOD, BAD]), [false, true]);
        assert_eq!(rejected(&[GOOD, BAD, BAD]), [false, true, true]);
        assert_eq!(rejected(&[GOOD, GOOD, BAD, BAD]), [false, false, true, true]);
        // Five times the share of the others, and a fifth of all.
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
        // Clients that reject all of them tell nothing about one.
        assert_eq!(rejected(&[BAD, BAD]), [false, false]);
        assert_eq!(rejected(&[GOOD, BAD, BAD, BAD]), [false; 4]);
    }

    #[test]
    fn condition_ends_at_half_of_its_start_thresholds() {
        let before = |rejections| WindowStats { is_rejected: true, ..stats(100.0, rejections) };
        assert_eq!(rejected(&[GOOD, before(10.0)]), [false, true]);
        assert_eq!(rejected(&[GOOD, before(9.0)]), [false, false]);
        assert_eq!(rejected(&[stats(100.0, 10.0), before(25.0)]), [false, true]);
        assert_eq!(rejected(&[stats(100.0, 10.0), before(24.0)]), [false, false]);
        // No clients, and no siblings, end it too.
        let idle = WindowStats { is_rejected: true, ..stats(0.9, 0.9) };
        assert_eq!(rejected(&[GOOD, idle]), [false, false]);
        assert_eq!(rejected(&[before(100.0)]), [false]);
    }

    #[test]
    fn lowers_weight_to_a_tenth_for_at_most_half() {
        assert_eq!(weights(&[GOOD, BAD]), [1000, 100]);
        assert_eq!(weights(&[GOOD, stats(100.0, 30.0)]), [1000, 700]);
        assert_eq!(weights(&[GOOD, GOOD, BAD, BAD]), [1000, 1000, 100, 100]);
        // Of three it is one, the one that is rejected most, and then stays so.
        let most = stats(100.0, 90.0);
        assert_eq!(weights(&[GOOD, most, BAD]), [1000, 1000, 100]);
        let lowered = WindowStats { is_rejected: true, is_lowered: true, ..most };
        assert_eq!(weights(&[GOOD, lowered, BAD]), [1000, 100, 1000]);
    }
}
