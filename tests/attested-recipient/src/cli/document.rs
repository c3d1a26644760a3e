//! The subcommand `document`.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use attestation::{PcrValue, check_spki};
use attested_recipient::{Document, Expectations, Kind};
use clap::{Args, ValueEnum};

use super::bounded_read::read;
use super::endpoint_args::EndpointArgs;
use super::error::CommandError;
use super::value_parsers::{Hex, Pcr};

/// Request an attestation document from a simulator, and write the document to a file.
#[derive(Debug, Args)]
pub(super) struct DocumentCommand {
    #[command(flatten)]
    simulator: EndpointArgs,
    /// File with the public key of the document, a DER SubjectPublicKeyInfo.
    #[arg(long, value_name = "SPKI_DER")]
    public_key: PathBuf,
    /// File to write the document to.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Value of the field nonce.
    #[arg(long, value_name = "HEX")]
    nonce: Option<Hex>,
    /// Value of the field user_data.
    #[arg(long, value_name = "HEX")]
    user_data: Option<Hex>,
    /// Platform whose measurements the document contains.
    #[arg(long, value_enum, default_value_t = KindArgument::Enclave)]
    kind: KindArgument,
    /// Sign a document of an enclave in debug mode: PCR0, PCR1 and PCR2 are zero.
    #[arg(long)]
    debug: bool,
    /// Age of the document.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    age: u64,
    /// Value of a PCR, 48 bytes; may be repeated.
    #[arg(long, value_name = "N=HEX")]
    pcr: Vec<Pcr>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum KindArgument {
    Enclave,
    Nitrotpm,
}

impl DocumentCommand {
    pub(super) fn run(self) -> Result<(), CommandError> {
        let public_key = read(&self.public_key)?;
        if let Err(error) = check_spki(&public_key) {
            // A document may contain any key, but the service cannot seal to this key.
            drop(writeln!(io::stderr(), "attested-recipient: warning: {error}"));
        }
        let document = Document {
            public_key: Some(public_key),
            user_data: self.user_data.map(|Hex(bytes)| bytes),
            nonce: self.nonce.map(|Hex(bytes)| bytes),
            pcrs: distinct_pcrs(&self.pcr)?,
            kind: match self.kind {
                KindArgument::Enclave => Kind::Enclave,
                KindArgument::Nitrotpm => Kind::NitroTpm,
            },
            debug: self.debug,
            age_seconds: self.age,
        };
        let document = self.simulator.client(Expectations::simulator())?.document(&document)?;
        fs::write(&self.out, document)
            .map_err(|error| CommandError::File { path: self.out.clone(), error })
    }
}

fn distinct_pcrs(pcrs: &[Pcr]) -> Result<BTreeMap<u8, PcrValue>, CommandError> {
    let mut distinct = BTreeMap::new();
    for Pcr { index, value } in pcrs {
        if distinct.insert(*index, *value).is_some() {
            return Err(CommandError::Usage(format!("--pcr {index} is given twice")));
        }
    }
    Ok(distinct)
}
