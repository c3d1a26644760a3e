//! What was admitted, and its one delivery.

use attestation::cms::{SealError, seal_into, sealed_length};
use attestation::{RecipientKey, RecipientKeyError, Trust};
use kms_api::{GenerateRandomResponse, NumberOfBytes};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::entropy::{Drawn, Wanted};
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
    /// Something else was drawn than the answer takes.
    #[error("{drawn} was drawn for an answer that takes {wanted}")]
    Drawn {
        /// What there is.
        drawn: Wanted,
        /// What there should be.
        wanted: Wanted,
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

    /// What to draw for it.
    pub fn wanted(&self) -> Wanted {
        Wanted { number_of_bytes: self.number_of_bytes.get(), sealed: self.recipient.is_some() }
    }

    /// The answer's body: sealed if the request came with a document, in the clear if not. Consumes
    /// what admitted and what was drawn, so nothing is delivered twice.
    ///
    /// # Errors
    /// If sealing fails, or not exactly what was to be drawn is given; nothing is delivered then.
    pub fn deliver(self, drawn: Drawn) -> Result<Zeroizing<Vec<u8>>, DeliveryError> {
        let wrong = DeliveryError::Drawn { drawn: drawn.what(), wanted: self.wanted() };
        let Drawn { random, encryption } = drawn;
        if random.expose().len() != self.number_of_bytes.get() {
            return Err(wrong);
        }
        let response = match (self.recipient, encryption) {
            (Some(recipient), Some(encryption)) => {
                let random = random.expose();
                let length = sealed_length(&recipient, random.len())?;
                GenerateRandomResponse::ciphertext_for_recipient(length, |envelope| {
                    seal_into(&recipient, random, encryption, envelope)
                })?
            }
            (None, None) => GenerateRandomResponse::plaintext(random.expose()),
            (Some(_), None) | (None, Some(_)) => return Err(wrong),
        };
        Ok(Zeroizing::new(response))
    }
}

#[cfg(test)]
mod tests {
    use attestation::cms::ContentEncryption;
    use attestation::crypto::CryptoError;

    use super::*;
    use crate::entropy::RandomBytes;

    #[test]
    fn delivers_nothing_but_what_was_asked_for() {
        let admitted = || {
            let number_of_bytes = NumberOfBytes::new(3).unwrap();
            Admitted { number_of_bytes, recipient: None }
        };
        let deliver = |number_of_bytes: usize, sealed: bool| {
            let random = RandomBytes::new(Zeroizing::new(vec![0; number_of_bytes]));
            let draw = || ContentEncryption::draw(|_| Ok::<_, CryptoError>(())).unwrap();
            admitted().deliver(Drawn { random, encryption: sealed.then(draw) })
        };
        assert_eq!(*deliver(3, false).unwrap(), br#"{"Plaintext":"AAAA"}"#);
        let wanted = Wanted { number_of_bytes: 3, sealed: false };
        for (number_of_bytes, sealed) in [(0, false), (2, false), (4, false), (3, true)] {
            let drawn = Wanted { number_of_bytes, sealed };
            let error = DeliveryError::Drawn { drawn, wanted };
            assert_eq!(deliver(number_of_bytes, sealed), Err(error));
        }
    }
}
