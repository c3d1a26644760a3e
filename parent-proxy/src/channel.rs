//! What enclaves log and record, in lines, from a listener of its own to one sink.
//!
//! What comes is read as fast as the sink takes it: an enclave that had to keep lines for a while, because
//! nobody was here, sends them all at once. A sink that takes nothing holds up nobody for long; what finds
//! no room then is dropped and counted. Nothing here looks into a line, but for the brace to which the CID of its enclave
//! is added; only whole ones are passed on, each in one piece, so that those of several enclaves never mix.

mod arrived;
mod counts;
mod lines;
mod metrics;
mod seats;
#[cfg(test)]
mod tests;
mod whole;

use std::io::{self, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::Mutex;
use tokio::sync::futures::Notified;
use tokio::task::{spawn_blocking, yield_now};
use transport::limits::FLUSH_TIMEOUT;
use transport::lines::Lines;
use transport::{Acceptor, Listener, Stream};

use crate::peer_policy::PeerPolicy;

use self::arrived::Arrived;
pub(crate) use self::counts::Counts;
use self::lines::{Came, Splitter};
pub(crate) use self::metrics::ChannelMetrics;
use self::seats::Seats;
use self::whole::{Held, WholeLines};

/// Enclaves read at a time; there are four on a parent instance at most, with two connections each.
const MAX_CONNECTIONS: usize = 16;

/// Bytes read from a connection at a time.
const READ_LENGTH: usize = 16 * 1024;

/// How long what was read at a time may wait for the sink: an enclave gives up a connection that takes
/// nothing for five seconds.
const PATIENCE: Duration = Duration::from_secs(2);

/// A listener for enclaves' lines, and where those go.
#[derive(Debug)]
pub(crate) struct Channel {
    acceptor: Acceptor,
    desk: Arc<Desk>,
}

/// What all connections share.
#[derive(Debug)]
struct Desk {
    /// Who may send them.
    gate: PeerPolicy,
    seats: Seats,
    lines: Lines<Held>,
    counts: Counts,
    /// Whose line is the next to find room, where lines have to wait for it.
    turn: Mutex<()>,
    patience: Duration,
}

impl Channel {
    /// Takes lines on `listener` from whomever `gate` admits, and writes them to `sink`, by a thread of
    /// its own.
    ///
    /// # Errors
    /// If there is no thread to be had.
    pub(crate) fn on(
        listener: Listener,
        gate: PeerPolicy,
        sink: impl Write + Send + 'static,
    ) -> io::Result<Self> {
        let lines = Lines::to("channel", WholeLines::new(sink))?;
        let counts = Counts::of(lines.clone());
        let (seats, turn) = (Seats::default(), Mutex::default());
        let desk = Arc::new(Desk { gate, seats, lines, counts, turn, patience: PATIENCE });
        Ok(Self { acceptor: Acceptor::new(listener), desk })
    }

    /// What it counts, also once it runs.
    pub(crate) fn counts(&self) -> Counts {
        self.desk.counts.clone()
    }

    /// By which what was taken is written at the end.
    pub(crate) fn last(&self) -> Last {
        Last(self.desk.lines.clone())
    }

    /// Takes lines until the future is dropped; once `stop` is ready, of open connections alone.
    pub(crate) async fn run(self, stop: impl Future<Output = ()>) {
        let Self { acceptor, desk } = self;
        let serve = |stream| Arc::clone(&desk).serve(stream);
        acceptor.serve_until(stop, MAX_CONNECTIONS, serve).await;
    }
}

impl Desk {
    async fn serve(self: Arc<Self>, stream: Stream) {
        if let Some(_ticket) = self.gate.admit(&stream) {
            let cid = stream.peer_cid().ok().flatten();
            if let Some(_seat) = self.seats.take(cid) {
                self.read(stream, cid).await;
            }
        }
    }

    async fn read(&self, mut stream: impl AsyncRead + Unpin, cid: Option<u32>) {
        let _open = self.counts.open();
        let mut splitter = Splitter::default();
        // Lines have waited in vain, since when.
        let mut in_vain: Option<Pin<Box<Notified<'_>>>> = None;
        let mut buffer = vec![0; READ_LENGTH];
        // Whatever ends it: what came is whole, but for the last line.
        while let Ok(length @ 1..) = stream.read(&mut buffer).await {
            let came = splitter.push(buffer.get(..length).unwrap_or_default());
            let lines = came.filter_map(|came| self.count(came)).map(|line| marked(line, cid));
            in_vain.take_if(|since| since.as_mut().enable());
            let since = Arrived::new(self, lines).hand_over(in_vain.is_none()).await;
            in_vain = since.map(Box::pin).or(in_vain);
            // Clients are relayed on this thread: a flood of lines, of which each read brings thousands,
            // must not have all that the runtime grants.
            yield_now().await;
        }
        if splitter.is_within_line() {
            self.counts.add_cut();
        }
    }

    /// The line that came, if it is one that is passed on.
    fn count(&self, came: Came) -> Option<Vec<u8>> {
        match came {
            Came::Line(line) => {
                self.counts.add_line();
                Some(line)
            }
            Came::TooLong => {
                self.counts.add_too_long();
                None
            }
        }
    }

    /// Hands a line to the sink's thread; or gives it back, if there is no room or others wait for it.
    fn offer_in_turn(&self, line: Vec<u8>) -> Result<(), Vec<u8>> {
        match self.turn.try_lock() {
            Ok(_turn) => self.offer(line),
            Err(_) => Err(line),
        }
    }

    /// Hands a line to the sink's thread, or gives it back if there is no room.
    fn offer(&self, line: Vec<u8>) -> Result<(), Vec<u8>> {
        self.lines.offer(self.counts.hold(line)?).map_err(Held::into_line)
    }
}

/// `line` with the CID of its enclave as the last member, if it is an object and has one: those of
/// several enclaves look alike. Last, as of two members of a name readers take the later: what an enclave
/// says of itself is only its own word.
fn marked(line: Vec<u8>, cid: Option<u32>) -> Vec<u8> {
    match (cid, line.trim_ascii().strip_suffix(b"}")) {
        (Some(cid), Some(members @ [b'{', ..])) if members.trim_ascii_end() != b"{" => {
            [members, format!(",\"cid\":{cid}}}\n").as_bytes()].concat()
        }
        _ => line,
    }
}

/// What the sink's thread has not written yet.
#[derive(Debug)]
pub(crate) struct Last(Lines<Held>);

impl Last {
    /// Waits until it is written, unless the sink takes it too slowly. Not on this thread, which may
    /// have others to serve.
    pub(crate) async fn written(self) {
        let Self(lines) = self;
        let _ = spawn_blocking(move || lines.flush(FLUSH_TIMEOUT)).await;
    }
}
