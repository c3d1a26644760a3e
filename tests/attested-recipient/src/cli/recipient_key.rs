//! Files with the private key of a recipient.

use std::path::Path;

use attested_recipient::RecipientKey;
use zeroize::Zeroizing;

use super::bounded_read::read;
use super::error::CommandError;

/// Reads a private key in PEM.
pub(super) fn read_recipient_key(path: &Path) -> Result<RecipientKey, CommandError> {
    let pem = Zeroizing::new(read(path)?);
    let content = |reason: String| CommandError::Content { path: path.to_owned(), reason };
    let pem = std::str::from_utf8(&pem).map_err(|_| {
        content("the key is not PEM: pass a private key in PEM (PKCS#8 or PKCS#1)".to_owned())
    })?;
    RecipientKey::from_pem(pem).map_err(|error| content(error.to_string()))
}
