//! A listener that continues to accept connections after errors.

use std::future::pending;
use std::io::{self, ErrorKind};
use std::pin::pin;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::{Endpoint, Listener, LogThrottle, Stream};

/// Pause after an error that would occur again at once, such as too many open files.
const BACKOFF: Duration = Duration::from_millis(100);

/// A listener that handles the errors of accept(2).
#[derive(Debug)]
pub struct Acceptor {
    listener: Listener,
    resume_at: Option<Instant>,
    failures: LogThrottle,
}

impl Acceptor {
    /// Creates an acceptor of `listener`.
    pub fn new(listener: Listener) -> Self {
        Self { listener, resume_at: None, failures: LogThrottle::default() }
    }

    /// Returns the listener's endpoint. If port 0 was requested, it has the port that the kernel chose.
    pub fn local_endpoint(&self) -> &Endpoint {
        self.listener.local_endpoint()
    }

    /// Returns the next connection.
    ///
    /// Cancel-safe: if the future is dropped, no connection is lost and a pause continues.
    pub async fn accept(&mut self) -> Stream {
        loop {
            if let Some(at) = self.resume_at {
                sleep_until(at).await;
                self.resume_at = None;
            }
            match self.listener.accept().await {
                Ok(client) => return client,
                Err(error) if is_single_connection_error(&error) => {
                    tracing::debug!(%error, "a client disconnected before its connection was accepted");
                }
                Err(error) => self.back_off(&error),
            }
        }
    }

    /// Runs `serve` for each connection, for at most `max_connections` at a time.
    ///
    /// Further connections wait in the kernel's queue. Dropping the future ends all connections.
    pub async fn serve<F>(self, max_connections: usize, serve: impl Fn(Stream) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.serve_until(pending(), max_connections, serve).await;
    }

    /// Serves connections like [`serve`](Self::serve) until `stop` is ready.
    ///
    /// Then the listener is closed, and the future is ready once all open connections have ended.
    pub async fn serve_until<F>(
        mut self,
        stop: impl Future<Output = ()>,
        max_connections: usize,
        serve: impl Fn(Stream) -> F,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut connections = JoinSet::new();
        let mut stop = pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                Some(result) = connections.join_next() => log_panic(result),
                stream = self.accept(), if connections.len() < max_connections => {
                    connections.spawn(serve(stream));
                }
            }
        }
        drop(self);
        while let Some(result) = connections.join_next().await {
            log_panic(result);
        }
    }

    fn back_off(&mut self, error: &io::Error) {
        if self.failures.should_log() {
            let listener = self.local_endpoint();
            tracing::warn!(%listener, %error, "cannot accept connections; trying again");
        }
        self.resume_at = Some(Instant::now() + BACKOFF);
    }
}

fn log_panic(result: Result<(), JoinError>) {
    if let Err(error) = result {
        tracing::error!(%error, "connection task panicked");
    }
}

/// Returns whether an error of accept(2) concerns a single connection, so that accepting can continue at once.
///
/// accept(2): "Linux accept() passes already-pending network errors on the new socket as an error code from
/// accept()". Each such error consumes one connection, so the loop cannot spin.
fn is_single_connection_error(error: &io::Error) -> bool {
    [
        ErrorKind::ConnectionAborted,
        ErrorKind::ConnectionReset,
        ErrorKind::HostUnreachable,
        ErrorKind::NetworkUnreachable,
        ErrorKind::NetworkDown,
    ]
    .contains(&error.kind())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::oneshot;
    use tokio::time::timeout;

    use super::*;
    use crate::{connect, listen};

    async fn acceptor() -> Acceptor {
        Acceptor::new(listen(&"127.0.0.1:0".parse().unwrap()).await.unwrap())
    }

    const EMFILE: i32 = 24;

    #[tokio::test(start_paused = true)]
    async fn backs_off_after_error_and_then_accepts() {
        let mut acceptor = acceptor().await;
        let _client = connect(acceptor.local_endpoint()).await.unwrap();

        acceptor.back_off(&io::Error::from_raw_os_error(EMFILE));

        let start = Instant::now();
        acceptor.accept().await;
        assert!(start.elapsed() >= BACKOFF);
    }

    #[tokio::test(start_paused = true)]
    async fn backoff_survives_a_dropped_accept_future() {
        let mut acceptor = acceptor().await;
        let _client = connect(acceptor.local_endpoint()).await.unwrap();
        acceptor.back_off(&io::Error::from_raw_os_error(EMFILE));

        let start = Instant::now();
        assert!(timeout(BACKOFF / 2, acceptor.accept()).await.is_err());
        acceptor.accept().await;
        assert!(start.elapsed() >= BACKOFF);
    }

    #[tokio::test]
    async fn stops_listening_and_waits_for_open_connections() {
        let acceptor = acceptor().await;
        let endpoint = acceptor.local_endpoint().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async { drop(stopped.await) };
        let echo = |mut stream: Stream| async move {
            let byte = stream.read_u8().await.unwrap();
            stream.write_u8(byte).await.unwrap();
        };
        let serving = tokio::spawn(acceptor.serve_until(stopped, 8, echo));
        // Connections are accepted in order: if the second is served, the first was accepted.
        let (mut open, mut other) =
            (connect(&endpoint).await.unwrap(), connect(&endpoint).await.unwrap());
        other.write_u8(1).await.unwrap();
        assert_eq!(other.read_u8().await.unwrap(), 1);

        stop.send(()).unwrap();
        while connect(&endpoint).await.is_ok() {}
        open.write_u8(2).await.unwrap();
        assert_eq!(open.read_u8().await.unwrap(), 2);
        serving.await.unwrap();
    }

    #[test]
    fn descriptor_exhaustion_is_not_a_single_connection_error() {
        const ENFILE: i32 = 23;
        const ECONNABORTED: i32 = 103;
        assert!(!is_single_connection_error(&io::Error::from_raw_os_error(EMFILE)));
        assert!(!is_single_connection_error(&io::Error::from_raw_os_error(ENFILE)));
        assert!(is_single_connection_error(&io::Error::from_raw_os_error(ECONNABORTED)));
    }
}
