//! The service as a process: this very test, told by the environment to serve.

use std::env;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use attested_recipient::Simulator;
use tracing_subscriber::filter::LevelFilter;

/// Names the folder of the configuration.
const SERVE: &str = "KEY_STORES_SERVE";

/// What serves `enclave.toml` in `folder` until its stdin ends. It says on stdout where it listens, logs
/// all there is to stderr, and writes its audit trail to `audit` in the folder.
pub(crate) fn command(folder: &Path) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.env(SERVE, folder);
    command
}

/// Serves, if that is what this process is for.
pub(crate) fn serve_if_requested() -> Option<ExitCode> {
    let folder = PathBuf::from(env::var_os(SERVE)?);
    let log = tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE);
    log.with_writer(io::stderr).init();
    let audit = File::create(folder.join("audit")).unwrap();
    let simulator = Simulator::builder().config_file(folder.join("enclave.toml")).audit(audit);
    match simulator.start() {
        Ok(simulator) => {
            println!("{}", simulator.address());
            io::copy(&mut io::stdin(), &mut io::sink()).unwrap();
            Some(ExitCode::SUCCESS)
        }
        Err(error) => {
            eprintln!("{error}");
            Some(ExitCode::FAILURE)
        }
    }
}
