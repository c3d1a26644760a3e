//! The forwarding of log lines to a receiver outside of the enclave, which has no disk.
//!
//! The forwarder is the writer of a [`NonBlockingWriter`](transport::nonblocking_writer::NonBlockingWriter),
//! and only that thread waits for the receiver. Lines wait in its queue while the receiver is away. Lines
//! that find the queue full are dropped and counted there.
//!
//! A line that was sent only in part is sent again from its start over the next connection. Lines that the
//! kernel has accepted and the receiver has not read are lost with the connection. They are not counted,
//! because the receiver sends no acknowledgement.

mod connection;
#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::thread;
use std::time::Duration;

use transport::{Endpoint, HEARTBEAT_PORT};

use self::connection::LogConnection;

/// Longest time that a connect or a write may make no progress.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Delay after the first failure. It doubles with each failure that follows.
const FIRST_RETRY_DELAY: Duration = Duration::from_millis(100);

/// Longest delay.
const MAX_RETRY_DELAY: Duration = Duration::from_secs(5);

/// A writer of complete lines to an endpoint. A write waits until the lines are sent.
#[derive(Debug)]
pub(crate) struct LogForwarder<T> {
    endpoint: Endpoint,
    connection: Option<LogConnection>,
    timeout: Duration,
    /// Delay after the next failure.
    retry_delay: Duration,
    /// Callback that receives the reason when lines begin to wait.
    report: T,
    has_reported: bool,
}

/// Checks that lines can be sent to `endpoint`.
///
/// # Errors
/// Returns advice on another endpoint.
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
    /// Creates a forwarder to `endpoint`, which need not listen yet. `report` receives the first error of
    /// each outage.
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
        // Writes to a connection that the receiver has closed may succeed for a while, and the lines are
        // lost.
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
    /// Writes all of `lines`, which are complete, however long that takes.
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
