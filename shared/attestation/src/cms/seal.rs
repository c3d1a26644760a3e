//! The sender's part: seals random bytes to a recipient's key.
//!
//! The layout equals that of real KMS responses: BER with indefinite lengths in the four outer layers.
//! AWS's own C parser (aws-nitro-enclaves-sdk-c) rejects other lengths.

use std::{fmt, mem};

use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{RSAES_OAEP_SHA_256, oid};
use crate::RecipientKey;
use crate::content_key::content_key_digest;
use crate::crypto::{
    self, ACCEPTS_OAEP_SEED, AES_256_KEY_LENGTH, AES_BLOCK_LENGTH, CryptoError, OAEP_SEED_LENGTH,
    SHA_256_LENGTH,
};

/// Maximum length of a `CiphertextForRecipient` in the API's model, in bytes.
pub const MAX_CIPHERTEXT_LENGTH: usize = 6144;

const INTEGER_2: [u8; 3] = [0x02, 0x01, 0x02];
const END_OF_CONTENTS: [u8; 2] = [0x00, 0x00];
const SKI_LENGTH: usize = 32;
/// Length of a ciphertext without the encrypted key and the OCTET STRING of the content, in bytes.
const FIXED_LENGTH: usize = 187;
/// Length of a header (tag and length) for at least 256 bytes of content, in bytes. Every element around the
/// encrypted key has such a header.
const LONG_HEADER_LENGTH: usize = 4;

/// The random parts of one ciphertext: the content-encryption key, the IV, and the OAEP seed.
///
/// The parts are drawn for each ciphertext and wiped after sealing. They are stored on the heap, so that
/// moving this value leaves no copy.
pub struct ContentEncryption(Box<Parts>);

#[derive(Zeroize, ZeroizeOnDrop)]
struct Parts {
    key: [u8; AES_256_KEY_LENGTH],
    iv: [u8; AES_BLOCK_LENGTH],
    oaep_seed: [u8; OAEP_SEED_LENGTH],
}

impl ContentEncryption {
    /// Draws each part with one call of `fill`. The seed is drawn only if the crypto provider accepts one
    /// ([`ACCEPTS_OAEP_SEED`]).
    ///
    /// # Errors
    /// The errors of `fill`.
    pub fn draw<E>(mut fill: impl FnMut(&mut [u8]) -> Result<(), E>) -> Result<Self, E> {
        let mut parts = Box::new(Parts {
            key: [0; AES_256_KEY_LENGTH],
            iv: [0; AES_BLOCK_LENGTH],
            oaep_seed: [0; OAEP_SEED_LENGTH],
        });
        fill(&mut parts.key)?;
        fill(&mut parts.iv)?;
        if ACCEPTS_OAEP_SEED {
            fill(&mut parts.oaep_seed)?;
        }
        Ok(Self(parts))
    }

    /// Returns the digest of the content key, which a receipt contains as `cek`.
    pub fn content_key_digest(&self) -> [u8; SHA_256_LENGTH] {
        content_key_digest(&self.0.key)
    }
}

impl fmt::Debug for ContentEncryption {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ContentEncryption(..)")
    }
}

/// A reason why content cannot be sealed. The reason never depends on the recipient's input.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SealError {
    /// The provider failed.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// The content is too long for the API.
    #[error("the content is too long for a CiphertextForRecipient")]
    TooLong,
    /// The buffer does not have the length of the ciphertext.
    #[error("the buffer does not have the length of the CiphertextForRecipient")]
    BufferLength,
}

/// Seals `content` to `recipient`. Returns the `CiphertextForRecipient`.
///
/// # Errors
/// If the provider fails, or the content is too long.
pub fn seal(
    recipient: &RecipientKey,
    content: &[u8],
    encryption: ContentEncryption,
) -> Result<Vec<u8>, SealError> {
    let mut ciphertext = vec![0; sealed_length(recipient, content.len())?];
    seal_into(recipient, content, encryption, &mut ciphertext)?;
    Ok(ciphertext)
}

/// Returns the length of a ciphertext of `content_length` bytes for `recipient`, in bytes.
///
/// # Errors
/// If the content is too long.
pub fn sealed_length(recipient: &RecipientKey, content_length: usize) -> Result<usize, SealError> {
    let modulus_length = recipient.modulus_length();
    if modulus_length + content_length + 256 > MAX_CIPHERTEXT_LENGTH {
        return Err(SealError::TooLong);
    }
    let padded_length = padded_length(content_length);
    Ok(FIXED_LENGTH + modulus_length + header_length(padded_length) + padded_length)
}

