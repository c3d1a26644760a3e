//! Sets up the log of the process, and reports the exit of the process.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::OnceLock;

use transport::limits::FLUSH_TIMEOUT;
use transport::logging::{self, Format, Level, LogHandle};
use transport::nonblocking_writer::{LogWriter, NonBlockingWriter};

use crate::config::{Arguments, ServerSettings};
use crate::log_forwarder::LogForwarder;

/// The non-blocking writer to stderr.
static STDERR: OnceLock<NonBlockingWriter<Vec<u8>>> = OnceLock::new();

/// The non-blocking writer to the log endpoint, if there is one.
static LOG_ENDPOINT: OnceLock<NonBlockingWriter<Vec<u8>>> = OnceLock::new();

static LOG_HANDLE: OnceLock<LogHandle> = OnceLock::new();

/// Starts the log to stderr, with the format and the level in `arguments`. A separate thread writes the
/// lines, so that no other thread waits for the reader of stderr. If stderr is closed or full, lines are
/// dropped.
pub fn init_logging(arguments: &Arguments) {
    let format = arguments.log_format.unwrap_or_default();
    let level = arguments.log_level.unwrap_or_default();
    let handle = match NonBlockingWriter::spawn("log", io::stderr()) {
        Ok(lines) => {
            let stderr = STDERR.get_or_init(|| lines);
            logging::init_reloadable(format, level, || {
                LogWriter(LOG_ENDPOINT.get().unwrap_or(stderr))
            })
        }
        // If this thread cannot be started, the start of the service also fails, and reports the reason.
        Err(_) => logging::init_reloadable(format, level, io::stderr),
    };
    LOG_HANDLE.get_or_init(|| handle);
}

/// Starts the same log as [`init_logging`], but to the writers that `writer` creates. This function is for
/// tests of the production log.
pub fn init_logging_to<W: Write + 'static>(writer: impl Fn() -> W + Send + Sync + 'static) {
    logging::init(Format::default(), Level::default(), writer);
}

/// Applies the log settings of the configuration. If there is a log endpoint, the following log lines go to
/// it as JSON. Otherwise, the lines go to stderr.
///
/// # Errors
/// If the thread that writes to the log endpoint cannot be started.
pub fn configure_logging(server: &ServerSettings) -> io::Result<()> {
    let format = match &server.log_endpoint {
        Some(endpoint) => {
            let lines = NonBlockingWriter::spawn(
                "log-forwarder",
                LogForwarder::new(endpoint.clone(), write_to_stderr),
            )?;
            LOG_ENDPOINT.get_or_init(|| lines);
            Format::Json
        }
        None => server.log_format,
    };
    if let Some(handle) = LOG_HANDLE.get() {
        handle.reload(format, server.log_level);
    }
    Ok(())
}

/// Returns the number of dropped log lines.
pub(crate) fn log_lines_dropped() -> u64 {
    LOG_ENDPOINT.get().or(STDERR.get()).map_or(0, NonBlockingWriter::dropped)
}

/// Writes a line to stderr, even if the log goes to a log endpoint.
pub(crate) fn write_to_stderr(mut text: String) {
    if let Some(stderr) = STDERR.get() {
        text.push('\n');
        stderr.send_or_drop(text.into_bytes());
    }
}

/// Returns the exit code of the process. Writes an error as the last line of the log. If the log goes to a
/// log endpoint, also writes the error to stderr.
pub fn report_exit(program: &str, result: Result<(), Box<dyn Error>>) -> ExitCode {
    let code = if result.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    let reason = result.err().map(|error| format!("{program} stops: {error}"));
    if let Some(reason) = &reason {
        tracing::error!("{reason}");
    }
    if let Some(log_endpoint) = LOG_ENDPOINT.get() {
        log_endpoint.flush(FLUSH_TIMEOUT);
        reason.into_iter().for_each(write_to_stderr);
    }
    if let Some(stderr) = STDERR.get() {
        stderr.flush(FLUSH_TIMEOUT);
    }
    code
}
