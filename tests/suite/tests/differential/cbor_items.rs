//! Valid and malformed CBOR data items of every kind, as constants and as generators of random
//! items.

use proptest::collection::vec;
use proptest::prelude::*;

pub(crate) const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
pub(crate) const BYTES: u8 = 2;
pub(crate) const TEXT: u8 = 3;
pub(crate) const ARRAY: u8 = 4;
pub(crate) const MAP: u8 = 5;
const TAG: u8 = 6;
pub(crate) const NULL: u8 = 0xf6;
const BREAK: u8 = 0xff;

/// An encoded item. It may be malformed.
pub(crate) type Item = Vec<u8>;

/// Encodes a head in the shortest form.
pub(crate) fn head(major: u8, argument: u64) -> Item {
    let major = major << 5;
    let bytes = argument.to_be_bytes();
    match argument {
        0..=23 => vec![major | bytes[7]],
        24..=0xff => vec![major | 24, bytes[7]],
        0x100..=0xffff => [&[major | 25], &bytes[6..]].concat(),
        0x1_0000..=0xffff_ffff => [&[major | 26], &bytes[4..]].concat(),
        _ => [&[major | 27], &bytes[..]].concat(),
    }
}

pub(crate) fn string(major: u8, content: &[u8]) -> Item {
    [head(major, content.len().try_into().unwrap()), content.to_vec()].concat()
}

pub(crate) fn text(content: &str) -> Item {
    string(TEXT, content.as_bytes())
}

/// Encodes an array or a map. For a map, each element of `items` is a key with its value.
pub(crate) fn container(major: u8, items: &[Item], is_indefinite: bool) -> Item {
    let items_together = items.concat();
    if is_indefinite {
        [&[major << 5 | 31], &items_together[..], &[BREAK]].concat()
    } else {
        [head(major, items.len().try_into().unwrap()), items_together].concat()
    }
}

/// Generates small and large numbers.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..32_u64, 0..0x200_u64, any::<u32>().prop_map(u64::from), any::<u64>()]
}

/// Generates well-formed strings, numbers, simple values and floats.
fn leaf() -> impl Strategy<Value = Item> {
    let bignum = (2..=3_u64, vec(any::<u8>(), 0..20))
        .prop_map(|(tag, bytes)| [head(TAG, tag), string(BYTES, &bytes)].concat());
    prop_oneof![
        9 => number().prop_map(|number| head(UNSIGNED, number)),
        9 => number().prop_map(|number| head(NEGATIVE, number)),
        9 => vec(any::<u8>(), 0..40).prop_map(|bytes| string(BYTES, &bytes)),
        9 => "\\PC{0,12}".prop_map(|content| text(&content)),
        // false, true, null, undefined
        9 => (0xf4..=0xf7_u8).prop_map(|byte| vec![byte]),
        9 => any::<[u8; 2]>().prop_map(|float| [&[0xf9], &float[..]].concat()),
        9 => any::<[u8; 4]>().prop_map(|float| [&[0xfa], &float[..]].concat()),
        9 => any::<[u8; 8]>().prop_map(|float| [&[0xfb], &float[..]].concat()),
        9 => bignum,
    ]
}

/// Generates malformed items, and items that our reader does not support.
fn broken() -> impl Strategy<Value = Item> {
    prop_oneof![
        vec(any::<u8>(), 0..6),
        // unassigned and malformed simple values
        (0xe0..=0xf3_u8).prop_map(|byte| vec![byte]),
        any::<u8>().prop_map(|value| vec![0xf8, value]),
        // reserved additional information, indefinite numbers and tags, a lone break
        (0..8_u8, 28..=31_u8).prop_map(|(major, additional)| vec![major << 5 | additional]),
        // not in the shortest form
        (0..7_u8, 0..24_u8).prop_map(|(major, value)| vec![major << 5 | 24, value, 0]),
        (0..7_u8, any::<u8>()).prop_map(|(major, value)| vec![major << 5 | 25, 0, value]),
        // chunked strings
        (BYTES..=TEXT).prop_map(|major| vec![major << 5 | 31, major << 5 | 1, b'a', BREAK]),
        // not UTF-8, and a length past the end
        Just(string(TEXT, &[0xc3, 0x28])),
        (BYTES..=MAP, any::<u64>()).prop_map(|(major, length)| head(major, length)),
    ]
}

/// Generates nested items. Some have more levels than our reader accepts. One innermost item in
/// thirty is malformed.
pub(crate) fn item() -> BoxedStrategy<Item> {
    let leaf = prop_oneof![60 => leaf(), 2 => broken()];
    leaf.prop_recursive(20, 40, 4, |inner| {
        let tag = prop_oneof![Just(2_u64), Just(3), Just(24), number()];
        prop_oneof![
            (vec(inner.clone(), 0..5), any::<bool>()).prop_map(|(items, is_indefinite)| container(
                ARRAY,
                &items,
                is_indefinite
            )),
            (vec((inner.clone(), inner.clone()), 0..4), any::<bool>()).prop_map(
                |(entries, is_indefinite)| {
                    let entries: Vec<_> =
                        entries.into_iter().map(|(k, v)| [k, v].concat()).collect();
                    container(MAP, &entries, is_indefinite)
                }
            ),
            (tag, inner).prop_map(|(tag, inner)| [head(TAG, tag), inner].concat()),
        ]
    })
    .boxed()
}
