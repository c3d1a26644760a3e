//! Which upstreams have a share of rejected handshakes that is far above that of their siblings, and what
//! weight they get.
//!
//! It is compared with the median of the siblings that had handshakes, and of an even number with the lower one
//! of the middle two: so that of three upstreams two can be found, and of four two, while clients that reject
//! all of them make none stand out. The condition begins at [`BEGIN_SHARE`] and [`BEGIN_RATIO`] and ends at half
//! of both, so that a share between them changes nothing.

use crate::handshake_window::{ANY_HANDSHAKE, Observed};

/// Rejections that an upstream must have had in the recent window before the condition can begin.
const MIN_REJECTIONS: f64 = 10.0;
/// Handshakes that a sibling must have had in the recent window to be compared with before it begins.
const MIN_HANDSHAKES: f64 = 10.0;
/// The least share at which the condition begins.
const BEGIN_SHARE: f64 = 0.2;
/// The least ratio of the share to that of the siblings at which it begins.
const BEGIN_RATIO: f64 = 5.0;
/// The part of both below which it ends.
const END: f64 = 0.5;
/// The least weight: an upstream that is lowered goes on getting clients, for a stranger may have sent the
/// alerts, and without clients it would never be seen to be trusted again.
const MIN_WEIGHT: f64 = 0.1;

/// What is found about an upstream.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Verdict {
    pub(super) is_rejected: bool,
    /// What its share was compared with.
    pub(super) siblings_share: Option<f64>,
    /// From 100 to 1000.
    pub(super) weight_thousandths: u16,
}

/// Returns whether the share of an upstream stands out now.
fn is_rejected_now(observed: &Observed, siblings_share: Option<f64>) -> bool {
    let (Some(share), Some(siblings)) = (observed.share(), siblings_share) else { return false };
    let is_above = |part: f64| share >= part * BEGIN_SHARE.max(BEGIN_RATIO * siblings);
    match observed.is_rejected {
        true => is_above(END),
        false => observed.rejections >= MIN_REJECTIONS && is_above(1.0),
    }
}

/// Judges each upstream among the others. The verdicts are in the same order.
pub(super) fn judge(all: &[Observed]) -> Vec<Verdict> {
    let mut verdicts: Vec<Verdict> = all
        .iter()
        .enumerate()
        .map(|(place, one)| {
            let siblings_share = siblings_share(all, place, one.is_rejected);
            let is_rejected = is_rejected_now(one, siblings_share);
            Verdict { is_rejected, siblings_share, weight_thousandths: 1000 }
        })
        .collect();
    let mut found: Vec<_> =
        all.iter().zip(&mut verdicts).filter(|(_, verdict)| verdict.is_rejected).collect();
    // Those that are lowered stay so, or two that are alike would take turns.
    found.sort_by(|(one, _), (other, _)| {
        let share = |one: &Observed| one.share().unwrap_or_default();
        other.is_lowered.cmp(&one.is_lowered).then(share(other).total_cmp(&share(one)))
    });
    for (one, verdict) in found.into_iter().take(all.len() / 2) {
        verdict.weight_thousandths = weight(one.share().unwrap_or_default());
    }
    verdicts
}

/// Returns the lower median of the shares of the others.
fn siblings_share(all: &[Observed], place: usize, is_rejected: bool) -> Option<f64> {
    let least = if is_rejected { ANY_HANDSHAKE } else { MIN_HANDSHAKES };
    let others = all.iter().enumerate().filter(|(other, _)| *other != place);
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

    fn observed(handshakes: f64, rejections: f64) -> Observed {
        Observed { handshakes, rejections, is_rejected: false, is_lowered: false }
    }

    fn found(all: &[Observed]) -> Vec<bool> {
        judge(all).iter().map(|verdict| verdict.is_rejected).collect()
    }

    fn weights(all: &[Observed]) -> Vec<u16> {
        judge(all).iter().map(|verdict| verdict.weight_thousandths).collect()
    }

    const GOOD: Observed =
        Observed { handshakes: 100.0, rejections: 0.0, is_rejected: false, is_lowered: false };
    const BAD: Observed = Observed { rejections: 100.0, ..GOOD };

    #[test]
    fn share_far_above_the_siblings_is_found() {
        assert_eq!(found(&[GOOD, BAD]), [false, true]);
        assert_eq!(found(&[GOOD, BAD, BAD]), [false, true, true]);
        assert_eq!(found(&[GOOD, GOOD, BAD, BAD]), [false, false, true, true]);
        // Five times the share of the others, and a fifth of all.
        assert_eq!(found(&[GOOD, observed(100.0, 20.0)]), [false, true]);
        assert_eq!(found(&[GOOD, observed(100.0, 19.0)]), [false, false]);
        let some = observed(100.0, 10.0);
        assert_eq!(found(&[some, observed(100.0, 50.0)]), [false, true]);
        assert_eq!(found(&[some, observed(100.0, 49.0)]), [false, false]);
    }

    #[test]
    fn nothing_is_found_without_enough_to_compare() {
        assert_eq!(found(&[]), [false; 0]);
        assert_eq!(found(&[BAD]), [false]);
        assert_eq!(found(&[observed(0.0, 0.0), BAD]), [false, false]);
        assert_eq!(found(&[observed(9.0, 0.0), BAD]), [false, false]);
        assert_eq!(found(&[GOOD, observed(9.0, 9.0)]), [false, false]);
        // Clients that reject all of them tell nothing about one.
        assert_eq!(found(&[BAD, BAD]), [false, false]);
        assert_eq!(found(&[GOOD, BAD, BAD, BAD]), [false; 4]);
    }

    #[test]
    fn condition_ends_at_half_of_what_it_began_at() {
        let before = |rejections| Observed { is_rejected: true, ..observed(100.0, rejections) };
        assert_eq!(found(&[GOOD, before(10.0)]), [false, true]);
        assert_eq!(found(&[GOOD, before(9.0)]), [false, false]);
        assert_eq!(found(&[observed(100.0, 10.0), before(25.0)]), [false, true]);
        assert_eq!(found(&[observed(100.0, 10.0), before(24.0)]), [false, false]);
        // No clients, and no siblings, end it too.
        let idle = Observed { is_rejected: true, ..observed(0.9, 0.9) };
        assert_eq!(found(&[GOOD, idle]), [false, false]);
        assert_eq!(found(&[before(100.0)]), [false]);
    }

    #[test]
    fn weight_falls_to_a_tenth_at_least_and_for_half_at_most() {
        assert_eq!(weights(&[GOOD, BAD]), [1000, 100]);
        assert_eq!(weights(&[GOOD, observed(100.0, 30.0)]), [1000, 700]);
        assert_eq!(weights(&[GOOD, GOOD, BAD, BAD]), [1000, 1000, 100, 100]);
        // Of three it is one, the one that is rejected most, and then stays so.
        let most = observed(100.0, 90.0);
        assert_eq!(weights(&[GOOD, most, BAD]), [1000, 1000, 100]);
        let lowered = Observed { is_rejected: true, is_lowered: true, ..most };
        assert_eq!(weights(&[GOOD, lowered, BAD]), [1000, 100, 1000]);
    }
}
