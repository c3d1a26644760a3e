//! The metrics of receipts.

use attestation::receipt::ReceiptOperation;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use crate::metrics::{Label, MetricsRegistry, labelled};

/// The metrics of receipts.
#[derive(Debug)]
pub(crate) struct ReceiptMetrics {
    generate_random: Counter,
    describe_custom_key_stores: Counter,
    /// Receipts that could not be signed.
    pub(super) failed: Counter,
    /// Requests with a malformed or repeated nonce.
    pub(super) invalid_nonces: Counter,
}

impl ReceiptMetrics {
    /// Registers the metrics.
    pub(crate) fn register(registry: &mut MetricsRegistry) -> Self {
        let help = "Receipts signed, by operation";
        let signed: Family<Label, Counter> = registry.family("receipts_signed", help);
        let signed =
            |operation: ReceiptOperation| labelled(&signed, [("operation", operation.name())]);
        let help = "Receipts that could not be signed";
        let failed = registry.counter("receipts_failed", help);
        let help = "Requests rejected because their nonce was malformed or repeated";
        let invalid_nonces = registry.counter("receipt_nonces_invalid", help);
        Self {
            generate_random: signed(ReceiptOperation::GenerateRandom),
            describe_custom_key_stores: signed(ReceiptOperation::DescribeCustomKeyStores),
            failed,
            invalid_nonces,
        }
    }

    /// Returns the number of receipts for `operation`.
    pub(super) const fn signed(&self, operation: ReceiptOperation) -> &Counter {
        match operation {
            ReceiptOperation::GenerateRandom => &self.generate_random,
            ReceiptOperation::DescribeCustomKeyStores => &self.describe_custom_key_stores,
        }
    }
}
