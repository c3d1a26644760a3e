//! Receipts: signatures on successful responses, which prove that they come from this enclave.
//!
//! The receipt key exists as long as this process, and the enclave's own attestation document attests it. The crate
//! `attestation` contains the format of a receipt and its verification.

mod metrics;
mod mode;
mod nonce;
mod signer;

pub(crate) use self::metrics::ReceiptMetrics;
pub(crate) use self::mode::ReceiptMode;
pub(crate) use self::nonce::{InvalidNonce, Nonce};
pub(crate) use self::signer::{ReceiptError, ReceiptFacts, ReceiptSigner, SignedExchange};
