//! The command `attested-recipient`: asks for sealed random bytes, and looks into what is sent.

use std::process::ExitCode;

use transport::parse_command_line;

mod cli;
mod eif;

/// The commit that the binary is built from, as the Makefile passes it.
const COMMIT: Option<&str> = option_env!("ATTESTED_RANDOM_COMMIT");

fn main() -> ExitCode {
    parse_command_line::<cli::Cli>(COMMIT).run()
}
