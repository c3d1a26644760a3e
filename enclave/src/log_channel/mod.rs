//! Lines to whoever keeps them outside: an enclave has no disk, and its console is for starting.
//!
//! It is the writer of a [`Lines`](transport::lines::Lines), on whose thread alone anything waits. Lines
//! stay there until they are written, so that whoever takes them can go and come back; what meanwhile
//! finds no room in the queue is dropped and counted by it. A line that a connection took a part of is
//! sent again as a whole on the next. What the kernel has taken and the other end not, as that ended,
//! is lost and counted by nobody: there is no answer that would tell.

mod link;
#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::thread;
use std::time::Duration;

use transport::{Endpoint, HEARTBEAT_PORT};

use self::link::Link;

/// How long what is written, or a connection, may make no progress.
const PATIENCE: Duration = Duration::from_secs(5);

/// The first pause after a failure; each is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A writer of whole lines to an endpoint, which waits until they are taken.
#[derive(Debug)]
pub(crate) struct LogChannel<T> {
    endpoint: Endpoint,
    link: Option<Link>,
    patience: Duration,
    /// How long to wait after the next failure.
    pause: Duration,
    /// Told when lines begin to wait, and why.
    tell: T,
    has_told: bool,
}

/// Whether lines can be sent to it.
///
/// # Errors
/// If not, what to write instead.
pub(crate) fn check(endpoint: &Endpoint) -> Result<(), &'static str> {
    match endpoint {
        Endpoint::VsockMux { .. } => {
            Err("vsock-mux leads into a guest: write vsock:3:PORT, unix:PATH or HOST:PORT")
        }
        Endpoint::Vsock { port: HEARTBEAT_PORT, .. } => {
            Err("vsock port 9000 is where nitro-cli waits for heartbeats: choose another")
        }
        Endpoint::Vsock { .. } | Endpoint::Unix(_) | Endpoint::Tcp(_) => Ok(()),
    }
}

impl<T: FnMut(String)> LogChannel<T> {
    /// To `endpoint`, which need not be there yet; `tell` is told what goes wrong, once until lines are
    /// taken again.
    pub(crate) fn new(endpoint: Endpoint, tell: T) -> Self {
        Self { endpoint, link: None, patience: PATIENCE, pause: FIRST_PAUSE, tell, has_told: false }
    }

    /// Sends `lines` over a connection that is there or made; of a failure also how many bytes were
    /// sent.
    fn send(&mut self, lines: &[u8]) -> Result<(), (usize, io::Error)> {
        // An end that has gone takes what is written to it for a while, to no use.
        let link = match self.link.take().filter(Link::is_up) {
            Some(link) => link,
            None => Link::open(&self.endpoint, self.patience).map_err(|error| (0, error))?,
        };
        link.send(lines)?;
        self.link = Some(link);
        Ok(())
    }

    fn rest(&mut self, error: &io::Error) {
        if !self.has_told {
            (self.tell)(format!("no line gets to {} now: {error}", self.endpoint));
            self.has_told = true;
        }
        thread::sleep(self.pause);
        self.pause = LONGEST_PAUSE.min(self.pause * 2);
    }
}

impl<T: FnMut(String)> Write for LogChannel<T> {
    /// All of `lines`, which are whole, however long it takes.
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let mut unsent = lines;
        while let Err((sent, error)) = self.send(unsent) {
            unsent = from_first_unsent(unsent, sent);
            self.rest(&error);
        }
        self.pause = FIRST_PAUSE;
        self.has_told = false;
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines of which so many bytes were sent, without those that were sent as a whole.
fn from_first_unsent(lines: &[u8], sent: usize) -> &[u8] {
    let whole = lines.get(..sent).unwrap_or(lines).iter().rposition(|byte| *byte == b'\n');
    whole.and_then(|end| lines.get(end + 1..)).unwrap_or(lines)
}
