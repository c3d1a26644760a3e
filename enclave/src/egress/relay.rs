//! The relay of the connections of one route.

use std::error::Error;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use attestation::time::HumanTimeout;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, copy, split};
use tokio::time::timeout;
use transport::{Acceptor, Endpoint, LogThrottle, Stream, connect};

/// Maximum number of connections of a route. Further connections wait. A PKCS#11 library opens a few
/// connections and keeps them open.
const MAX_CONNECTIONS: usize = 64;

/// Longest time that the parent may take to accept a connection. The kernel itself gives up after 2 s and
/// returns the reason.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Longest time that one side may continue to send after the other side has finished. This limit ends every
/// half-closed connection.
const HALF_CLOSE_TIMEOUT: Duration = Duration::from_secs(30);

/// Relays accepted connections to `parent`.
pub(super) async fn run(acceptor: Acceptor, parent: Endpoint) {
    let parent = Arc::new((parent, LogThrottle::default()));
    acceptor.serve(MAX_CONNECTIONS, |client| serve(client, Arc::clone(&parent))).await;
}

/// Relays one connection. If the parent is unreachable, closes the connection. The client may then connect
/// again.
async fn serve(client: Stream, parent: Arc<(Endpoint, LogThrottle)>) {
    let (parent, throttle) = &*parent;
    let error: Box<dyn Error + Send + Sync> = match timeout(CONNECT_TIMEOUT, connect(parent)).await
    {
        Ok(Ok(upstream)) => {
            // The error is not logged: the side that failed has seen the error, and the other side sees the
            // end of the connection.
            let _ = copy_both_ways(client, upstream).await;
            return;
        }
        Ok(Err(error)) => error.into(),
        Err(_) => format!("no connection within {}", HumanTimeout(CONNECT_TIMEOUT)).into(),
    };
    if throttle.should_log() {
        let cause = error.source().map(ToString::to_string);
        tracing::warn!(
            %parent,
            %error,
            cause,
            "cannot connect an egress route to the parent: is the relay running there?"
        );
    }
}

/// Copies bytes in both directions until both sides have finished or one side has failed.
async fn copy_both_ways<C, U>(client: C, upstream: U) -> io::Result<()>
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    let (mut from_client, mut to_client) = split(client);
    let (mut from_upstream, mut to_upstream) = split(upstream);
    let mut to_upstream_done = pin!(copy_one_way(&mut from_client, &mut to_upstream));
    let mut to_client_done = pin!(copy_one_way(&mut from_upstream, &mut to_client));
    tokio::select! {
        ended = &mut to_upstream_done => {
            ended?;
            timeout(HALF_CLOSE_TIMEOUT, to_client_done).await?
        }
        ended = &mut to_client_done => {
            ended?;
            timeout(HALF_CLOSE_TIMEOUT, to_upstream_done).await?
        }
    }
}

/// Copies all bytes in one direction, then closes that direction.
async fn copy_one_way(
    reader: &mut (impl AsyncRead + Unpin),
    writer: &mut (impl AsyncWrite + Unpin),
) -> io::Result<()> {
    copy(reader, writer).await?;
    writer.shutdown().await
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, DuplexStream, duplex};
    use tokio::task::JoinHandle;
    use tokio::time::Instant;
    use transport::listen;

    use super::*;

    /// Returns both ends of a relayed connection between two in-memory streams.
    fn connected_pair() -> (DuplexStream, DuplexStream, JoinHandle<io::Result<()>>) {
        let (client, client_end) = duplex(64);
        let (upstream, upstream_end) = duplex(64);
        (client, upstream, tokio::spawn(copy_both_ways(client_end, upstream_end)))
    }

    #[tokio::test(start_paused = true)]
    async fn copies_both_directions_and_their_end() {
        let (mut client, mut upstream, task) = connected_pair();
        let (question, answer) = (vec![1; 5000], vec![2; 7000]);
        let ask = async {
            client.write_all(&question).await.unwrap();
            client.shutdown().await.unwrap();
            let mut received = Vec::new();
            client.read_to_end(&mut received).await.unwrap();
            assert_eq!(received, answer);
        };
        let reply = async {
            let mut received = Vec::new();
            upstream.read_to_end(&mut received).await.unwrap();
            assert_eq!(received, question);
            upstream.write_all(&answer).await.unwrap();
            upstream.shutdown().await.unwrap();
        };
        tokio::join!(ask, reply);
        task.await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn half_closed_connection_ends_after_its_timeout() {
        let (mut client, upstream, task) = connected_pair();
        let start = Instant::now();
        client.shutdown().await.unwrap();
        let ended = timeout(HALF_CLOSE_TIMEOUT * 2, task)
            .await
            .expect("the connection is still open")
            .unwrap();
        assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!((HALF_CLOSE_TIMEOUT..HALF_CLOSE_TIMEOUT * 2).contains(&start.elapsed()));
        drop(upstream);
    }

    #[tokio::test(start_paused = true)]
    async fn silent_connection_stays_open() {
        let (mut client, mut upstream, task) = connected_pair();
        tokio::time::sleep(HALF_CLOSE_TIMEOUT * 100).await;
        client.write_u8(7).await.unwrap();
        assert_eq!(upstream.read_u8().await.unwrap(), 7);
        assert!(!task.is_finished());
    }

    /// Starts a route on TCP. Returns its address and the endpoint of its parent.
    async fn route() -> (Endpoint, Endpoint, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let parent = Endpoint::Unix(folder.path().join("parent"));
        let acceptor = Acceptor::new(listen(&"127.0.0.1:0".parse().unwrap()).await.unwrap());
        let address = acceptor.local_endpoint().clone();
        tokio::spawn(run(acceptor, parent.clone()));
        (address, parent, folder)
    }

    #[tokio::test]
    async fn closes_connections_until_the_parent_listens() {
        let (address, parent, _folder) = route().await;
        let mut client = connect(&address).await.unwrap();
        let mut received = Vec::new();
        // The result is ignored, because a reset also ends the connection.
        let _ = client.read_to_end(&mut received).await;
        assert!(received.is_empty());

        let parent = listen(&parent).await.unwrap();
        let mut client = connect(&address).await.unwrap();
        client.write_all(b"question").await.unwrap();
        let mut upstream = parent.accept().await.unwrap();
        upstream.read_exact(&mut [0; 8]).await.unwrap();
        upstream.write_all(b"answer").await.unwrap();
        drop(upstream);
        client.read_to_end(&mut received).await.unwrap();
        assert_eq!(received, b"answer");
    }

    #[tokio::test]
    async fn further_connections_wait_for_a_free_slot() {
        let (address, parent, _folder) = route().await;
        let parent = listen(&parent).await.unwrap();
        let mut open = Vec::new();
        for _ in 0..MAX_CONNECTIONS {
            open.push((connect(&address).await.unwrap(), parent.accept().await.unwrap()));
        }
        let mut waiting = connect(&address).await.unwrap();
        waiting.write_u8(7).await.unwrap();
        let soon = Duration::from_millis(200);
        assert!(timeout(soon, parent.accept()).await.is_err(), "too many connections are relayed");
        open.pop();
        let mut carried = timeout(Duration::from_secs(60), parent.accept()).await.unwrap().unwrap();
        assert_eq!(carried.read_u8().await.unwrap(), 7);
    }
}
