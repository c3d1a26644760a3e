//! A GenerateRandom request, before and after the verification of its document.
//!
//! Requests with a Recipient and requests without a Recipient have different types. No function converts a
//! request with a Recipient into a request without a Recipient. Code that returns plaintext for a request
//! with a Recipient therefore does not compile.

use attestation::time::UnixMillis;
use attestation::{
    Claims, ClockReading, MalformedDocument, RecipientKey, RecipientKeyError, Trust,
    UntrustedDocument, UnverifiedDocument, VerifiedDocument, Verifier,
};
use kms_api::{GenerateRandom, NumberOfBytes};

use super::recipient::DocumentRules;

/// A parsed request.
pub(crate) enum Request {
    Plain(PlainRequest),
    Attested(Box<AttestedRequest>),
}

/// A request without a Recipient.
#[derive(Debug)]
pub struct PlainRequest {
    number_of_bytes: NumberOfBytes,
}

/// A request with a Recipient whose document is not verified yet.
pub(crate) struct AttestedRequest {
    number_of_bytes: NumberOfBytes,
    document: UnverifiedDocument,
}

/// A request with a Recipient whose document was verified under the trust anchors `T`.
#[derive(Debug)]
pub struct VerifiedRequest<T: Trust> {
    number_of_bytes: NumberOfBytes,
    document: VerifiedDocument<T>,
}

impl Request {
    /// Parses the document. Also returns the ID of the custom key store, if the request names one.
    pub(crate) fn new(
        request: GenerateRandom,
    ) -> Result<(Self, Option<String>), MalformedDocument> {
        let GenerateRandom { number_of_bytes, custom_key_store_id, attestation_document } = request;
        let request = match attestation_document {
            None => Self::Plain(PlainRequest { number_of_bytes }),
            Some(bytes) => {
                let document = UnverifiedDocument::parse(bytes)?;
                Self::Attested(Box::new(AttestedRequest::new(number_of_bytes, document)))
            }
        };
        Ok((request, custom_key_store_id))
    }
}

impl AttestedRequest {
    /// Creates a request for `number_of_bytes` bytes, sealed to the key in `document`.
    pub(crate) fn new(number_of_bytes: NumberOfBytes, document: UnverifiedDocument) -> Self {
        Self { number_of_bytes, document }
    }

    /// Verifies the document. `rules` contains the maximum age of the document, and the rule for debug mode.
    pub(crate) fn verify<T: Trust>(
        self,
        verifier: &Verifier<T>,
        now: UnixMillis,
        rules: DocumentRules,
    ) -> Result<VerifiedRequest<T>, UntrustedDocument> {
        let Self { number_of_bytes, document } = self;
        let (now, DocumentRules { max_age, debug }) = (ClockReading::enclave(now), rules);
        let document = verifier.verify_live(document, now, max_age, debug)?;
        Ok(VerifiedRequest { number_of_bytes, document })
    }
}

impl PlainRequest {
    /// Returns the number of requested bytes.
    pub fn number_of_bytes(&self) -> NumberOfBytes {
        self.number_of_bytes
    }
}

impl<T: Trust> VerifiedRequest<T> {
    /// Returns the number of requested bytes.
    pub fn number_of_bytes(&self) -> NumberOfBytes {
        self.number_of_bytes
    }

    /// Returns the claims of the document.
    pub fn claims(&self) -> Claims<'_> {
        self.document.claims()
    }

    /// Returns the recipient's key. The response is sealed to this key.
    ///
    /// # Errors
    /// If the document contains no usable key.
    pub fn recipient_key(&self) -> Result<RecipientKey, RecipientKeyError> {
        self.document.recipient_key()
    }
}
