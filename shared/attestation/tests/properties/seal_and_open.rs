//! Property tests: opening reverses sealing, for every content length and key size.

use std::convert::Infallible;

use attestation::RecipientKey;
use attestation::cms::{ContentEncryption, MAX_CIPHERTEXT_LENGTH, RecipientPrivateKey, open, seal};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::Fixture;

/// Maximum NumberOfBytes of the API.
const MAX_CONTENT_LENGTH: usize = 1024;

/// Maximum number of random bytes for one ciphertext: a key, an IV and a seed.
const RANDOM_LENGTH: usize = 32 + 16 + 32;

/// A recipient's private and public key. The public key is only available from a verified document.
struct Recipient {
    private: RecipientPrivateKey,
    public: RecipientKey,
}

impl Recipient {
    fn of_pem(pem: &str) -> Self {
        let private = RecipientPrivateKey::from_pem(pem).unwrap();
        let fixture = Fixture::new();
        let document = fixture.verify(fixture.document(private.public_key_der())).unwrap();
        Self { public: document.recipient_key().unwrap(), private }
    }

    /// Seals `content`, checks that it opens, and returns the ciphertext.
    fn round_trip(&self, content: &[u8], random: &[u8; RANDOM_LENGTH]) -> Vec<u8> {
        let mut random = random.iter().copied();
        let encryption = ContentEncryption::draw(|part| {
            part.fill_with(|| random.next().unwrap());
            Ok::<_, Infallible>(())
        });
        let sealed = seal(&self.public, content, encryption.unwrap()).unwrap();
        assert!(sealed.len() <= MAX_CIPHERTEXT_LENGTH, "{} of {}", sealed.len(), content.len());
        assert_eq!(*open(&sealed, &self.private).unwrap(), content, "{} bytes", content.len());
        sealed
    }
}

#[test]
fn round_trips_content_of_every_length() {
    let recipient = Recipient::of_pem(include_str!("../../../../tests/suite/keys/rsa-2048.pem"));
    let mut random = [0x5a; RANDOM_LENGTH];
    for length in 1..=MAX_CONTENT_LENGTH {
        random[..8].copy_from_slice(&u64::try_from(length).unwrap().to_be_bytes());
        let content: Vec<u8> = (0..length).map(|at| (at * 7 + length).to_be_bytes()[7]).collect();
        let sealed = recipient.round_trip(&content, &random);
        // Content of eight or more bytes does not occur in the ciphertext by chance.
        let is_visible = sealed.windows(length).any(|window| window == content);
        assert!(length < 8 || !is_visible, "{length} bytes are sealed in the clear");
    }
}

#[test]
fn round_trips_any_content_with_larger_keys() {
    for pem in [
        include_str!("../../../../tests/suite/keys/rsa-3072.pem"),
        include_str!("../../../../tests/suite/keys/rsa-4096.pem"),
    ] {
        let recipient = Recipient::of_pem(pem);
        let config = ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() };
        proptest!(config, |(
            content in vec(any::<u8>(), 1..=MAX_CONTENT_LENGTH),
            random in vec(any::<u8>(), RANDOM_LENGTH),
        )| {
            recipient.round_trip(&content, random.as_array().unwrap());
        });
    }
}
