//! Steps 1 to 3 and 7 to 10: the receipt and the exchange that it covers.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::content::Content;
use super::error::ReceiptError;
use super::payload::{MAX_RECEIPT_HEADER_LENGTH, RECEIPT, Receipt, ReceiptOperation};
use super::sources::AllowedSources;
use super::verified_identity::{VerifiedIdentity, distance_millis};
use crate::crypto::Sha256;
use crate::signed_statement::{KeyId, SignedStatement};
use crate::time::UnixMillis;

/// Maximum time between a live receipt and now, in seconds.
const MAX_TIME_DISTANCE_SECS: u64 = 5 * 60;

const OK: u16 = 200;

/// The head of a response with a status below 400.
#[derive(Clone, Copy, Debug)]
pub struct ResponseHead<'a> {
    /// The status. From 400 on, nothing of a response is authentic, and the checklist does not apply.
    pub status: u16,
    /// The values of all headers with the name of the receipt header.
    pub receipts: &'a [&'a [u8]],
    /// True if the response has a Content-Encoding.
    pub has_content_encoding: bool,
}

/// The decoded bytes of a receipt header. Their form is not checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptBytes(Vec<u8>);

/// A receipt that passed step 2. Its content is not verified.
#[derive(Debug)]
pub struct UnverifiedReceipt<'a> {
    statement: SignedStatement<'a>,
    receipt: Receipt<'a>,
}

/// The exchange that a receipt must cover.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// The request body, as sent.
    pub request: &'a [u8],
    /// The response body, as received. The caller parses these very bytes next.
    pub response: &'a [u8],
    /// The sources of random bytes that the caller accepts.
    pub sources: &'a AllowedSources,
    /// The moment of the verification.
    pub moment: Moment<'a>,
}

/// The moment of a verification.
#[derive(Clone, Copy, Debug)]
pub enum Moment<'a> {
    /// The response was just received.
    Live(LiveRequest<'a>),
    /// The exchange was stored. Its file contains neither the nonce nor the headers of the request.
    Stored,
}

/// The part of a live exchange beside its bodies.
#[derive(Clone, Copy, Debug)]
pub struct LiveRequest<'a> {
    /// The current time.
    pub now: UnixMillis,
    /// The nonce of this attempt.
    pub nonce: &'a [u8],
    /// The operation of the request.
    pub operation: ReceiptOperation,
    /// The value of the header `x-amzn-RequestId`. `None` if it is missing or repeated.
    pub request_id: Option<&'a str>,
}

impl ReceiptBytes {
    /// Decodes the receipt of a response with a status below 400: step 1, and the base64 of step 2.
    ///
    /// # Errors
    /// If the status is not 200, or the response does not have exactly one receipt in canonical base64.
    pub fn from_response(head: ResponseHead<'_>) -> Result<Self, ReceiptError> {
        // 1: 201 to 399 are no answers
        if head.status != OK {
            return Err(ReceiptError::Status { status: head.status });
        }
        let receipt = match head.receipts {
            [] => return Err(ReceiptError::NoReceipt),
            [receipt] => receipt,
            several => return Err(ReceiptError::SeveralReceipts { count: several.len() }),
        };
        if head.has_content_encoding {
            return Err(ReceiptError::ContentEncoding);
        }
        Self::from_header(receipt)
    }

    /// Decodes the value of a receipt header: the base64 of step 2.
    ///
    /// # Errors
    /// If `header` is too long, or is not canonical base64.
    pub fn from_header(header: &[u8]) -> Result<Self, ReceiptError> {
        if header.len() > MAX_RECEIPT_HEADER_LENGTH {
            return Err(ReceiptError::TooLong { length: header.len() });
        }
        STANDARD.decode(header).map(Self).map_err(|_| ReceiptError::Base64)
    }

