//! The subcommand `random`.

use std::io::{self, Write};
use std::path::PathBuf;

use attested_recipient::{Credentials, Document, RecipientKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, ValueEnum};
use nsm_device::{Nsm, NsmDevice, Request, Response};
use zeroize::Zeroizing;

use super::atomic_file::AtomicFile;
use super::endpoint_args::EndpointArgs;
use super::error::CommandError;
use super::expectations::ExpectationArgs;
use super::recipient_key::read_recipient_key;

/// Request random bytes that are sealed to a new key of this process, decrypt the bytes, and print
/// them. Rejects a response unless it comes from an enclave with the expected measurements.
///
/// With an http endpoint, the response needs a receipt of the enclave. With an https endpoint, TLS must end in
/// the enclave. This holds for 127.0.0.1, too: inside an enclave and on its parent instance, this address is the
/// relay.
///
/// If /dev/nsm exists, the command requests the attestation document from it. Otherwise the command
/// requests the document from the simulator at the endpoint. If AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY
/// and AWS_REGION are set, the command signs the request. The command rejects a response with a
/// Plaintext.
#[derive(Debug, Args)]
pub(super) struct Random {
    #[command(flatten)]
    service: EndpointArgs,
    #[command(flatten)]
    expectations: ExpectationArgs,
    /// Number of bytes, 1 to 1024.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    bytes: u16,
    /// Private key of the recipient: PEM, PKCS#8 or PKCS#1. Without this option, the command generates a key, and a
    /// saved exchange cannot be disclosed later.
    #[arg(long, value_name = "PEM")]
    key: Option<PathBuf>,
    /// File to write the exchange to, for `attested-recipient verify-receipt`. The response then needs a receipt
    /// also with an https endpoint.
    #[arg(long, value_name = "FILE")]
    save_exchange: Option<PathBuf>,
    /// Format of the output.
    #[arg(long, value_enum, default_value_t = Output::Hex)]
    output: Output,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    Hex,
    Base64,
    Raw,
}

impl Random {
    pub(super) fn run(self) -> Result<(), CommandError> {
        let mut client = self.service.client(self.expectations.expectations()?)?;
        if let Some(credentials) = Credentials::from_env() {
            client = client.with_credentials(credentials);
        }
        let key = match &self.key {
            Some(path) => read_recipient_key(path)?,
            None => RecipientKey::generate()?,
        };
        let document = if NsmDevice::is_present() {
            attest_with_nsm(&key)?
        } else {
            client.document(&Document::for_key(&key))?
        };
        let (sealed, file) = match &self.save_exchange {
            None => (client.generate_random_for(self.bytes, &document)?, None),
            Some(path) => {
                let (sealed, exchange) =
                    client.generate_random_with_exchange(self.bytes, &document)?;
                let json = exchange.to_json();
                (sealed, Some(AtomicFile::write(path, |out| out.write_all(json.as_bytes()))?))
            }
        };
        self.print(&key.open(&sealed)?)?;
        file.map_or(Ok(()), AtomicFile::commit)
    }

    fn print(&self, random: &[u8]) -> Result<(), CommandError> {
        let mut stdout = io::stdout().lock();
        match self.output {
            Output::Hex => writeln!(stdout, "{}", *Zeroizing::new(const_hex::encode(random)))?,
            Output::Base64 => writeln!(stdout, "{}", *Zeroizing::new(STANDARD.encode(random)))?,
            Output::Raw => stdout.write_all(random)?,
        }
        Ok(stdout.flush()?)
    }
}

fn attest_with_nsm(key: &RecipientKey) -> Result<Vec<u8>, CommandError> {
    let request = Request::Attestation {
        user_data: None,
        nonce: None,
        public_key: Some(key.public_key_der().to_vec().into()),
    };
    match NsmDevice::open()?.process(request) {
        Ok(Response::Attestation { document }) => Ok(document),
        Ok(Response::Error(_)) => Err(CommandError::Nsm("the module returned an error".to_owned())),
        Ok(_) => Err(CommandError::Nsm("the response is of another type".to_owned())),
        Err(error) => Err(CommandError::Nsm(error.to_string())),
    }
}
