//! Lines to whoever keeps them outside: an enclave has no disk, and its console is for starting.
//!
//! It is the writer of a [`NonBlockingWriter`](transport::nonblocking_writer::NonBlockingWriter), on whose thread alone anything waits. Lines
//! stay there until they are written, so that whoever takes them can go and come back; what meanwhile
//! finds no room in the queue is dropped and counted by it. A line that a connection took a part of is
//! sent again as a whole on the next. What the kernel has taken and the other end not, as that ended,
//! is lost and counted by nobody: there is no answer that would tell.

mod connection;
#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::thread;
use std::time::Duration;

use transport::{Endpoint, HEARTBEAT_PORT};

use self::connection::LogConnection;

/// How long what is written, or a connection, may make no progress.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The first pause after a failure; each is twice as long as the one before.
const FIRST_RETRY_DELAY: Duration = Duration::from_millis(100);

/// The longest.
const MAX_RETRY_DELAY: Duration = Duration::from_secs(5);

/// A writer of whole lines to an endpoint, which waits until they are taken.
#[derive(Debug)]
pub(crate) struct LogForwarder<T> {
    endpoint: Endpoint,
    connection: Option<LogConnection>,
    timeout: Duration,
    /// How long to wait after the next failure.
    retry_delay: Duration,
    /// Told when lines begin to wait, and why.
    report: T,
    has_reported: bool,
}

/// Whether lines can be sent to it.
///
/// # Errors
/// If not, what to write instead.
pub(crate) fn check_endpoint(endpoint: &Endpoint) -> Result<(), &'static str> {
    match endpoint {
        Endpoint::VsockMux { .. } => Err(
            "vsock-mux connects to a guest, which receives no log lines: use vsock:3:PORT, unix:PATH or HOST:PORT",
        ),
        Endpoint::Vsock { port: HEARTBEAT_PORT, .. } => {
            Err("vsock port 9000 receives heartbeats for nitro-cli: use another port")
        }
        Endpoint::Vsock { .. } | Endpoint::Unix(_) | Endpoint::Tcp(_) => Ok(()),
    }
}

impl<T: FnMut(String)> LogForwarder<T> {
    /// To `endpoint`, which need not be there yet; `report` is told what goes wrong, once until lines are
    /// taken again.
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

    /// Sends `lines` over a connection that is there or made; of a failure also how many bytes were
    /// sent.
    fn send(&mut self, lines: &[u8]) -> Result<(), (usize, io::Error)> {
        // An end that has gone takes what is written to it for a while, to no use.
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
    /// All of `lines`, which are whole, however long it takes.
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

/// The lines of which so many bytes were sent, without those that were sent as a whole.
fn from_first_unsent(lines: &[u8], sent: usize) -> &[u8] {
    let line_end = lines.get(..sent).unwrap_or(lines).iter().rposition(|byte| *byte == b'\n');
    line_end.and_then(|end| lines.get(end + 1..)).unwrap_or(lines)
}
