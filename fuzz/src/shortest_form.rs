//! Checks that CBOR is in its shortest form. The other decoders accept longer forms, so they cannot
//! check this requirement for our decoder.

const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
const SIMPLE: u8 = 7;
const BREAK: &[u8] = &[0xff];

/// Skips one data item (RFC 8949 section 3), and returns the bytes after it. Panics if a length or a
/// number is not in its shortest form, or if a string consists of chunks.
pub(crate) fn skip_item(bytes: &[u8]) -> &[u8] {
    let (initial, rest) = bytes.split_first().expect("an item");
    let (major, info) = (initial >> 5, initial & 0x1f);
    let width = match info {
        0..=23 | 31 => 0,
        _ => 1_usize << (info - 24),
    };
    let (argument, rest) = rest.split_at(width);
    let number = argument.iter().fold(u64::from(info), |sum, byte| sum << 8 | u64::from(*byte));
    let number = if width == 0 { number } else { number & (u64::MAX >> (64 - 8 * width)) };
    let least = [0, 24, 0x100, 0, 0x1_0000, 0, 0, 0, 0x1_0000_0000][width];
    assert!(major == SIMPLE || number >= least, "{number} in {width} bytes");
    assert!(info != 31 || [ARRAY, MAP].contains(&major), "a string in chunks");
    let length = || usize::try_from(number).expect("a small number");
    match major {
        BYTES | TEXT => &rest[length()..],
        ARRAY | MAP if info == 31 => until_break(rest),
        ARRAY => (0..length()).fold(rest, |rest, _| skip_item(rest)),
        MAP => (0..2 * length()).fold(rest, |rest, _| skip_item(rest)),
        TAG => skip_item(rest),
        _ => rest,
    }
}

fn until_break(mut rest: &[u8]) -> &[u8] {
    while !rest.starts_with(BREAK) {
        rest = skip_item(rest);
    }
    &rest[BREAK.len()..]
}
