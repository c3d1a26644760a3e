//! The subcommand `disclose`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use zeroize::Zeroizing;

use super::atomic_file::AtomicFile;
use super::error::CommandError;
use super::exchange_file::ExchangeFile;
use super::recipient_key::read_recipient_key;

/// Print the content key of a stored exchange. With the content key, every reader of the exchange can decrypt the random
/// bytes.
///
/// The recipient of a sealed response publishes the content key together with the exchange, to prove the random
/// bytes to others. `attested-recipient verify-receipt --disclosure` verifies them. The command checks that
/// verifiers will accept the content key, and prints 64 hexadecimal digits.
#[derive(Debug, Args)]
pub(super) struct Disclose {
    /// File with the exchange, as `attested-recipient random --save-exchange` writes it.
    file: PathBuf,
    /// Private key of the recipient: PEM, PKCS#8 or PKCS#1.
    #[arg(long, value_name = "PEM")]
    key: PathBuf,
    /// File to write the content key to. Without this option, the command prints the content key.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Disclose {
    pub(super) fn run(self) -> Result<(), CommandError> {
        let key = read_recipient_key(&self.key)?;
        let exchange = ExchangeFile::read(&self.file)?.exchange;
        let content_key = exchange.content_key(&key)?.to_hex();
        writeln!(
            io::stderr(),
            "attested-recipient: warning: with this content key, every reader of the exchange can \
             decrypt the random bytes: publish them only if the bytes are no secret"
        )?;
        if let Some(path) = &self.out {
            let line = Zeroizing::new(format!("{}\n", *content_key));
            return AtomicFile::write_secret(path, line.as_bytes())?.commit();
        }
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{}", *content_key)?;
        Ok(stdout.flush()?)
    }
}
