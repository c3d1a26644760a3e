//! The receiver of the log lines and audit records that enclaves send, which it writes to one sink.
//!
//! Nothing is dropped to keep up. While the sink is slow the queue of lines is full, and no connection is read:
//! the enclaves wait, and drop and count the lines for which they have no room themselves. Room goes to
//! connections in the order in which they ask, one line at a time, so a flood of one enclave delays the lines of
//! another, and loses none of them.
//!
//! Lines are not parsed, except that the CID of the enclave is added before the last brace. Only whole lines are
//! passed on, each in one piece, so the lines of several enclaves never mix.

mod counts;
mod forward;
mod line_writer;
mod metrics;
mod per_cid_limit;
mod splitter;
#[cfg(test)]
mod tests;
mod whole_lines;

use std::io::{self, Write};
use std::sync::Arc;

use transport::{Acceptor, Listener};

use self::counts::Counts;
use self::forward::Forwarder;
use self::line_writer::LineWriter;
pub(crate) use self::line_writer::WriterDone;
pub(crate) use self::metrics::LogReceiverMetrics;
use crate::peer_policy::PeerPolicy;

/// Connections at a time. A parent instance has at most four enclaves, each with two connections and up to six
/// that it has given up while the sink was stuck.
const MAX_CONNECTIONS: usize = 32;

/// A listener for the lines of enclaves, and the writer to their sink.
#[derive(Debug)]
pub(crate) struct LogReceiver {
    acceptor: Acceptor,
    forwarder: Arc<Forwarder>,
    counts: Counts,
}

impl LogReceiver {
    /// Creates a receiver on `listener` for the enclaves that `peers` admits. A thread of its own writes their
    /// lines to `sink`. Returns also a handle to wait for the last line.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub(crate) fn start(
        listener: Listener,
        peers: PeerPolicy,
        sink: impl Write + Send + 'static,
    ) -> io::Result<(Self, WriterDone)> {
        let counts = Counts::default();
        let (writer, done) = LineWriter::start(sink, counts.clone())?;
        let forwarder = Arc::new(Forwarder::new(peers, writer, counts.clone()));
        Ok((Self { acceptor: Acceptor::new(listener), forwarder, counts }, done))
    }

    /// Returns the metrics of this receiver.
    pub(crate) fn metrics(&self) -> LogReceiverMetrics {
        LogReceiverMetrics(self.counts.clone())
    }

    /// Receives lines until the future is dropped. Once `stop` is ready, only open connections are read.
    pub(crate) async fn run(self, stop: impl Future<Output = ()>) {
        let Self { acceptor, forwarder, .. } = self;
        let serve = |stream| Arc::clone(&forwarder).serve(stream);
        acceptor.serve_until(stop, MAX_CONNECTIONS, serve).await;
    }
}
