//! Offline verification of a stored exchange.

use attestation::crypto::SHA_256_LENGTH;
use attestation::receipt::{
    AllowedSources, Exchange, Moment, Receipt, ReceiptError, ReceiptOperation, ReceiptStep,
    VerifiedIdentity,
};
use attestation::time::UnixMillis;
use attestation::{KeyId, UntrustedDocument, UnverifiedDocument};
use thiserror::Error;

use super::stored::StoredExchange;
use crate::expectations::{Expectations, names_simulator_root};

/// A stored exchange whose receipt verified.
#[derive(Debug)]
pub struct VerifiedExchange<'a> {
    exchange: &'a StoredExchange,
    identity: VerifiedIdentity,
    request_id: String,
    operation: ReceiptOperation,
    content_key_digest: Option<[u8; SHA_256_LENGTH]>,
    request_digest: [u8; SHA_256_LENGTH],
    response_digest: [u8; SHA_256_LENGTH],
    sequence: u64,
    source: Option<String>,
    time: UnixMillis,
    nonce: Vec<u8>,
}

/// The reason why a stored exchange is rejected.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ExchangeError {
    /// The checklist rejects the exchange.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    /// The root of the document has the name of a simulator's root.
    #[error(
        "the document is of a simulator, which signs any document and proves nothing; in tests, \
         accept the simulator with --simulator"
    )]
    Simulator,
}

impl ExchangeError {
    /// Returns the step that rejected the exchange.
    pub fn step(&self) -> ReceiptStep {
        match self {
            Self::Receipt(error) => error.step(),
            Self::Simulator => ReceiptStep::Document,
        }
    }
}

impl StoredExchange {
    /// Verifies the exchange: steps 2 to 9 of the [checklist](attestation::receipt), at the time of the document.
    ///
    /// # Errors
    /// The first step that rejects the exchange.
    pub fn verify(
        &self,
        expectations: &Expectations,
        sources: &AllowedSources,
    ) -> Result<VerifiedExchange<'_>, ExchangeError> {
        let receipt = self.receipt_bytes()?;
        let receipt = receipt.parse()?;
        let receipt_time = receipt.dangerous_unverified_content().time;
        let identity = expectations.verify_stored(self.document(), receipt_time)?;
        let (request, response) = (self.request(), self.response());
        let exchange = Exchange { request, response, sources, moment: Moment::Stored };
        let receipt = receipt.verify(&identity, &exchange)?;
        Ok(VerifiedExchange {
            exchange: self,
            identity,
            request_id: receipt.request_id.to_owned(),
            operation: receipt.operation,
            content_key_digest: receipt.content_key_digest,
            request_digest: receipt.request_digest,
            response_digest: receipt.response_digest,
            sequence: receipt.sequence,
            source: receipt.source.map(str::to_owned),
            time: receipt.time,
            nonce: receipt.nonce.to_vec(),
        })
    }
}

impl<'a> VerifiedExchange<'a> {
    /// Returns the exchange.
    pub const fn exchange(&self) -> &'a StoredExchange {
        self.exchange
    }

    /// Returns the enclave.
    pub const fn identity(&self) -> &VerifiedIdentity {
        &self.identity
    }

    /// Returns the identifier of the receipt key.
    pub fn key_id(&self) -> KeyId {
        self.identity.key_id()
    }

    /// Returns the content of the receipt.
    pub fn receipt(&self) -> Receipt<'_> {
        Receipt {
            request_id: &self.request_id,
            operation: self.operation,
            content_key_digest: self.content_key_digest,
            request_digest: self.request_digest,
            response_digest: self.response_digest,
            sequence: self.sequence,
            source: self.source.as_deref(),
            time: self.time,
            nonce: &self.nonce,
        }
    }
}

impl Expectations {
    /// Verifies a stored document: steps 4 to 6 of the [checklist](attestation::receipt).
    ///
    /// # Errors
    /// The first step that rejects the document.
    pub fn verify_stored(
        &self,
        document: &[u8],
        receipt_time: UnixMillis,
    ) -> Result<VerifiedIdentity, ExchangeError> {
        let (anchors, sets) = (self.anchors(), self.sets());
        let verified =
            VerifiedIdentity::verify_stored(document.to_vec(), anchors, sets, receipt_time);
        let is_simulator = || {
            let document = UnverifiedDocument::parse(document.to_vec());
            document
                .is_ok_and(|document| names_simulator_root(&document.dangerous_unverified_claims()))
        };
        match verified {
            // The roots may contain a simulator's root.
            Ok(_) | Err(ReceiptError::Untrusted(UntrustedDocument::UnknownRoot))
                if !self.accepts_simulators() && is_simulator() =>
            {
                Err(ExchangeError::Simulator)
            }
            verified => Ok(verified?),
        }
    }
}