/// Seals `content` to `recipient` into `ciphertext`, whose length must be [`sealed_length`].
///
/// # Errors
/// If the provider fails, the content is too long, or `ciphertext` has another length. After each of these errors,
/// `ciphertext` is wiped.
pub fn seal_into(
    recipient: &RecipientKey,
    content: &[u8],
    encryption: ContentEncryption,
    ciphertext: &mut [u8],
) -> Result<(), SealError> {
    write_enveloped_data(Writer(ciphertext), recipient, content, &encryption.0)
        .inspect_err(|_| ciphertext.zeroize())
}

fn write_enveloped_data(
    mut out: Writer<'_>,
    recipient: &RecipientKey,
    content: &[u8],
    encryption: &Parts,
) -> Result<(), SealError> {
    out.put(&[0x30, 0x80])?; // ContentInfo
    out.put_tlv(0x06, oid::ENVELOPED_DATA)?;
    out.put(&[0xa0, 0x80])?; // [0] EXPLICIT
    out.put(&[0x30, 0x80])?; // EnvelopedData
    out.put(&INTEGER_2)?;
    put_recipient_infos(&mut out, recipient, encryption)?;
    put_encrypted_content(&mut out, content, encryption)?;
    out.put([END_OF_CONTENTS; 3].as_flattened())?;
    match out.0 {
        [] => Ok(()),
        _ => Err(SealError::BufferLength),
    }
}

/// Writes the SET of one KeyTransRecipientInfo, with definite length.
fn put_recipient_infos(
    out: &mut Writer<'_>,
    recipient: &RecipientKey,
    encryption: &Parts,
) -> Result<(), SealError> {
    let modulus_length = recipient.modulus_length();
    let key_length = LONG_HEADER_LENGTH + modulus_length;
    let info_length = INTEGER_2.len() + 2 + SKI_LENGTH + RSAES_OAEP_SHA_256.len() + key_length;
    out.put_header(0x31, LONG_HEADER_LENGTH + info_length)?;
    out.put_header(0x30, info_length)?;
    out.put(&INTEGER_2)?;
    out.put_tlv(0x80, recipient.subject_key_identifier())?;
    out.put(&RSAES_OAEP_SHA_256)?;
    out.put_header(0x04, modulus_length)?;
    let encrypted_key = out.take(modulus_length)?;
    Ok(recipient.oaep().encrypt(&encryption.key, &encryption.oaep_seed, encrypted_key)?)
}

/// Writes the EncryptedContentInfo, with indefinite length and one OCTET STRING as content.
fn put_encrypted_content(
    out: &mut Writer<'_>,
    content: &[u8],
    encryption: &Parts,
) -> Result<(), SealError> {
    out.put(&[0x30, 0x80])?;
    out.put_tlv(0x06, oid::DATA)?;
    out.put_header(0x30, 2 + oid::AES_256_CBC.len() + 2 + AES_BLOCK_LENGTH)?;
    out.put_tlv(0x06, oid::AES_256_CBC)?;
    out.put_tlv(0x04, &encryption.iv)?;
    out.put(&[0xa0, 0x80])?;
    let padded_length = padded_length(content.len());
    out.put_header(0x04, padded_length)?;
    let padded = out.take(padded_length)?;
    Writer(padded).put(content)?;
    crypto::aes_256_cbc_encrypt(&encryption.key, &encryption.iv, padded, content.len())?;
    out.put([END_OF_CONTENTS; 2].as_flattened())
}

/// Returns the padded length. PKCS#7 always adds at least one byte.
fn padded_length(content_length: usize) -> usize {
    (content_length / AES_BLOCK_LENGTH + 1) * AES_BLOCK_LENGTH
}

/// The unwritten rest of the buffer.
struct Writer<'a>(&'a mut [u8]);

impl<'a> Writer<'a> {
    /// Returns the next `length` bytes, which the caller writes.
    fn take(&mut self, length: usize) -> Result<&'a mut [u8], SealError> {
        let (taken, rest) =
            mem::take(&mut self.0).split_at_mut_checked(length).ok_or(SealError::BufferLength)?;
        self.0 = rest;
        Ok(taken)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), SealError> {
        self.take(bytes.len())?.copy_from_slice(bytes);
        Ok(())
    }

    fn put_tlv(&mut self, tag: u8, content: &[u8]) -> Result<(), SealError> {
        self.put_header(tag, content.len())?;
        self.put(content)
    }

    /// Writes a tag and a definite length, in the shortest form of DER (X.690 section 10.1).
    fn put_header(&mut self, tag: u8, length: usize) -> Result<(), SealError> {
        let [.., high, low] = length.to_be_bytes();
        match header_length(length) {
            2 => self.put(&[tag, low]),
            3 => self.put(&[tag, 0x81, low]),
            _ => self.put(&[tag, 0x82, high, low]),
        }
    }
}

/// Returns the length of the header (tag and length) for `length` bytes of content, in bytes.
fn header_length(length: usize) -> usize {
    match length {
        0..=0x7f => 2,
        0x80..=0xff => 3,
        _ => LONG_HEADER_LENGTH,
    }
}
