//! The subcommand `audit`.

mod verify_trail;

use clap::{Args, Subcommand};

use self::verify_trail::VerifyTrail;
use super::error::CommandError;

/// Examine audit trails.
#[derive(Debug, Args)]
pub(super) struct AuditCommand {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Verify(VerifyTrail),
}

impl AuditCommand {
    pub(super) fn run(self) -> Result<(), CommandError> {
        match self.command {
            Command::Verify(command) => command.run(),
        }
    }
}
