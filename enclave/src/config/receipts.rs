//! The table `[receipts]`.

use serde::Deserialize;

use crate::receipts::ReceiptMode;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReceiptsTable {
    /// The responses that have a receipt.
    #[serde(default)]
    pub(super) mode: ReceiptMode,
}
