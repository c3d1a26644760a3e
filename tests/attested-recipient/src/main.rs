//! The command `attested-recipient`: requests sealed random bytes, and examines documents, policies and
//! images.

use std::process::ExitCode;

use transport::parse_command_line;

mod cli;
mod eif;

/// The commit of the source, which the Makefile sets.
const COMMIT: Option<&str> = option_env!("ATTESTED_RANDOM_COMMIT");

fn main() -> ExitCode {
    parse_command_line::<cli::Cli>(COMMIT).run()
}
