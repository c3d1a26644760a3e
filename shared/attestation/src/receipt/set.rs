//! Sets of receipts.

use std::collections::HashSet;

use super::error::ReceiptError;
use super::payload::Receipt;
use crate::KeyId;

/// The receipts of a stored set of exchanges. No two receipts of a set have the same key and sequence number.
#[derive(Debug, Default)]
pub struct ReceiptSet {
    seen: HashSet<(KeyId, u64)>,
}

impl ReceiptSet {
    /// Adds a verified receipt of the key `key_id`.
    ///
    /// # Errors
    /// If the set contains a receipt with the same key and sequence number.
    pub fn add(&mut self, key_id: KeyId, receipt: &Receipt<'_>) -> Result<(), ReceiptError> {
        let sequence = receipt.sequence;
        match self.seen.insert((key_id, sequence)) {
            true => Ok(()),
            false => Err(ReceiptError::RepeatedSequence { key_id, sequence }),
        }
    }
}
