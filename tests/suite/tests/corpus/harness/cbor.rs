//! A writer of valid and invalid CBOR (RFC 8949).

pub(crate) const UNSIGNED: u8 = 0;
pub(crate) const BYTES: u8 = 2;
pub(crate) const TEXT: u8 = 3;
pub(crate) const ARRAY: u8 = 4;
pub(crate) const MAP: u8 = 5;
pub(crate) const NULL: [u8; 1] = [0xf6];
pub(crate) const BREAK: [u8; 1] = [0xff];

/// Encodes a head with its argument in the shortest form.
pub(crate) fn head(major: u8, argument: u64) -> Vec<u8> {
    let exponent = match argument {
        0..=23 => return vec![(major << 5) | u8::try_from(argument).unwrap()],
        24..=0xff => 0,
        0x100..=0xffff => 1,
        0x1_0000..=0xffff_ffff => 2,
        _ => 3,
    };
    wide_head(major, exponent, argument)
}

/// Encodes a head with its argument in `2^exponent` bytes, even if the argument fits into fewer
/// bytes.
pub(crate) fn wide_head(major: u8, exponent: u8, argument: u64) -> Vec<u8> {
    let bytes = argument.to_be_bytes();
    [&[(major << 5) | (24 + exponent)], &bytes[8 - (1 << exponent)..]].concat()
}

fn length(length: usize) -> u64 {
    u64::try_from(length).unwrap()
}

pub(crate) fn unsigned(value: u64) -> Vec<u8> {
    head(UNSIGNED, value)
}

pub(crate) fn bytes(content: &[u8]) -> Vec<u8> {
    [&head(BYTES, length(content.len())), content].concat()
}

pub(crate) fn text(content: &str) -> Vec<u8> {
    [&head(TEXT, length(content.len())), content.as_bytes()].concat()
}

pub(crate) fn array(items: &[Vec<u8>]) -> Vec<u8> {
    [head(ARRAY, length(items.len())), items.concat()].concat()
}

pub(crate) fn map(entries: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    [head(MAP, length(entries.len())), concat(entries)].concat()
}

/// Concatenates keys and values without the head of the map.
pub(crate) fn concat(entries: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    entries.iter().flat_map(|(key, value)| [&key[..], value].concat()).collect()
}

/// Returns a byte string of `count` bytes.
pub(crate) fn filled(count: usize) -> Vec<u8> {
    bytes(&vec![7; count])
}
