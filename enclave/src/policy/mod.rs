//! Who gets what: the one place that makes an [`Admitted`], without which nothing is drawn.

use shared::attestation::{RecipientKey, RecipientKeyError, Trust, VerifiedDocument};
use shared::cms::{ContentEncryption, SealError, seal};
use shared::kms::{GenerateRandomResponse, NumberOfBytes};
use zeroize::Zeroizing;

use crate::entropy::RandomBytes;

/// A request that may be answered: how many bytes, and to whom. Made by [`admit`] alone.
#[derive(Debug)]
pub struct Admitted {
    number_of_bytes: NumberOfBytes,
    recipient: Option<RecipientKey>,
}

/// Admits a request. There are no policies yet: whoever proves what they claim is admitted; but a
/// document whose key nothing can be sealed to admits nobody.
///
/// # Errors
/// If the document carries no usable key.
pub fn admit<T: Trust>(
    number_of_bytes: NumberOfBytes,
    document: Option<&VerifiedDocument<T>>,
) -> Result<Admitted, RecipientKeyError> {
    let recipient = document.map(VerifiedDocument::recipient_key).transpose()?;
    Ok(Admitted { number_of_bytes, recipient })
}

impl Admitted {
    /// Random bytes to draw: those asked for and, if they are to be sealed, the content key and IV.
    pub fn draw_length(&self) -> usize {
        let for_sealing = if self.recipient.is_some() { ContentEncryption::LENGTH } else { 0 };
        self.number_of_bytes.get() + for_sealing
    }

    /// The answer's body: sealed if the request came with a document, in the clear if not. Consumes
    /// what admitted and what was drawn, so nothing is delivered twice.
    ///
    /// # Errors
    /// If sealing fails; nothing is delivered then.
    pub fn deliver(self, random: RandomBytes) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let Some(recipient) = self.recipient else {
            let plaintext = GenerateRandomResponse::Plaintext(random.expose());
            return Ok(Zeroizing::new(plaintext.to_json()));
        };
        let (content, for_sealing) =
            random.expose().split_last_chunk().ok_or(SealError::TooLong)?;
        let encryption = ContentEncryption::from_random(for_sealing);
        let sealed = seal(&recipient, content, encryption)?;
        Ok(Zeroizing::new(GenerateRandomResponse::CiphertextForRecipient(&sealed).to_json()))
    }
}
