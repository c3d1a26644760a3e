//! Runs the service in a separate process. The process is this test binary with an environment
//! variable.

use std::env;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use attested_recipient::Simulator;
use tracing_subscriber::filter::LevelFilter;

/// Environment variable with the folder of the configuration.
const SERVE: &str = "KEY_STORES_SERVE";

/// Returns the command of a service with the configuration `folder/enclave.toml`. The service runs
/// until its standard input ends. It prints its address to standard output, writes its log to
/// standard error, and writes its audit trail to `folder/audit`.
pub(crate) fn command(folder: &Path) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.env(SERVE, folder);
    command
}

/// Serves if the environment variable is set.
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
