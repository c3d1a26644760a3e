//! What both binaries do as processes: log to stderr, end with a status.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::OnceLock;

use shared::lines::{Lines, Log};
use shared::transport::limits::FLUSH_TIMEOUT;

/// The way to stderr, and what is not written yet.
static LOG: OnceLock<Lines<Vec<u8>>> = OnceLock::new();

/// Logs to stderr, by a thread of its own: nobody waits for who reads it. Where stderr is gone or
/// full, lines are lost; reporting that there would panic, or wait.
pub fn init_log() {
    match Lines::to("log", io::stderr()) {
        Ok(lines) => {
            let lines = LOG.get_or_init(|| lines);
            init_log_to(move || Log(lines));
        }
        // Without a thread, the service itself will say what is wrong.
        Err(_) => init_log_to(io::stderr),
    }
}

/// Logs as [`init_log`] does, but to what `writer` makes: what is tested is the log that runs.
pub fn init_log_to<W: Write + 'static>(writer: impl Fn() -> W + Send + Sync + 'static) {
    tracing_subscriber::fmt()
        .with_writer(writer)
        .with_target(false)
        .log_internal_errors(false)
        .init();
}

/// Lines of the log that were dropped so far.
pub(crate) fn log_dropped() -> u64 {
    LOG.get().map_or(0, Lines::dropped)
}

/// The process's status; what went wrong is said in one line on stderr.
pub fn exit_with(program: &str, result: Result<(), Box<dyn Error>>) -> ExitCode {
    let code = match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{program} stops: {error}");
            ExitCode::FAILURE
        }
    };
    if let Some(lines) = LOG.get() {
        lines.flush(FLUSH_TIMEOUT);
    }
    code
}