    /// Parses the receipt: step 2.
    ///
    /// # Errors
    /// If the bytes are not exactly those of a receipt.
    pub fn parse(&self) -> Result<UnverifiedReceipt<'_>, ReceiptError> {
        let statement = RECEIPT.parse(&self.0)?;
        let receipt = Receipt::from_payload(statement.unverified_payload())?;
        Ok(UnverifiedReceipt { statement, receipt })
    }
}

impl<'a> UnverifiedReceipt<'a> {
    /// Returns the key that the receipt names.
    pub const fn key_id(&self) -> KeyId {
        self.statement.key_id()
    }

    /// Returns the content without verification. It may be displayed, and its time selects the check of a stored
    /// document, but it must not be used for another decision.
    pub const fn dangerous_unverified_content(&self) -> &Receipt<'a> {
        &self.receipt
    }

    /// Verifies the receipt: steps 3 and 7 to 10, and the parts of steps 5 and 6 that depend on times.
    ///
    /// # Errors
    /// The first step that rejects the receipt.
    pub fn verify(
        self,
        identity: &VerifiedIdentity,
        exchange: &Exchange<'_>,
    ) -> Result<Receipt<'a>, ReceiptError> {
        let Self { statement, receipt } = self;
        // 3: the key of the document
        let (found, expected) = (statement.key_id(), identity.key_id());
        if found != expected {
            return Err(ReceiptError::OtherKey { found, expected });
        }
        // 5 and 6: the end of the set, and the document that was verified before this receipt was known
        identity.check_set(receipt.time)?;
        match exchange.moment {
            Moment::Live(live) => identity.check_current(live.now)?,
            Moment::Stored => identity.check_near(receipt.time)?,
        }
        // 7: the signature
        statement.verify(identity.receipt_key())?;
        // 8: this exchange
        check_binding(&receipt, exchange)?;
        // 9: what it contains
        check_content(&receipt, exchange)?;
        // 10: the time
        if let Moment::Live(LiveRequest { now, .. }) = exchange.moment
            && distance_millis(receipt.time, now) > MAX_TIME_DISTANCE_SECS * 1000
        {
            return Err(ReceiptError::Time { receipt_time: receipt.time, now });
        }
        Ok(receipt)
    }
}

/// Checks step 8.
fn check_binding(receipt: &Receipt<'_>, exchange: &Exchange<'_>) -> Result<(), ReceiptError> {
    if receipt.request_digest != Sha256::digest(exchange.request) {
        return Err(ReceiptError::OtherRequest);
    }
    if receipt.response_digest != Sha256::digest(exchange.response) {
        return Err(ReceiptError::OtherResponse);
    }
    let Moment::Live(LiveRequest { nonce, operation, request_id, .. }) = exchange.moment else {
        return Ok(());
    };
    if receipt.nonce.is_empty() {
        return Err(ReceiptError::EmptyNonce);
    }
    if receipt.nonce != nonce {
        return Err(ReceiptError::OtherNonce);
    }
    if receipt.operation != operation {
        let (found, expected) = (receipt.operation.name(), operation.name());
        return Err(ReceiptError::OtherOperation { found, expected });
    }
    match request_id {
        Some(id) if id == receipt.request_id => Ok(()),
        _ => Err(ReceiptError::OtherRequestId { found: receipt.request_id.to_owned() }),
    }
}

/// Checks step 9.
fn check_content(receipt: &Receipt<'_>, exchange: &Exchange<'_>) -> Result<(), ReceiptError> {
    if let Some(source) = receipt.source
        && !exchange.sources.contains(source)
    {
        return Err(ReceiptError::Source { source_id: source.to_owned() });
    }
    let content = Content::parse(exchange.request, exchange.response)?;
    match (content.is_sealed, receipt.content_key_digest) {
        (true, None) => return Err(ReceiptError::NoContentKeyDigest),
        (false, Some(_)) => return Err(ReceiptError::UnexpectedContentKeyDigest),
        (true, Some(_)) | (false, None) => {}
    }
    match content.has_recipient && content.has_plaintext {
        true => Err(ReceiptError::PlaintextForRecipient),
        false => Ok(()),
    }
}
