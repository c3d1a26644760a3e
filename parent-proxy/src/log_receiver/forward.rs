//! Forwards lines from the connections of enclaves to the queue of the writer.

use std::iter::Peekable;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::task::coop::consume_budget;
use tokio::task::yield_now;
use transport::Stream;

use super::counts::Counts;
use super::line_writer::LineWriter;
use super::per_cid_limit::PerCidLimit;
use super::splitter::{LineEvent, LineSplitter};
use crate::peer_policy::PeerPolicy;

/// Number of bytes read at a time.
pub(super) const READ_LENGTH: usize = 16 * 1024;

/// Maximum number of connections of one enclave. An enclave has two. While the sink is stuck, the enclave
/// abandons each connection after five seconds and opens another.
const MAX_CONNECTIONS_PER_CID: usize = 8;

/// Maximum number of connections of one enclave whose lines wait for the sink. The lines of further
/// connections are dropped and counted. Closing such connections instead would lose lines without counting
/// them, because the enclave's kernel has already accepted these lines.
const MAX_WAITING_PER_CID: usize = 4;

/// The shared state of all connections.
#[derive(Debug)]
pub(super) struct Forwarder {
    peers: PeerPolicy,
    connections: PerCidLimit,
    waiting: PerCidLimit,
    writer: LineWriter,
    counts: Counts,
}

impl Forwarder {
    /// Creates a forwarder from the enclaves that `peers` admits to `writer`.
    pub(super) fn new(peers: PeerPolicy, writer: LineWriter, counts: Counts) -> Self {
        let connections = PerCidLimit::new(
            MAX_CONNECTIONS_PER_CID,
            "too many log connections from one enclave: closing new ones",
        );
        let waiting = PerCidLimit::new(
            MAX_WAITING_PER_CID,
            "log_file or stdout does not accept lines: dropping the lines of further connections of an \
             enclave",
        );
        Self { peers, connections, waiting, writer, counts }
    }

    /// Forwards the lines of one connection, if its peer is admitted.
    pub(super) async fn serve(self: Arc<Self>, stream: Stream) {
        if let Some(_admission) = self.peers.admit(&stream) {
            let cid = stream.peer_cid().ok().flatten();
            if let Some(_connection) = self.connections.try_acquire(cid) {
                self.forward(stream, cid).await;
            }
        }
    }

    /// Forwards the lines of one connection until it ends. The connection is not read while lines wait for
    /// room in the queue.
    pub(super) async fn forward(&self, mut stream: impl AsyncRead + Unpin, cid: Option<u32>) {
        let _open = self.counts.open();
        let mut splitter = LineSplitter::default();
        let mut buffer = vec![0; READ_LENGTH];
        // An error ends the connection like EOF. All lines before the error are complete.
        while let Ok(length @ 1..) = stream.read(&mut buffer).await {
            let events = splitter.push(buffer.get(..length).unwrap_or_default());
            let lines = events.filter_map(|event| self.count(event));
            let lines = lines.map(|line| add_cid(line, cid)).peekable();
            Unqueued { forwarder: self, lines }.queue_all(cid).await;
            // Clients are relayed on the same thread. A flood of lines, thousands per read, must not use the
            // whole budget of the task.
            yield_now().await;
        }
        if splitter.is_within_line() {
            self.counts.add_truncated();
        }
    }

    /// Counts a line. Returns the line if it must be forwarded.
    fn count(&self, event: LineEvent) -> Option<Vec<u8>> {
        match event {
            LineEvent::Line(line) => {
                self.counts.add_line();
                Some(line)
            }
            LineEvent::TooLong => {
                self.counts.add_too_long();
                None
            }
        }
    }
}

/// The lines of one read that are not queued yet. If the task is aborted at the end of the process, the drop
/// queues these lines without waiting for room. So no line is lost after it was read.
struct Unqueued<'a, I: Iterator<Item = Vec<u8>>> {
    forwarder: &'a Forwarder,
    lines: Peekable<I>,
}

impl<I: Iterator<Item = Vec<u8>>> Unqueued<'_, I> {
    /// Queues all lines in order. Waits for room before each line. If there is no room and too many
    /// connections of the enclave `cid` already wait, the lines are dropped and counted.
    async fn queue_all(mut self, cid: Option<u32>) {
        let Forwarder { writer, waiting, counts, .. } = self.forwarder;
        // Held until the last line of this read is queued.
        let mut permit = None;
        while let Some(line) = self.lines.peek() {
            // `try_room_for` does not consume the budget of the task.
            consume_budget().await;
            let mut room = writer.try_room_for(line);
            if room.is_none() {
                permit = permit.or_else(|| waiting.try_acquire(cid));
                if permit.is_some() {
                    room = writer.room_for(line).await;
                }
            }
            match (self.lines.next(), room) {
                (Some(line), room @ Some(_)) => writer.queue(line, room),
                _ => counts.add_queue_full(),
            }
        }
    }
}

impl<I: Iterator<Item = Vec<u8>>> Drop for Unqueued<'_, I> {
    fn drop(&mut self) {
        self.lines.by_ref().for_each(|line| self.forwarder.writer.queue(line, None));
    }
}

/// Inserts the CID of the enclave as the last member, if `line` is a non-empty JSON object. Parsers use the
/// last of two members with the same name, so a `cid` that the enclave wrote has no effect.
///
/// The rest of the line is unchanged: the verifier of an audit trail removes exactly these bytes before it computes the
/// hash of the line.
fn add_cid(line: Vec<u8>, cid: Option<u32>) -> Vec<u8> {
    match (cid, line.trim_ascii().strip_suffix(b"}")) {
        (Some(cid), Some(members @ [b'{', ..])) if members.trim_ascii_end() != b"{" => {
            [members, format!(",\"cid\":{cid}}}\n").as_bytes()].concat()
        }
        _ => line,
    }
}
