//! The enclave's configuration, handed to it when it boots: a file's bytes, which nothing here looks
//! into, from the beginning of a connection to its end.

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

/// Bytes of a file that an enclave takes, and one to tell.
const MAX_LENGTH: u64 = 8 * 1024 * 1024;

/// Enclaves served at a time; there are four on a parent instance at most.
const MAX_CONNECTIONS: usize = 16;

/// How long one may take.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// A file, and where enclaves take it.
#[derive(Debug)]
pub(crate) struct ConfigServer {
    acceptor: Acceptor,
    file: Arc<ServedFile>,
}

#[derive(Debug)]
struct ServedFile {
    path: PathBuf,
    /// Who may have it.
    peers: PeerPolicy,
}

impl ConfigServer {
    /// Hands out the file `path` on `listener`, to whomever `peers` admits.
    pub(crate) fn new(listener: Listener, path: PathBuf, peers: PeerPolicy) -> Self {
        Self { acceptor: Acceptor::new(listener), file: Arc::new(ServedFile { path, peers }) }
    }

    /// Where it listens, with the port the kernel chose where that was left to it.
    pub(crate) fn local_endpoint(&self) -> &Endpoint {
        self.acceptor.local_endpoint()
    }

    /// Whether the file can be read: it is read anew for every enclave, but who starts this would
    /// rather know at once.
    ///
    /// # Errors
    /// If not.
    pub(crate) fn check(&self) -> io::Result<()> {
        self.file.read().map(drop)
    }

    /// Hands it to whoever may have it until `stop` is ready, then lets open connections end.
    pub(crate) async fn run(self, stop: impl Future<Output = ()>) {
        let Self { acceptor, file } = self;
        let serve = |stream| Arc::clone(&file).serve(stream);
        acceptor.serve_until(stop, MAX_CONNECTIONS, serve).await;
    }
}

impl ServedFile {
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

    async fn send(self: Arc<Self>, mut stream: Stream) -> io::Result<usize> {
        let bytes = spawn_blocking(move || self.read()).await.map_err(io::Error::other)??;
        stream.write_all(&bytes).await?;
        stream.shutdown().await?;
        Ok(bytes.len())
    }

    /// The file, which may hold secrets: it is wiped after use.
    fn read(&self) -> io::Result<Zeroizing<Vec<u8>>> {
        // A pipe would wait for somebody to write.
        if !fs::metadata(&self.path)?.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        let file = File::open(&self.path)?;
        let length = file.metadata()?.len();
        let too_long = || io::Error::other(format!("larger than {} MiB", MAX_LENGTH >> 20));
        let room = usize::try_from(length.min(MAX_LENGTH)).map_err(|_| too_long())?;
        // So that it need not grow, which would leave copies.
        let mut bytes = Zeroizing::new(Vec::with_capacity(room + 1));
        file.take(MAX_LENGTH + 1).read_to_end(&mut bytes)?;
        match u64::try_from(bytes.len()) {
            Ok(..=MAX_LENGTH) => Ok(bytes),
            _ => Err(too_long()),
        }
    }
}
