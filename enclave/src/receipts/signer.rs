//! Signs receipts.

use std::sync::Arc;

use attestation::crypto::{CryptoError, Es256Key, SHA_256_LENGTH, Sha256};
use attestation::receipt::{NSM_SOURCE, Receipt, ReceiptOperation};
use attestation::time::UnixMillis;
use hyper::HeaderMap;
use hyper::header::HeaderValue;
use thiserror::Error;

use super::metrics::ReceiptMetrics;
use super::mode::ReceiptMode;
use super::nonce::{InvalidNonce, Nonce};
use crate::request::RequestId;

/// Signs receipts with the receipt key. The signature takes no lock.
#[derive(Debug)]
pub(crate) struct ReceiptSigner {
    key: Arc<Es256Key>,
    mode: ReceiptMode,
    metrics: ReceiptMetrics,
}

/// The facts about a response that neither body contains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ReceiptFacts {
    GenerateRandom {
        /// The digest of the content key. `None` if the response is not sealed.
        content_key_digest: Option<[u8; SHA_256_LENGTH]>,
        /// The ID of the custom key store that returned the random bytes. `None` if this enclave drew them.
        custom_key_store_id: Option<String>,
    },
    DescribeCustomKeyStores,
}

/// A successful exchange, for its receipt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SignedExchange<'a> {
    pub(crate) request_id: RequestId,
    pub(crate) request_body: &'a [u8],
    pub(crate) response_body: &'a [u8],
    pub(crate) facts: &'a ReceiptFacts,
    /// The number of the request's audit record.
    pub(crate) sequence: u64,
    /// The time of the response.
    pub(crate) now: UnixMillis,
    pub(crate) nonce: Option<&'a Nonce>,
}

/// A receipt that cannot be signed.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("cannot sign the receipt: {0}")]
pub(crate) struct ReceiptError(CryptoError);

impl ReceiptSigner {
    pub(crate) fn new(key: Arc<Es256Key>, mode: ReceiptMode, metrics: ReceiptMetrics) -> Self {
        Self { key, mode, metrics }
    }

    /// Returns the nonce in the headers of a request. Counts an invalid nonce. In mode `off`, always returns `None`.
    ///
    /// # Errors
    /// If the nonce is malformed or repeated.
    pub(crate) fn nonce(&self, headers: &HeaderMap) -> Result<Option<Nonce>, InvalidNonce> {
        match self.mode {
            ReceiptMode::Off => Ok(None),
            ReceiptMode::OnRequest | ReceiptMode::Always => Nonce::from_headers(headers)
                .inspect_err(|_| {
                    self.metrics.invalid_nonces.inc();
                }),
        }
    }

    /// Returns whether the successful response to a request with `nonce` has a receipt.
    pub(crate) const fn has_receipt(&self, nonce: Option<&Nonce>) -> bool {
        match self.mode {
            ReceiptMode::OnRequest => nonce.is_some(),
            ReceiptMode::Always => true,
            ReceiptMode::Off => false,
        }
    }

    /// Signs the receipt of `exchange`. Returns the value of the response header, or `None` if the response has no
    /// receipt in this mode.
    ///
    /// # Errors
    /// If the crypto provider fails.
    pub(crate) fn sign(
        &self,
        exchange: SignedExchange<'_>,
    ) -> Result<Option<HeaderValue>, ReceiptError> {
        if !self.has_receipt(exchange.nonce) {
            return Ok(None);
        }
        let signed = exchange.sign(&self.key);
        match signed {
            Ok(_) => self.metrics.signed(exchange.facts.operation()).inc(),
            Err(_) => self.metrics.failed.inc(),
        };
        signed.map(Some)
    }
}

impl SignedExchange<'_> {
    fn sign(self, key: &Es256Key) -> Result<HeaderValue, ReceiptError> {
        let Self { request_id, request_body, response_body, facts, sequence, now, nonce } = self;
        let mut buffer = [0; RequestId::LENGTH];
        let receipt = Receipt {
            request_id: request_id.encode(&mut buffer),
            operation: facts.operation(),
            content_key_digest: facts.content_key_digest(),
            request_digest: Sha256::digest(request_body),
            response_digest: Sha256::digest(response_body),
            sequence,
            source: facts.source(),
            time: now,
            nonce: nonce.map(Nonce::as_bytes).unwrap_or_default(),
        };
        let header = receipt.sign(key).map_err(ReceiptError)?;
        HeaderValue::try_from(header).map_err(|_| ReceiptError(CryptoError))
    }
}

impl ReceiptFacts {
    const fn operation(&self) -> ReceiptOperation {
        match self {
            Self::GenerateRandom { .. } => ReceiptOperation::GenerateRandom,
            Self::DescribeCustomKeyStores => ReceiptOperation::DescribeCustomKeyStores,
        }
    }

    const fn content_key_digest(&self) -> Option<[u8; SHA_256_LENGTH]> {
        match self {
            Self::GenerateRandom { content_key_digest, .. } => *content_key_digest,
            Self::DescribeCustomKeyStores => None,
        }
    }

    fn source(&self) -> Option<&str> {
        match self {
            Self::GenerateRandom { custom_key_store_id, .. } => {
                Some(custom_key_store_id.as_deref().unwrap_or(NSM_SOURCE))
            }
            Self::DescribeCustomKeyStores => None,
        }
    }
}

#[cfg(test)]
#[path = "signer_tests.rs"]
mod tests;
