//! What enclaves log and record, in lines, from a listener of its own to one sink.
//!
//! No enclave waits for it: what comes is read at once, and what the sink does not take fast enough is
//! dropped and counted. Nothing here looks into a line; but only whole ones are passed on, each in one
//! piece, so that those of several enclaves never mix.

mod counts;
mod lines;
#[cfg(test)]
mod tests;
mod whole;

use std::io::{self, Write};
use std::sync::Arc;

use shared::lines::Lines;
use shared::transport::limits::FLUSH_TIMEOUT;
use shared::transport::{Acceptor, Endpoint, Episode, ListenError, Stream, listen};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::task::JoinSet;

pub use self::counts::Counts;
use self::lines::{Came, Splitter};
use self::whole::{Held, WholeLines};

/// Enclaves read at a time; there are four on a parent instance at most, with two connections each.
const MAX_CONNECTIONS: usize = 16;

/// Bytes read from a connection at a time.
const READ_LENGTH: usize = 16 * 1024;

/// A listener for enclaves' lines, and where those go.
#[derive(Debug)]
pub struct Channel {
    acceptor: Acceptor,
    desk: Arc<Desk>,
}

/// What all connections share.
#[derive(Debug)]
struct Desk {
    /// The enclaves that may; any, if there are none.
    peers: Vec<u32>,
    lines: Lines<Held>,
    counts: Counts,
    refusing: Episode,
}

impl Channel {
    /// Listens on `endpoint` for the enclaves whose CIDs are `peers`, for any if that is empty, and
    /// writes what they send to `sink`, by a thread of its own. Where the kernel knows no CID, which is
    /// on TCP, Unix and a multiplexed vsock, everybody may who can connect.
    ///
    /// # Errors
    /// If the endpoint cannot be listened on, or there is no thread to be had.
    pub async fn bind(
        endpoint: &Endpoint,
        peers: Vec<u32>,
        sink: impl Write + Send + 'static,
    ) -> Result<Self, ListenError> {
        let acceptor = Acceptor::new(listen(endpoint).await?);
        if matches!(endpoint, Endpoint::Tcp(_)) {
            tracing::warn!("whoever reaches --log-listen can write lines among the enclaves' own");
        }
        let lines = Lines::to("channel", WholeLines::new(sink))
            .map_err(|source| ListenError::Io { endpoint: endpoint.clone(), source })?;
        let counts = Counts::of(lines.clone());
        let desk = Arc::new(Desk { peers, lines, counts, refusing: Episode::default() });
        Ok(Self { acceptor, desk })
    }

    /// Where it listens, with the port the kernel chose where that was left to it.
    pub fn local_endpoint(&self) -> &Endpoint {
        self.acceptor.local_endpoint()
    }

    /// What it counts, also once it runs.
    pub fn counts(&self) -> Counts {
        self.desk.counts.clone()
    }

    /// Takes lines until the future is dropped. What is with the sink's thread then is still written,
    /// unless the sink takes it too slowly.
    pub async fn run(mut self) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                Some(_) = connections.join_next() => {}
                // Who finds no place waits in the kernel's queue.
                stream = self.acceptor.accept(), if connections.len() < MAX_CONNECTIONS => {
                    connections.spawn(Arc::clone(&self.desk).serve(stream));
                }
            }
        }
    }
}

/// Whether an enclave may send lines: one of `peers`, or any if there are none.
fn check_peer(peers: &[u32], peer: Option<u32>) -> io::Result<()> {
    match peer {
        Some(cid) if !peers.is_empty() && !peers.contains(&cid) => {
            Err(io::Error::other(format!("CID {cid} is that of no upstream")))
        }
        _ => Ok(()),
    }
}

impl Desk {
    async fn serve(self: Arc<Self>, stream: Stream) {
        match stream.peer_cid().and_then(|peer| check_peer(&self.peers, peer)) {
            Ok(()) => self.read(stream).await,
            Err(error) if self.refusing.begins() => {
                tracing::warn!(%error, "a connection with lines was refused");
            }
            Err(_) => {}
        }
    }

    async fn read(&self, mut stream: impl AsyncRead + Unpin) {
        let _open = self.counts.open();
        let mut splitter = Splitter::default();
        let mut buffer = vec![0; READ_LENGTH];
        // Whatever ends it: what came is whole, but for the last line.
        while let Ok(length @ 1..) = stream.read(&mut buffer).await {
            splitter.push(buffer.get(..length).unwrap_or_default(), |came| self.take(came));
        }
        if splitter.is_within_line() {
            self.counts.add_cut();
        }
    }

    fn take(&self, came: Came) {
        match came {
            Came::Line(line) => {
                self.counts.add_line();
                match self.counts.hold(line) {
                    Some(held) => self.lines.submit(held),
                    None => self.lines.drop_one(),
                }
            }
            Came::TooLong => self.counts.add_too_long(),
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.lines.flush(FLUSH_TIMEOUT);
    }
}
