//! ES256: ECDSA over P-256 with SHA-256, for the statements that an enclave signs.
//!
//! Every signature has a low s, so that one message of one key has one valid form per signature.

use std::fmt;

use super::provider::api::rand::SystemRandom;
use super::provider::api::signature::{self, EcdsaKeyPair, KeyPair, UnparsedPublicKey};
use super::{CryptoError, ES256_SIGNATURE_LENGTH, P256_POINT_LENGTH, provider};

/// Length of a scalar, in bytes.
const SCALAR_LENGTH: usize = 32;

/// The order n of the curve (SEC 2, section 2.4.2), big-endian.
const ORDER: [u8; SCALAR_LENGTH] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// n / 2, rounded down, big-endian.
const HALF_ORDER: [u8; SCALAR_LENGTH] = [
    0x7f, 0xff, 0xff, 0xff, 0x80, 0x00, 0x00, 0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xde, 0x73, 0x7d, 0x56, 0xd3, 0x8b, 0xcf, 0x42, 0x79, 0xdc, 0xe5, 0x61, 0x7e, 0x31, 0x92, 0xa8,
];

/// A P-256 key that signs with ES256. The key cannot be exported, and its Debug output does not contain it.
pub struct Es256Key {
    pair: EcdsaKeyPair,
    public_key: [u8; P256_POINT_LENGTH],
}

impl Es256Key {
    /// Generates a key with the provider's source of randomness.
    ///
    /// # Errors
    /// If the source of randomness fails.
    pub fn generate() -> Result<Self, CryptoError> {
        let pair = provider::generate_es256_key_pair()?;
        let public_key = pair.public_key().as_ref().try_into().map_err(|_| CryptoError)?;
        Ok(Self { pair, public_key })
    }

    /// Returns the public key as an uncompressed point.
    pub const fn public_key(&self) -> &[u8; P256_POINT_LENGTH] {
        &self.public_key
    }

    /// Signs `message`. Returns r and s, 32 bytes each, with a low s.
    ///
    /// # Errors
    /// If the provider fails.
    pub fn sign(&self, message: &[u8]) -> Result<[u8; ES256_SIGNATURE_LENGTH], CryptoError> {
        let signature = self.pair.sign(&SystemRandom::new(), message)?;
        let mut signature: [u8; ES256_SIGNATURE_LENGTH] =
            signature.as_ref().try_into().map_err(|_| CryptoError)?;
        normalise_s(&mut signature);
        Ok(signature)
    }
}

impl fmt::Debug for Es256Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Es256Key(..)")
    }
}

/// Verifies an ES256 signature with an uncompressed P-256 point. Accepts a low s and a high s: see
/// [`has_low_s`].
///
/// # Errors
/// If the signature or the point is not valid.
pub fn verify_es256(
    public_key: &[u8; P256_POINT_LENGTH],
    message: &[u8],
    signature: &[u8; ES256_SIGNATURE_LENGTH],
) -> Result<(), CryptoError> {
    let key = UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, public_key);
    Ok(key.verify(message, signature)?)
}

/// Returns whether `point` is an uncompressed point on the curve P-256.
pub fn is_p256_point(point: &[u8; P256_POINT_LENGTH]) -> bool {
    provider::is_p256_point(point)
}

/// Returns whether s is at most n / 2.
pub fn has_low_s(signature: &[u8; ES256_SIGNATURE_LENGTH]) -> bool {
    let (_, s) = signature.split_at(SCALAR_LENGTH);
    s <= HALF_ORDER.as_slice()
}

/// Replaces a high s by n - s. (r, s) and (r, n - s) are signatures of the same message.
fn normalise_s(signature: &mut [u8; ES256_SIGNATURE_LENGTH]) {
    if has_low_s(signature) {
        return;
    }
    let (_, s) = signature.split_at_mut(SCALAR_LENGTH);
    let mut borrow = false;
    for (digit, order) in s.iter_mut().zip(ORDER).rev() {
        let (difference, first) = order.overflowing_sub(*digit);
        let (difference, second) = difference.overflowing_sub(borrow.into());
        *digit = difference;
        borrow = first || second;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Signs until the provider returns a high s, so that both kinds are covered.
    #[test]
    fn signature_has_low_s_and_verifies() {
        let key = Es256Key::generate().unwrap();
        for number in 0..32_u8 {
            let signature = key.sign(&[number]).unwrap();
            assert!(has_low_s(&signature));
            assert_eq!(verify_es256(key.public_key(), &[number], &signature), Ok(()));
            assert_eq!(verify_es256(key.public_key(), &[99], &signature), Err(CryptoError));
        }
    }

    #[test]
    fn debug_output_has_no_key() {
        assert_eq!(format!("{:?}", Es256Key::generate().unwrap()), "Es256Key(..)");
    }

    #[test]
    fn high_s_is_the_complement_and_verifies_too() {
        let key = Es256Key::generate().unwrap();
        let low = key.sign(b"message").unwrap();
        let mut high = low;
        let (_, s) = high.split_at_mut(SCALAR_LENGTH);
        let mut borrow = 0;
        for index in (0..SCALAR_LENGTH).rev() {
            let difference = i16::from(ORDER[index]) - i16::from(s[index]) - borrow;
            borrow = i16::from(difference < 0);
            s[index] = u8::try_from(difference.rem_euclid(256)).unwrap();
        }
        assert!(!has_low_s(&high));
        assert_eq!(verify_es256(key.public_key(), b"message", &high), Ok(()));
        normalise_s(&mut high);
        assert_eq!(high, low);
    }

    #[test]
    fn low_s_ends_at_half_the_order() {
        let with_s = |s: [u8; SCALAR_LENGTH]| [[1; SCALAR_LENGTH], s].concat().try_into().unwrap();
        assert!(has_low_s(&with_s(HALF_ORDER)));
        let mut next = HALF_ORDER;
        next[SCALAR_LENGTH - 1] += 1;
        assert!(!has_low_s(&with_s(next)));
        // n = 2 * HALF_ORDER + 1, so the complement of the next number is HALF_ORDER.
        let mut signature = with_s(next);
        normalise_s(&mut signature);
        assert_eq!(signature, with_s(HALF_ORDER));
    }

    #[test]
    fn accepts_only_points_on_the_curve() {
        let key = Es256Key::generate().unwrap();
        let point = *key.public_key();
        assert!(is_p256_point(&point));
        let mut other = point;
        other[P256_POINT_LENGTH - 1] ^= 1;
        assert!(!is_p256_point(&other));
        for form in [0x00, 0x02, 0x03, 0x06] {
            let mut other = point;
            other[0] = form;
            assert!(!is_p256_point(&other), "{form}");
        }
        assert!(!is_p256_point(&[0; P256_POINT_LENGTH]));
    }
}
