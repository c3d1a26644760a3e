//! Receipts: signatures of an enclave on its responses.
//!
//! A sealed response is secret, but anyone who knows the recipient's public key can seal a response. A receipt
//! and the enclave's document together prove: an enclave with these measurements answered this request with this
//! response, at this time, after it received this nonce.
//!
//! # The checklist
//!
//! [`ReceiptStep`] lists the steps in the order of the checks. A function of this module makes each of them:
//!
//! | step | function |
//! |---|---|
//! | 1 status | [`ReceiptBytes::from_response`], for a live response |
//! | 2 form | [`ReceiptBytes::from_header`], [`ReceiptBytes::parse`] |
//! | 4 document, 5 measurements, 6 freshness | [`VerifiedIdentity::verify_live`], [`VerifiedIdentity::verify_stored`] |
//! | 3 key, 7 signature, 8 binding, 9 content, 10 time | [`UnverifiedReceipt::verify`] |
//!
//! A client verifies the document once for each connection, so live steps 4 to 6 come before a response arrives.
//! [`ReceiptError::step`] returns the step that rejected a receipt.

mod checklist;
mod content;
mod error;
mod payload;
mod set;
mod sources;
mod step;
mod verified_identity;

pub use self::checklist::{
    Exchange, LiveRequest, Moment, ReceiptBytes, ResponseHead, UnverifiedReceipt,
};
pub use self::content::ContentError;
pub use self::error::ReceiptError;
pub use self::payload::{
    MAX_RECEIPT_HEADER_LENGTH, MAX_SOURCE_LENGTH, NONCE_LENGTHS, NSM_SOURCE, Receipt,
    ReceiptOperation, ReceiptPayloadError,
};
pub use self::set::ReceiptSet;
pub use self::sources::AllowedSources;
pub use self::step::ReceiptStep;
pub use self::verified_identity::{MAX_DOCUMENT_USE_SECS, VerifiedIdentity};

/// The request header that asks for a receipt.
pub const NONCE_HEADER: &str = "x-attested-random-nonce";

/// The response header that contains the receipt.
pub const RECEIPT_HEADER: &str = "x-attested-random-receipt";
