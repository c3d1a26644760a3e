//! The enclave whose receipts the rows change, and the verification of a live exchange with it.

use std::sync::LazyLock;

use attestation::receipt::{Moment, ReceiptError, VerifiedIdentity};

use crate::statement::Statement;
use crate::test_enclave::{TestEnclave, TestExchange};

pub(crate) static ENCLAVE: LazyLock<TestEnclave> = LazyLock::new(TestEnclave::new);

/// An enclave with the same measurements, under another root.
pub(crate) static OTHER_ENCLAVE: LazyLock<TestEnclave> = LazyLock::new(TestEnclave::new);

static IDENTITY: LazyLock<VerifiedIdentity> = LazyLock::new(|| ENCLAVE.identity());

/// Returns the receipt of the valid exchange.
pub(crate) fn header() -> String {
    TestExchange::new().receipt.sign(&ENCLAVE.key).unwrap()
}

/// Returns the parts of the receipt of the valid exchange.
pub(crate) fn statement() -> Statement {
    Statement::of_header(&header(), &ENCLAVE.key)
}

/// Verifies a receipt as that of the valid exchange.
pub(crate) fn verify_header(header: &str) -> Result<(), ReceiptError> {
    let exchange = TestExchange::new();
    exchange.verify_header(header.as_bytes(), &IDENTITY, Moment::Live(exchange.live))
}

/// Changes the valid exchange, signs its receipt, and verifies it as that of a live response.
pub(crate) fn verify_exchange(change: impl FnOnce(&mut TestExchange)) -> Result<(), ReceiptError> {
    TestExchange::with(change).verify_signed_by(&ENCLAVE.key, &IDENTITY)
}
