//! What both binaries do as processes: log to stderr, end with a status.

use std::error::Error;
use std::io;
use std::process::ExitCode;

/// Logs to stderr. Where stderr is gone or full, lines are lost; reporting that there would panic.
pub fn init_log() {
    init_log_to(io::stderr);
}

/// Logs as [`init_log`] does, but to what `writer` makes: what is tested is the log that runs.
pub fn init_log_to<W: io::Write + 'static>(writer: impl Fn() -> W + Send + Sync + 'static) {
    tracing_subscriber::fmt()
        .with_writer(writer)
        .with_target(false)
        .log_internal_errors(false)
        .init();
}

/// The process's status; what went wrong is said in one line on stderr.
pub fn exit_with(program: &str, result: Result<(), Box<dyn Error>>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{program} stops: {error}");
            ExitCode::FAILURE
        }
    }
}
