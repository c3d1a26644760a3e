//! The receiver of the log lines and audit records of enclaves, which writes them to one sink.
//!
//! If the sink is slow, the relay's queue of lines fills up, and the relay stops reading the connections. The
//! enclaves then wait, and drop and count the lines that exceed their own queues. The connections take turns:
//! each gets room in the relay's queue for one line at a time. A flood of lines from one enclave therefore
//! delays the lines of another enclave, but causes no loss of them.
//!
//! Lines are not parsed, except that the CID of the enclave is inserted before the last brace. Only complete
//! lines are forwarded, each in one piece, so the lines of several enclaves never mix.

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

/// Maximum number of open connections. A parent instance has at most four enclaves. Each enclave has two
/// connections, and up to six more that it abandoned while the sink was stuck.
const MAX_CONNECTIONS: usize = 32;

/// A listener for log lines of enclaves, and the writer to their sink.
#[derive(Debug)]
pub(crate) struct LogReceiver {
    acceptor: Acceptor,
    forwarder: Arc<Forwarder>,
    counts: Counts,
}

impl LogReceiver {
    /// Creates a receiver on `listener` for the enclaves that `peers` admits, and starts a thread that writes
    /// their lines to `sink`. Also returns a handle to wait for the last line.
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

    /// Receives lines until the future is dropped. Once `stop` is ready, no new connections are accepted.
    pub(crate) async fn run(self, stop: impl Future<Output = ()>) {
        let Self { acceptor, forwarder, .. } = self;
        let serve = |stream| Arc::clone(&forwarder).serve(stream);
        acceptor.serve_until(stop, MAX_CONNECTIONS, serve).await;
    }
}
