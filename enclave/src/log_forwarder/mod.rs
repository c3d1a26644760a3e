//! A forwarder of log lines to a receiver outside of the enclave. The enclave itself has no disk.
//!
//! The thread of a [`NonBlockingWriter`](transport::nonblocking_writer::NonBlockingWriter) writes the lines
//! to the forwarder, so only that thread waits for the receiver. While the receiver is unreachable, lines
//! wait in the queue of the `NonBlockingWriter`. When the queue is full, the `NonBlockingWriter` drops and
//! counts further lines.
//!
//! If a connection ends, the forwarder sends a partly sent line again over the next connection, from the
//! start of the line. Lines that the kernel has accepted but the receiver has not read are lost. The
//! forwarder cannot count these lines, because the receiver sends no acknowledgement.

mod connection;
#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::thread;
use std::time::Duration;

use transport::{Endpoint, HEARTBEAT_PORT};

use self::connection::LogConnection;

/// Longest time that a connect or a write may take without progress.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Delay after the first failure in a row. The delay doubles with each further failure.
const FIRST_RETRY_DELAY: Duration = Duration::from_millis(100);

/// Maximum delay after a failure.
const MAX_RETRY_DELAY: Duration = Duration::from_secs(5);

/// A writer of complete lines to an endpoint. A write waits until the lines are sent.
#[derive(Debug)]
pub(crate) struct LogForwarder<T> {
    endpoint: Endpoint,
    connection: Option<LogConnection>,
    timeout: Duration,
    /// Delay after the next failure.
    retry_delay: Duration,
    /// Callback that receives the first error of each outage.
    report: T,
    has_reported: bool,
}

/// Checks that `endpoint` may be a log endpoint. Does not connect to `endpoint`.
///
/// # Errors
/// Fails for a vsock-mux endpoint, and for the vsock port of heartbeats. The error advises another endpoint.
pub(crate) fn check_endpoint(endpoint: &Endpoint) -> Result<(), &'static str> {
    match endpoint {
        Endpoint::VsockMux { .. } => Err(
            "vsock-mux connects to a guest, which receives no log lines: use vsock:3:PORT, unix:PATH or \
             HOST:PORT",
        ),
        Endpoint::Vsock { port: HEARTBEAT_PORT, .. } => {
            Err("vsock port 9000 receives heartbeats for nitro-cli: use another port")
        }
        Endpoint::Vsock { .. } | Endpoint::Unix(_) | Endpoint::Tcp(_) => Ok(()),
    }
}

impl<T: FnMut(String)> LogForwarder<T> {
    /// Creates a forwarder to `endpoint`. The receiver need not listen yet. `report` receives the first
    /// error of each outage.
    pub(crate) fn new(endpoint: Endpoint, report: T) -> Self {
        Self {
            endpoint,
            connection: None,
            timeout: TIMEOUT,
            retry_delay: FIRST_RETRY_DELAY,
            report,
            has_reported: false,
        }
    }

    /// Sends `lines` over the open connection, or over a new one.
    ///
    /// # Errors
    /// Returns the number of bytes that were sent, and the error.
    fn send(&mut self, lines: &[u8]) -> Result<(), (usize, io::Error)> {
        // The connection is checked first. After the receiver has closed a connection, writes may still
        // succeed for a while, and their lines are lost.
        let connection = match self.connection.take().filter(LogConnection::is_open) {
            Some(connection) => connection,
            None => {
                LogConnection::open(&self.endpoint, self.timeout).map_err(|error| (0, error))?
            }
        };
        connection.send(lines)?;
        self.connection = Some(connection);
        Ok(())
    }

    fn wait_before_retry(&mut self, error: &io::Error) {
        if !self.has_reported {
            (self.report)(format!("cannot send log lines to {}: {error}", self.endpoint));
            self.has_reported = true;
        }
        thread::sleep(self.retry_delay);
        self.retry_delay = MAX_RETRY_DELAY.min(self.retry_delay * 2);
    }
}

impl<T: FnMut(String)> Write for LogForwarder<T> {
    /// Sends all of `lines`, which must be complete lines. Tries again until all lines are sent.
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let mut unsent = lines;
        while let Err((sent, error)) = self.send(unsent) {
            unsent = from_first_unsent(unsent, sent);
            self.wait_before_retry(&error);
        }
        self.retry_delay = FIRST_RETRY_DELAY;
        self.has_reported = false;
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns the part of `lines` from the first line that was not sent completely. `sent` is the number of
/// bytes sent.
fn from_first_unsent(lines: &[u8], sent: usize) -> &[u8] {
    let line_end = lines.get(..sent).unwrap_or(lines).iter().rposition(|byte| *byte == b'\n');
    line_end.and_then(|end| lines.get(end + 1..)).unwrap_or(lines)
}
