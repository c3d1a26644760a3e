//! What both binaries do as processes: log to stderr or a channel, end with a status.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::OnceLock;

use transport::limits::FLUSH_TIMEOUT;
use transport::logging::{self, Format, Level, LogHandle};
use transport::nonblocking_writer::{LogWriter, NonBlockingWriter};

use crate::config::{Arguments, ServerSettings};
use crate::log_forwarder::LogForwarder;

/// The way to stderr, and what is not written yet.
static STDERR: OnceLock<NonBlockingWriter<Vec<u8>>> = OnceLock::new();

/// The way out, where the log goes there.
static LOG_ENDPOINT: OnceLock<NonBlockingWriter<Vec<u8>>> = OnceLock::new();

static LOG_HANDLE: OnceLock<LogHandle> = OnceLock::new();

/// Logs to stderr as `arguments` say, by a thread of its own: nobody waits for who reads it. Where
/// stderr is gone or full, lines are lost; reporting that there would panic, or wait.
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
        // Without a thread, the service itself will say what is wrong.
        Err(_) => logging::init_reloadable(format, level, io::stderr),
    };
    LOG_HANDLE.get_or_init(|| handle);
}

/// Logs as [`init_logging`] does, but to what `writer` makes: what is tested is the log that runs.
pub fn init_logging_to<W: Write + 'static>(writer: impl Fn() -> W + Send + Sync + 'static) {
    logging::init(Format::default(), Level::default(), writer);
}

/// From now on logs as `server` says, which the configuration has a part in: to its channel in JSON, or
/// to stderr.
///
/// # Errors
/// If there is no thread for it.
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

/// Lines of the log that were dropped so far, as nobody took them.
pub(crate) fn log_lines_dropped() -> u64 {
    LOG_ENDPOINT.get().or(STDERR.get()).map_or(0, NonBlockingWriter::dropped)
}

/// Says on stderr what a log cannot, that goes elsewhere.
pub(crate) fn write_to_stderr(mut text: String) {
    if let Some(stderr) = STDERR.get() {
        text.push('\n');
        stderr.send_or_drop(text.into_bytes());
    }
}

/// The process's status; what went wrong is said in the last line on stderr, and in the log where that
/// goes elsewhere.
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
