//! A set of numbers that needs little memory if most numbers are consecutive.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// A set of record numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct NumberSet {
    /// The last number of each range, by its first number. The ranges neither overlap nor touch.
    ranges: BTreeMap<u64, u64>,
}

impl NumberSet {
    /// Returns the set of the numbers in `ranges`, which neither overlap nor touch.
    pub(super) fn of_ranges(ranges: &[(u64, u64)]) -> Self {
        Self { ranges: ranges.iter().copied().collect() }
    }

    /// Adds a number. Returns false if the set already contains it.
    pub(super) fn insert(&mut self, number: u64) -> bool {
        let before = self.ranges.range(..=number).next_back().map(|(first, last)| (*first, *last));
        if before.is_some_and(|(_, last)| last >= number) {
            return false;
        }
        let next = number.checked_add(1);
        let last = next.and_then(|next| self.ranges.remove(&next)).unwrap_or(number);
        match before {
            Some((first, end)) if end.checked_add(1) == Some(number) => {
                self.ranges.insert(first, last);
            }
            _ => {
                self.ranges.insert(number, last);
            }
        }
        true
    }

    /// Returns the ranges of `within` that the set does not contain.
    pub(super) fn absent(&self, within: RangeInclusive<u64>) -> Vec<(u64, u64)> {
        let (mut next, end) = within.into_inner();
        let mut absent = Vec::new();
        for (first, last) in &self.ranges {
            if *first > end {
                break;
            }
            if *first > next {
                absent.push((next, first.saturating_sub(1)));
            }
            next = next.max(last.saturating_add(1));
        }
        if next <= end {
            absent.push((next, end));
        }
        absent
    }

    /// Returns the first and the last number.
    pub(super) fn bounds(&self) -> Option<(u64, u64)> {
        let (first, _) = self.ranges.first_key_value()?;
        let (_, last) = self.ranges.last_key_value()?;
        Some((*first, *last))
    }

    /// Returns the number of numbers.
    pub(super) fn count(&self) -> u64 {
        let lengths = self.ranges.iter().map(|(first, last)| count((*first, *last)));
        lengths.fold(0, u64::saturating_add)
    }
}

/// Returns the number of numbers in a range.
pub(super) fn count((first, last): (u64, u64)) -> u64 {
    last.saturating_sub(first).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_merges_ranges_and_rejects_repeated_numbers() {
        let mut set = NumberSet::default();
        assert_eq!(set.bounds(), None);
        for number in [5, 3, 9, 4, 8, 1] {
            assert!(set.insert(number));
            assert!(!set.insert(number));
        }
        assert_eq!(set.ranges, BTreeMap::from([(1, 1), (3, 5), (8, 9)]));
        assert_eq!((set.bounds(), set.count()), (Some((1, 9)), 6));
        assert_eq!(set.absent(1..=12), [(2, 2), (6, 7), (10, 12)]);
        assert_eq!(set.absent(4..=5), []);
        assert_eq!(set.absent(4..=6), [(6, 6)]);
        assert!(set.insert(u64::MAX) && !set.insert(u64::MAX));
    }
}
