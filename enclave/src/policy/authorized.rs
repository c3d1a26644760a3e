//! The proof that a request was admitted.

use attestation::{RecipientKey, RecipientKeyError, Trust};
use kms_api::NumberOfBytes;

use super::request::{PlainRequest, VerifiedRequest};
use crate::entropy::DrawRequest;

/// A request that may be answered: how many bytes, and to whom. Only [`Policy`](super::Policy) makes
/// one.
#[derive(Debug)]
pub struct Authorized {
    number_of_bytes: NumberOfBytes,
    recipient: Option<RecipientKey>,
}

impl Authorized {
    /// Admits a request without a Recipient.
    pub(super) fn plain(request: PlainRequest) -> Self {
        Self { number_of_bytes: request.number_of_bytes(), recipient: None }
    }

    /// Admits a request whose document was verified.
    ///
    /// # Errors
    /// If the document carries no usable key.
    pub(super) fn attested<T: Trust>(
        request: VerifiedRequest<T>,
    ) -> Result<Self, RecipientKeyError> {
        let recipient = Some(request.recipient_key()?);
        Ok(Self { number_of_bytes: request.number_of_bytes(), recipient })
    }

    /// What to draw for it.
    pub fn draw_request(&self) -> DrawRequest {
        DrawRequest {
            number_of_bytes: self.number_of_bytes.get(),
            sealed: self.recipient.is_some(),
        }
    }

    /// Returns the one form that the answer may have.
    pub(crate) fn into_response_form(self) -> ResponseForm {
        match self.recipient {
            Some(recipient) => ResponseForm::CiphertextForRecipient(recipient),
            None => ResponseForm::Plaintext,
        }
    }
}

/// The form of an answer: in the clear if the request came without a document, else sealed to its key.
#[derive(Debug)]
pub(crate) enum ResponseForm {
    Plaintext,
    CiphertextForRecipient(RecipientKey),
}
