//! The command `attested-recipient`: asks for sealed random bytes, and looks into what is sent.

use std::process::ExitCode;

use clap::Parser;

mod cli;
mod eif;

fn main() -> ExitCode {
    cli::Cli::parse().run()
}
