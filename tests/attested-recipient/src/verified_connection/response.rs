//! Responses, and the judgement of a response with a receipt.

use attestation::receipt::{
    Exchange, LiveRequest, Moment, RECEIPT_HEADER, ReceiptBytes, ReceiptError, ReceiptOperation,
    ResponseHead as ReceiptHead, VerifiedIdentity,
};
use attestation::time::UnixMillis;
use zeroize::Zeroizing;

use super::request::{Nonce, Request};
use crate::expectations::Expectations;
use crate::http1::{Fields, Message, ResponseHead};

/// The first status that is an error. Nothing authenticates an error without TLS.
const FIRST_ERROR: u16 = 400;

const REQUEST_ID: &str = "x-amzn-requestid";

/// A response that was read completely and judged.
#[derive(Debug)]
pub struct Response {
    message: Message<ResponseHead>,
    proof: Proof,
}

/// The proof that a response comes from the verified enclave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The connection is attested TLS.
    AttestedTls,
    /// The receipt covers request and response.
    Receipt,
    /// There is none: the status is an error, and the connection is not attested TLS. The network or a relay
    /// may have sent the response.
    None,
}

impl Response {
    pub(super) const fn new(message: Message<ResponseHead>, proof: Proof) -> Self {
        Self { message, proof }
    }

    /// Returns the status.
    pub const fn status(&self) -> u16 {
        self.message.head.status
    }

    /// Returns the proof of the response.
    pub const fn proof(&self) -> Proof {
        self.proof
    }

    /// Returns the body: the very bytes that the receipt covers.
    pub fn body(&self) -> &[u8] {
        &self.message.body
    }

    /// Returns the body, and drops the rest.
    pub fn into_body(self) -> Zeroizing<Vec<u8>> {
        self.message.body
    }

    pub(crate) const fn fields(&self) -> &Fields {
        &self.message.head.fields
    }

    /// Returns the value of the receipt header, which a verified receipt has.
    pub fn receipt(&self) -> Option<&str> {
        self.message.head.fields.single(RECEIPT_HEADER).filter(|_| self.proof != Proof::None)
    }
}

/// An attempt whose response needs a receipt.
pub(super) struct Attempt<'a> {
    pub(super) request: &'a Request,
    pub(super) operation: ReceiptOperation,
    pub(super) nonce: &'a Nonce,
}

impl Attempt<'_> {
    /// Verifies the receipt of a response. A status from 400 on needs none, and has no proof.
    pub(super) fn judge(
        &self,
        response: &Message<ResponseHead>,
        identity: &VerifiedIdentity,
        expectations: &Expectations,
        now: UnixMillis,
    ) -> Result<Proof, ReceiptError> {
        let ResponseHead { status, fields } = &response.head;
        if *status >= FIRST_ERROR {
            return Ok(Proof::None);
        }
        let receipts = fields.values(RECEIPT_HEADER);
        let has_content_encoding = fields.contains("content-encoding");
        let head = ReceiptHead { status: *status, receipts: &receipts, has_content_encoding };
        let receipt = ReceiptBytes::from_response(head)?;
        let exchange = Exchange {
            request: self.request.body(),
            response: &response.body,
            sources: expectations.sources(),
            moment: Moment::Live(LiveRequest {
                now,
                nonce: &self.nonce.bytes,
                operation: self.operation,
                request_id: fields.single(REQUEST_ID),
            }),
        };
        receipt.parse()?.verify(identity, &exchange)?;
        Ok(Proof::Receipt)
    }
}
