//! What was admitted, and its one delivery.

use shared::attestation::{RecipientKey, RecipientKeyError, Trust};
use shared::cms::{ContentEncryption, SealError, seal};
use shared::kms::{GenerateRandomResponse, NumberOfBytes};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::entropy::RandomBytes;
use crate::kms::{PlainRequest, ProvenRequest};

/// A request that may be answered: how many bytes, and to whom. Only [`Policy`](super::Policy) makes
/// one.
#[derive(Debug)]
pub struct Admitted {
    number_of_bytes: NumberOfBytes,
    recipient: Option<RecipientKey>,
}

/// Why an admitted request gets no answer: a fault of ours.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum DeliveryError {
    /// Another number of random bytes than the answer takes.
    #[error("{drawn} random bytes were drawn for an answer that takes {needed}")]
    Drawn {
        /// How many there are.
        drawn: usize,
        /// How many there should be.
        needed: usize,
    },
    /// Sealing failed.
    #[error(transparent)]
    Seal(#[from] SealError),
}

impl Admitted {
    /// Admits a request without a Recipient.
    pub(super) fn plain(request: PlainRequest) -> Self {
        Self { number_of_bytes: request.number_of_bytes(), recipient: None }
    }

    /// Admits a request whose document was verified.
    ///
    /// # Errors
    /// If the document carries no usable key.
    pub(super) fn attested<T: Trust>(request: ProvenRequest<T>) -> Result<Self, RecipientKeyError> {
        let recipient = Some(request.recipient_key()?);
        Ok(Self { number_of_bytes: request.number_of_bytes(), recipient })
    }

    /// Random bytes to draw: those asked for and, if they are to be sealed, the content key and IV.
    pub fn draw_length(&self) -> usize {
        let for_sealing = if self.recipient.is_some() { ContentEncryption::LENGTH } else { 0 };
        self.number_of_bytes.get() + for_sealing
    }

    /// The answer's body: sealed if the request came with a document, in the clear if not. Consumes
    /// what admitted and what was drawn, so nothing is delivered twice.
    ///
    /// # Errors
    /// If sealing fails, or not exactly what was to be drawn is given; nothing is delivered then.
    pub fn deliver(self, random: RandomBytes) -> Result<Zeroizing<Vec<u8>>, DeliveryError> {
        let (drawn, needed) = (random.expose().len(), self.draw_length());
        let wrong_length = DeliveryError::Drawn { drawn, needed };
        if drawn != needed {
            return Err(wrong_length);
        }
        let Some(recipient) = self.recipient else {
            let plaintext = GenerateRandomResponse::Plaintext(random.expose());
            return Ok(Zeroizing::new(plaintext.to_json()));
        };
        let (content, for_sealing) = random.expose().split_last_chunk().ok_or(wrong_length)?;
        let encryption = ContentEncryption::from_random(for_sealing);
        let sealed = seal(&recipient, content, encryption)?;
        Ok(Zeroizing::new(GenerateRandomResponse::CiphertextForRecipient(&sealed).to_json()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delivers_nothing_but_the_number_that_was_asked_for() {
        let admitted = || {
            let number_of_bytes = NumberOfBytes::new(3).unwrap();
            Admitted { number_of_bytes, recipient: None }
        };
        let deliver =
            |drawn: usize| admitted().deliver(RandomBytes::new(Zeroizing::new(vec![0; drawn])));
        assert_eq!(*deliver(3).unwrap(), br#"{"Plaintext":"AAAA"}"#);
        for drawn in [0, 2, 4] {
            assert_eq!(deliver(drawn), Err(DeliveryError::Drawn { drawn, needed: 3 }));
        }
    }
}
