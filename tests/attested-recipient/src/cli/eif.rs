//! The subcommand `eif`.

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::PathBuf;

use clap::Args;
use serde_json::Value;

use super::error::CommandError;
use crate::eif::{EifError, measure};

/// Print the measurements of an enclave image (EIF) as JSON: PCR0, PCR1, PCR2, and PCR8 if the image is
/// signed. The command does not verify the signature, because Nitro verifies it at boot.
#[derive(Debug, Args)]
pub(super) struct Eif {
    /// The image file.
    file: PathBuf,
}

impl Eif {
    pub(super) fn run(self) -> Result<(), CommandError> {
        let measurements = File::open(&self.file)
            .map_err(EifError::Io)
            .and_then(|file| measure(BufReader::new(file)))
            .map_err(|error| match error {
                EifError::Io(error) => CommandError::File { path: self.file.clone(), error },
                error => CommandError::Image { path: self.file.clone(), error },
            })?;
        let json = Value::Object(measurements.to_json());
        Ok(writeln!(io::stdout(), "{json:#}")?)
    }
}
