//! Files with stored exchanges.

use std::path::Path;

use attested_recipient::{MAX_EXCHANGE_FILE_LENGTH, StoredExchange};
use zeroize::Zeroizing;

use super::bounded_read::read_at_most;
use super::error::CommandError;

/// Reads a stored exchange.
pub(super) fn read_exchange(path: &Path) -> Result<StoredExchange, CommandError> {
    let json = Zeroizing::new(read_at_most(MAX_EXCHANGE_FILE_LENGTH, path)?);
    StoredExchange::from_json(&json)
        .map_err(|error| CommandError::Content { path: path.to_owned(), reason: error.to_string() })
}
