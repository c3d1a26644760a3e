//! Mutations that turn valid inputs into hostile ones.

/// Returns changed copies of `good`. At each of about `steps` positions, one copy has a flipped bit and
/// one copy is truncated.
pub(super) fn mutated(good: &[u8], steps: usize) -> Vec<Vec<u8>> {
    let step = good.len().div_ceil(steps).max(1);
    let flipped = (0..good.len()).step_by(step).map(|position| {
        let mut bytes = good.to_vec();
        bytes[position] ^= 1 << (position % 8);
        bytes
    });
    flipped.chain((0..good.len()).step_by(step).map(|end| good[..end].to_vec())).collect()
}

/// Returns `bytes` with the first `from` replaced by `to`.
pub(super) fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let position = bytes.windows(from.len()).position(|window| window == from);
    let position = position.expect("the bytes to replace occur");
    [&bytes[..position], to, &bytes[position + from.len()..]].concat()
}

/// The order of P-384 (FIPS 186-4 section D.1.2.4).
pub(super) const ORDER: [u8; 48] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xc7, 0x63, 0x4d, 0x81, 0xf4, 0x37, 0x2d, 0xdf,
    0x58, 0x1a, 0x0d, 0xb2, 0x48, 0xb0, 0xa7, 0x7a, 0xec, 0xec, 0x19, 0x6a, 0xcc, 0xc5, 0x29, 0x73,
];

/// Returns n - s. An ECDSA signature (r, n - s) verifies if (r, s) does.
pub(super) fn negated_s(s: &[u8]) -> Vec<u8> {
    let mut difference = ORDER;
    let mut borrow = false;
    for (digit, subtracted) in difference.iter_mut().rev().zip(s.iter().rev()) {
        let (first, under) = digit.overflowing_sub(*subtracted);
        let (second, again) = first.overflowing_sub(u8::from(borrow));
        (*digit, borrow) = (second, under || again);
    }
    difference.to_vec()
}
