//! Serves the configuration archive to enclaves when they boot.
//!
//! Each connection receives the bytes of the file, then EOF. The relay does not parse the file.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use transport::{Acceptor, Endpoint, Listener, Stream};
use zeroize::Zeroizing;

use crate::peer_policy::PeerPolicy;

/// Maximum length of the file, in bytes.
const MAX_LENGTH: u64 = 8 * 1024 * 1024;

/// Maximum number of open connections. A parent instance has at most four enclaves.
const MAX_CONNECTIONS: usize = 16;

/// Time limit of one connection.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// A server of the configuration archive.
#[derive(Debug)]
pub(crate) struct ConfigServer {
    acceptor: Acceptor,
    file: Arc<ServedFile>,
}

/// The served file and the policy of its readers.
#[derive(Debug)]
struct ServedFile {
    path: PathBuf,
    /// Admits the enclaves of the pool only.
    peers: PeerPolicy,
}

impl ConfigServer {
    /// Creates a server of the file `path` on `listener`, for the peers that `peers` admits.
    pub(crate) fn new(listener: Listener, path: PathBuf, peers: PeerPolicy) -> Self {
        Self { acceptor: Acceptor::new(listener), file: Arc::new(ServedFile { path, peers }) }
    }

    /// Returns the endpoint of the listener, with the port that the kernel chose for port 0.
    pub(crate) fn local_endpoint(&self) -> &Endpoint {
        self.acceptor.local_endpoint()
    }

    /// Checks that the file can be read. The file is read again for every connection. This check reports a
    /// wrong path at start-up.
    ///
    /// # Errors
    /// If the file cannot be read, is not a regular file, or is too large.
    pub(crate) fn check(&self) -> io::Result<()> {
        self.file.read().map(drop)
    }

    /// Serves connections until `stop` is ready, then waits until the open connections have ended.
    pub(crate) async fn run(self, stop: impl Future<Output = ()>) {
        let Self { acceptor, file } = self;
        let serve = |stream| Arc::clone(&file).serve(stream);
        acceptor.serve_until(stop, MAX_CONNECTIONS, serve).await;
    }
}

impl ServedFile {
    /// Serves one connection, if its peer is admitted.
    async fn serve(self: Arc<Self>, stream: Stream) {
        let Some(_admission) = self.peers.admit(&stream) else { return };
        let path = self.path.clone();
        match timeout(WRITE_TIMEOUT, self.send(stream)).await {
            Ok(Ok(length)) => tracing::info!(length, "configuration sent to an enclave"),
            Ok(Err(error)) => {
                tracing::warn!(%error, path = %path.display(), "cannot send the configuration to an enclave");
            }
            Err(_) => tracing::warn!(
                limit_seconds = WRITE_TIMEOUT.as_secs(),
                "an enclave did not read its configuration in time"
            ),
        }
    }

    /// Sends the file and EOF. Returns its length in bytes.
    async fn send(self: Arc<Self>, mut stream: Stream) -> io::Result<usize> {
        let bytes = spawn_blocking(move || self.read()).await.map_err(io::Error::other)??;
        stream.write_all(&bytes).await?;
        stream.shutdown().await?;
        Ok(bytes.len())
    }

    /// Reads the file. The file may contain secrets, so the returned bytes are zeroized on drop.
    fn read(&self) -> io::Result<Zeroizing<Vec<u8>>> {
        // Opening a FIFO would block until a writer opens it.
        if !fs::metadata(&self.path)?.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        let file = File::open(&self.path)?;
        let length = file.metadata()?.len();
        let too_long = || io::Error::other(format!("larger than {} MiB", MAX_LENGTH >> 20));
        let room = usize::try_from(length.min(MAX_LENGTH)).map_err(|_| too_long())?;
        // Growing the vector would leave copies of the bytes in freed memory.
        let mut bytes = Zeroizing::new(Vec::with_capacity(room + 1));
        file.take(MAX_LENGTH + 1).read_to_end(&mut bytes)?;
        match u64::try_from(bytes.len()) {
            Ok(..=MAX_LENGTH) => Ok(bytes),
            _ => Err(too_long()),
        }
    }
}
