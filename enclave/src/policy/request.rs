//! A GenerateRandom request on its way to being proven. A request that came with a Recipient is of
//! another type than one that came without, and no function leads from the first to the second: an
//! answer in the clear to an attested request does not type-check.

use attestation::time::UnixMillis;
use attestation::{
    Claims, ClockReading, MalformedDocument, RecipientKey, RecipientKeyError, Trust,
    UntrustedDocument, UnverifiedDocument, VerifiedDocument, Verifier,
};
use kms_api::{GenerateRandom, NumberOfBytes};

use super::recipient::DocumentRules;

/// A request as it was parsed.
pub(crate) enum Request {
    Plain(PlainRequest),
    Attested(Box<AttestedRequest>),
}

/// A request without a Recipient.
#[derive(Debug)]
pub struct PlainRequest {
    number_of_bytes: NumberOfBytes,
}

/// A request with a Recipient whose document nobody has verified yet.
pub(crate) struct AttestedRequest {
    number_of_bytes: NumberOfBytes,
    document: UnverifiedDocument,
}

/// A request with a Recipient whose document holds in the world `T`.
#[derive(Debug)]
pub struct VerifiedRequest<T: Trust> {
    number_of_bytes: NumberOfBytes,
    document: VerifiedDocument<T>,
}

impl Request {
    /// Reads the document; beside the request, the key store that it names.
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
    /// For so many bytes, sealed to the key in `document`.
    pub(crate) fn new(number_of_bytes: NumberOfBytes, document: UnverifiedDocument) -> Self {
        Self { number_of_bytes, document }
    }

    /// Verifies the document, which must be fresh, and of an enclave in debug mode only where that
    /// is allowed.
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
    /// How many bytes are asked for.
    pub fn number_of_bytes(&self) -> NumberOfBytes {
        self.number_of_bytes
    }
}

impl<T: Trust> VerifiedRequest<T> {
    /// How many bytes are asked for.
    pub fn number_of_bytes(&self) -> NumberOfBytes {
        self.number_of_bytes
    }

    /// What the document says.
    pub fn claims(&self) -> Claims<'_> {
        self.document.claims()
    }

    /// The key to seal to.
    ///
    /// # Errors
    /// If the document carries none that is fit for it.
    pub fn recipient_key(&self) -> Result<RecipientKey, RecipientKeyError> {
        self.document.recipient_key()
    }
}
