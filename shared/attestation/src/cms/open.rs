//! The recipient's part: opens a `CiphertextForRecipient`.
//!
//! [`open`] accepts four forms of the ciphertext:
//!
//! - the form that [`seal`](super::seal()) writes
//! - the content in one primitive element `[0]`, which KMS has also emitted
//! - the content in several OCTET STRINGs
//! - plain DER
//!
//! [`open`] rejects key encryption other than RSAES-OAEP with SHA-256, because KMS uses no other.

use zeroize::Zeroizing;

use super::ber::Reader;
use super::open_error::OpenError;
use super::private_key::RecipientPrivateKey;
use super::{RSAES_OAEP_SHA_256, oid};
use crate::crypto::{self, AES_256_KEY_LENGTH, AES_BLOCK_LENGTH};

/// The parts of an EnvelopedData that are needed to open it.
struct EnvelopedData<'a> {
    subject_key_identifier: &'a [u8],
    encrypted_key: &'a [u8],
    iv: &'a [u8; AES_BLOCK_LENGTH],
    ciphertext: Vec<u8>,
}

/// Opens `ciphertext_for_recipient` with `key`.
///
/// # Errors
/// If the ciphertext does not have a form that KMS sends, is sealed to another key, or was changed.
pub fn open(
    ciphertext_for_recipient: &[u8],
    key: &RecipientPrivateKey,
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let enveloped = parse(ciphertext_for_recipient)?;
    let content_key = decrypt_content_key(&enveloped, key)?;
    decrypt_content(enveloped, &content_key)
}

/// Returns the content key of `ciphertext_for_recipient`, which is sealed to `key`. A recipient that publishes the
/// content key discloses the content.
///
/// # Errors
/// If the ciphertext does not have a form that KMS sends, or is sealed to another key.
pub fn open_content_key(
    ciphertext_for_recipient: &[u8],
    key: &RecipientPrivateKey,
) -> Result<Zeroizing<[u8; AES_256_KEY_LENGTH]>, OpenError> {
    decrypt_content_key(&parse(ciphertext_for_recipient)?, key)
}

/// Decrypts the content of `ciphertext_for_recipient` with a disclosed content key. RSA plays no part. The padding
/// must be that of PKCS#7.
///
/// # Errors
/// If the ciphertext does not have a form that KMS sends, or the padding is wrong.
pub fn open_with_content_key(
    ciphertext_for_recipient: &[u8],
    content_key: &[u8; AES_256_KEY_LENGTH],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    decrypt_content(parse(ciphertext_for_recipient)?, content_key)
}

fn decrypt_content_key(
    enveloped: &EnvelopedData<'_>,
    key: &RecipientPrivateKey,
) -> Result<Zeroizing<[u8; AES_256_KEY_LENGTH]>, OpenError> {
    if enveloped.subject_key_identifier != key.subject_key_identifier() {
        return Err(OpenError::OtherRecipient);
    }
    let decrypted = key.decrypt(enveloped.encrypted_key).ok_or(OpenError::Decryption)?;
    let mut content_key = Zeroizing::new([0; AES_256_KEY_LENGTH]);
    if decrypted.len() != content_key.len() {
        return Err(OpenError::Decryption);
    }
    content_key.copy_from_slice(&decrypted);
    Ok(content_key)
}

fn decrypt_content(
    enveloped: EnvelopedData<'_>,
    content_key: &[u8; AES_256_KEY_LENGTH],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let mut content = Zeroizing::new(enveloped.ciphertext);
    let length = crypto::aes_256_cbc_decrypt(content_key, enveloped.iv, &mut content)
        .map_err(|_| OpenError::Decryption)?
        .len();
    content.truncate(length);
    Ok(content)
}

fn parse(bytes: &[u8]) -> Result<EnvelopedData<'_>, OpenError> {
    let mut reader = Reader::new(bytes);
    let enveloped = reader.constructed(0x30, "ContentInfo", |info| {
        expect_oid(info, oid::ENVELOPED_DATA, "id-envelopedData")?;
        info.constructed(0xa0, "[0] content", |content| {
            content.constructed(0x30, "EnvelopedData", parse_enveloped_data)
        })
    })?;
    reader.finish("ContentInfo")?;
    Ok(enveloped)
}

fn parse_enveloped_data<'a>(reader: &mut Reader<'a>) -> Result<EnvelopedData<'a>, OpenError> {
    expect(reader, 0x02, &[2], "version 2")?;
    let (subject_key_identifier, encrypted_key) =
        reader.constructed(0x31, "RecipientInfos", |infos| {
            infos.constructed(0x30, "KeyTransRecipientInfo", parse_key_trans_recipient_info)
        })?;
    let (iv, ciphertext) =
        reader.constructed(0x30, "EncryptedContentInfo", parse_encrypted_content_info)?;
    Ok(EnvelopedData { subject_key_identifier, encrypted_key, iv, ciphertext })
}

fn parse_key_trans_recipient_info<'a>(
    reader: &mut Reader<'a>,
) -> Result<(&'a [u8], &'a [u8]), OpenError> {
    expect(reader, 0x02, &[2], "KeyTransRecipientInfo version 2")?;
    let subject_key_identifier = reader.primitive(0x80, "subjectKeyIdentifier")?;
    // DER has exactly one encoding of these parameters, and only that encoding is accepted.
    let algorithm = RSAES_OAEP_SHA_256.get(2..).unwrap_or_default();
    if reader.primitive(0x30, "keyEncryptionAlgorithm")? != algorithm {
        return Err(OpenError::KeyEncryption);
    }
    let encrypted_key = reader.primitive(0x04, "encryptedKey")?;
    Ok((subject_key_identifier, encrypted_key))
}

fn parse_encrypted_content_info<'a>(
    reader: &mut Reader<'a>,
) -> Result<(&'a [u8; AES_BLOCK_LENGTH], Vec<u8>), OpenError> {
    expect_oid(reader, oid::DATA, "id-data")?;
    let iv = reader.constructed(0x30, "contentEncryptionAlgorithm", |algorithm| {
        expect_oid(algorithm, oid::AES_256_CBC, "id-aes256-CBC")?;
        algorithm.primitive(0x04, "IV")
    })?;
    let iv = iv.try_into().map_err(|_| OpenError::Length { element: "IV" })?;
    let ciphertext = match reader.peek() {
        Some(0x80) => reader.primitive(0x80, "encryptedContent")?.to_vec(),
        _ => reader.constructed(0xa0, "encryptedContent", |chunks| {
            let mut ciphertext = Vec::new();
            while chunks.peek().is_some() {
                ciphertext.extend(chunks.primitive(0x04, "OCTET STRING")?);
            }
            Ok(ciphertext)
        })?,
    };
    Ok((iv, ciphertext))
}

fn expect(
    reader: &mut Reader<'_>,
    tag: u8,
    content: &[u8],
    element: &'static str,
) -> Result<(), OpenError> {
    if reader.primitive(tag, element)? == content {
        Ok(())
    } else {
        Err(OpenError::Unexpected { element })
    }
}

fn expect_oid(reader: &mut Reader<'_>, oid: &[u8], element: &'static str) -> Result<(), OpenError> {
    expect(reader, 0x06, oid, element)
}
