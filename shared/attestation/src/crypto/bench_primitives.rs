//! The cryptographic primitives of an attested request, for benchmarks that compare them with the service.

use std::fmt;

use super::{
    AES_256_KEY_LENGTH, AES_BLOCK_LENGTH, CryptoError, OAEP_SEED_LENGTH, OaepPublicKey, SigningKey,
    aes_256_cbc_encrypt, verify_es384,
};

/// Signed messages to verify, and an RSA key to encrypt to.
pub struct BenchPrimitives {
    signed: Vec<SignedMessage>,
    spki: Vec<u8>,
    modulus_length: usize,
}

struct SignedMessage {
    key: Vec<u8>,
    message: Vec<u8>,
    signature: Vec<u8>,
}

impl BenchPrimitives {
    /// Creates one signed message for each length, each with its own key.
    ///
    /// `spki` is the RSA key, whose modulus has `modulus_length` bytes.
    ///
    /// # Errors
    /// If the provider fails.
    pub fn new(
        message_lengths: &[usize],
        spki: &[u8],
        modulus_length: usize,
    ) -> Result<Self, CryptoError> {
        let sign = |length: &usize| {
            let key = SigningKey::from_pkcs8(&SigningKey::generate_pkcs8()?)?;
            let message = vec![0xa5; *length];
            let signature = key.sign(&message)?;
            Ok(SignedMessage { key: key.public_key().to_vec(), message, signature })
        };
        let signed = message_lengths.iter().map(sign).collect::<Result<_, CryptoError>>()?;
        Ok(Self { signed, spki: spki.to_vec(), modulus_length })
    }

    /// Verifies the last `signatures` messages.
    ///
    /// # Errors
    /// If the provider fails.
    pub fn verify(&self, signatures: usize) -> Result<(), CryptoError> {
        self.signed
            .iter()
            .rev()
            .take(signatures)
            .try_for_each(|signed| verify_es384(&signed.key, &[&signed.message], &signed.signature))
    }

    /// Encrypts a content key to the RSA key with OAEP, and `content` under it with AES-256-CBC.
    ///
    /// # Errors
    /// If the provider fails.
    pub fn seal(&self, content: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let key = OaepPublicKey::from_spki(&self.spki)?;
        let content_key = [7; AES_256_KEY_LENGTH];
        let padded_length = (content.len() / AES_BLOCK_LENGTH + 1) * AES_BLOCK_LENGTH;
        let mut sealed = vec![0; self.modulus_length + padded_length];
        let (encrypted_key, padded) = sealed.split_at_mut(self.modulus_length);
        key.encrypt(&content_key, &[7; OAEP_SEED_LENGTH], encrypted_key)?;
        padded.get_mut(..content.len()).ok_or(CryptoError)?.copy_from_slice(content);
        aes_256_cbc_encrypt(&content_key, &[7; AES_BLOCK_LENGTH], padded, content.len())?;
        Ok(sealed)
    }
}

impl fmt::Debug for BenchPrimitives {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "BenchPrimitives({} signatures)", self.signed.len())
    }
}
