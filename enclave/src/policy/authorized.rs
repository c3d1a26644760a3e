//! The proof that a request is authorized.

use attestation::{RecipientKey, RecipientKeyError, Trust};
use kms_api::NumberOfBytes;

use super::request::{PlainRequest, VerifiedRequest};
use crate::entropy::DrawRequest;

/// An authorized request: the number of bytes and the recipient. Only [`Policy`](super::Policy) creates this type.
#[derive(Debug)]
pub struct Authorized {
    number_of_bytes: NumberOfBytes,
    recipient: Option<RecipientKey>,
}

impl Authorized {
    /// Creates the proof for a request without a Recipient.
    pub(super) fn plain(request: PlainRequest) -> Self {
        Self { number_of_bytes: request.number_of_bytes(), recipient: None }
    }

    /// Creates the proof for a request whose document was verified.
    ///
    /// # Errors
    /// If the document contains no usable key.
    pub(super) fn attested<T: Trust>(
        request: VerifiedRequest<T>,
    ) -> Result<Self, RecipientKeyError> {
        let recipient = Some(request.recipient_key()?);
        Ok(Self { number_of_bytes: request.number_of_bytes(), recipient })
    }

    /// Returns the number and the purpose of the bytes to draw for the response.
    pub fn draw_request(&self) -> DrawRequest {
        DrawRequest {
            number_of_bytes: self.number_of_bytes.get(),
            sealed: self.recipient.is_some(),
        }
    }

    /// Returns the only form that the response may have.
    pub(crate) fn into_response_form(self) -> ResponseForm {
        match self.recipient {
            Some(recipient) => ResponseForm::CiphertextForRecipient(recipient),
            None => ResponseForm::Plaintext,
        }
    }
}

/// The form of a response. The response to a request without a Recipient is plaintext. Other responses are sealed to
/// the Recipient's key.
#[derive(Debug)]
pub(crate) enum ResponseForm {
    Plaintext,
    CiphertextForRecipient(RecipientKey),
}
