//! Stored exchanges: a request, its response, the receipt and the enclave's document.

mod disclosure;
mod stored;
mod verified;

pub use self::disclosure::{ContentKey, DisclosureError};
pub use self::stored::{InvalidExchange, MAX_EXCHANGE_FILE_LENGTH, StoredExchange};
pub use self::verified::{ExchangeError, VerifiedExchange};
