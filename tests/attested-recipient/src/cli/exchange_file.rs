//! Files with stored exchanges.

use std::path::Path;

use attested_recipient::{MAX_EXCHANGE_FILE_LENGTH, StoredExchange};
use zeroize::Zeroizing;

use super::bounded_read::read_at_most;
use super::error::CommandError;

/// The content of a file, and the exchange in it.
pub(super) struct ExchangeFile {
    /// The bytes that a time stamp covers.
    pub(super) bytes: Zeroizing<Vec<u8>>,
    pub(super) exchange: StoredExchange,
}

impl ExchangeFile {
    pub(super) fn read(path: &Path) -> Result<Self, CommandError> {
        let bytes = Zeroizing::new(read_at_most(MAX_EXCHANGE_FILE_LENGTH, path)?);
        let exchange = StoredExchange::from_json(&bytes).map_err(|error| {
            CommandError::Content { path: path.to_owned(), reason: error.to_string() }
        })?;
        Ok(Self { bytes, exchange })
    }
}
