//! Property tests: documents that differ from a valid document are rejected.

use attestation::cms::RecipientPrivateKey;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::Fixture;

/// Returns a valid document and the fixture that verifies it.
fn good() -> (Fixture, Vec<u8>) {
    let pem = include_str!("../../../../tests/suite/keys/rsa-2048.pem");
    let key = RecipientPrivateKey::from_pem(pem).unwrap();
    let fixture = Fixture::new();
    let document = fixture.document(key.public_key_der());
    assert!(fixture.verify(document.clone()).is_some());
    (fixture, document)
}

/// Returns a deterministic pseudorandom byte: SplitMix64's finalizer.
fn scrambled(number: usize) -> u8 {
    let mut value = u64::try_from(number).unwrap().wrapping_add(0x9e37_79b9_7f4a_7c15);
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value.to_be_bytes()[0]
}

#[test]
fn rejects_document_with_a_changed_byte() {
    let (fixture, good) = good();
    for offset in 0..good.len() {
        // Never zero, so the byte changes.
        let difference = scrambled(offset).max(1);
        let mut changed = good.clone();
        changed[offset] ^= difference;
        assert!(fixture.verify(changed).is_none(), "offset {offset} xor {difference:#04x}");
    }
}

/// A change of a document. Each index is relative to the document's current length.
#[derive(Clone, Debug)]
enum Change {
    Replace(Index, u8),
    Insert(Index, Vec<u8>),
    Delete(Index, usize),
    Truncate(Index),
    Swap(Index, Index, usize),
}

impl Change {
    fn strategy() -> impl Strategy<Value = Self> {
        let bytes = proptest::collection::vec(any::<u8>(), 1..40);
        prop_oneof![
            (any::<Index>(), any::<u8>()).prop_map(|(at, value)| Self::Replace(at, value)),
            (any::<Index>(), bytes).prop_map(|(at, bytes)| Self::Insert(at, bytes)),
            (any::<Index>(), 1..40_usize).prop_map(|(at, length)| Self::Delete(at, length)),
            any::<Index>().prop_map(Self::Truncate),
            (any::<Index>(), any::<Index>(), 1..600_usize)
                .prop_map(|(one, other, length)| Self::Swap(one, other, length)),
        ]
    }

    fn apply(&self, document: &mut Vec<u8>) {
        match self {
            Self::Replace(at, value) => {
                let at = at.index(document.len());
                document[at] = *value;
            }
            Self::Insert(at, bytes) => {
                let at = at.index(document.len() + 1);
                document.splice(at..at, bytes.iter().copied());
            }
            Self::Delete(at, length) => {
                let at = at.index(document.len());
                document.drain(at..document.len().min(at + length));
            }
            Self::Truncate(length) => document.truncate(length.index(document.len())),
            Self::Swap(one, other, length) => swap(document, one, other, *length),
        }
    }
}

/// Swaps two chunks of `length` bytes that do not overlap.
fn swap(document: &mut [u8], one: &Index, other: &Index, length: usize) {
    let half = document.len() / 2;
    let (left, right) = document.split_at_mut(half);
    let length = length.min(left.len());
    let one = one.index(left.len() - length + 1);
    let other = other.index(right.len() - length + 1);
    left[one..one + length].swap_with_slice(&mut right[other..other + length]);
}

#[test]
fn rejects_document_after_any_change() {
    let (fixture, good) = good();
    let config = ProptestConfig { cases: 1500, failure_persistence: None, ..Default::default() };
    proptest!(config, |(change in Change::strategy())| {
        let mut changed = good.clone();
        change.apply(&mut changed);
        // One tag 18 in front is allowed, so that document is valid.
        prop_assume!(changed != good && changed != [&[0xd2], &good[..]].concat());
        prop_assert!(fixture.verify(changed).is_none());
    });
}
