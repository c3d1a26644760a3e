//! The subcommand `open`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;

use super::bounded_read::read;
use super::error::CommandError;
use super::recipient_key::read_recipient_key;

/// The first bytes of an envelope (30 80 06), in base64.
const ENVELOPE_IN_BASE64: &[u8] = b"MIA";

/// Decrypt a CiphertextForRecipient of this service, the simulator or AWS KMS, and write the raw bytes
/// to standard output.
#[derive(Debug, Args)]
pub(super) struct Open {
    /// Private key of the recipient: PEM, PKCS#8 or PKCS#1.
    #[arg(long, value_name = "PEM")]
    key: PathBuf,
    /// File with the value of CiphertextForRecipient, as raw bytes.
    file: PathBuf,
}

impl Open {
    pub(super) fn run(self) -> Result<(), CommandError> {
        let key = read_recipient_key(&self.key)?;
        let sealed = read(&self.file)?;
        if sealed.starts_with(ENVELOPE_IN_BASE64) {
            let reason =
                "the file contains base64 text: decode the text first, for example with `base64 -d`".to_owned();
            return Err(CommandError::Content { path: self.file.clone(), reason });
        }
        let opened = key.open(&sealed)?;
        let mut stdout = io::stdout().lock();
        stdout.write_all(&opened)?;
        Ok(stdout.flush()?)
    }
}
