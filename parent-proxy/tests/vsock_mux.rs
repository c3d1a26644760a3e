//! A relay whose upstream is a vsock multiplexer on a Unix socket, which the test plays.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod fixture;

use std::time::Duration;

use fixture::{Running, bounded, config, ends_without_a_byte, read_all};
use parent_proxy::Config;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use transport::{Endpoint, Stream};

const CONNECT_REQUEST: &[u8] = b"CONNECT 5000\n";

/// A multiplexer that the test controls, and a relay that connects through it to port 5000.
struct Multiplexed {
    multiplexer: UnixListener,
    running: Running,
    _directory: TempDir,
}

impl Multiplexed {
    async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("vsock");
        let multiplexer = UnixListener::bind(&path).unwrap();
        let mut config = config(&Endpoint::VsockMux { path, port: 5000 });
        change(&mut config);
        let running = Running::start(config).await;
        Self { multiplexer, running, _directory: directory }
    }

    /// Connects a client. Returns the client, and the multiplexer's end of its connection after the relay's
    /// CONNECT request.
    async fn accept_connect_request(&self) -> (Stream, UnixStream) {
        let client = self.running.connect().await;
        let (mut stream, _) = self.multiplexer.accept().await.unwrap();
        let mut question = vec![0; CONNECT_REQUEST.len()];
        stream.read_exact(&mut question).await.unwrap();
        assert_eq!(question, CONNECT_REQUEST);
        (client, stream)
    }
}

/// Returns whether the relay has closed its end.
async fn is_closed(stream: &mut UnixStream) -> bool {
    stream.read_to_end(&mut Vec::new()).await.is_ok_and(|length| length == 0)
}

#[tokio::test]
async fn relays_bytes_that_follow_the_connect_reply() {
    bounded(async {
        let multiplexed = Multiplexed::start().await;
        let (mut client, mut guest) = multiplexed.accept_connect_request().await;
        // The reply and the first bytes of the guest arrive in one segment. The first bytes of the guest look
        // like another reply.
        guest.write_all(b"OK 1073741824\nOK 1\nearly").await.unwrap();
        let mut early = [0; 10];
        client.read_exact(&mut early).await.unwrap();
        assert_eq!(&early, b"OK 1\nearly");

        client.write_all(b"question").await.unwrap();
        client.shutdown().await.unwrap();
        let mut question = String::new();
        guest.read_to_string(&mut question).await.unwrap();
        assert_eq!(question, "question");
        guest.write_all(b"answer").await.unwrap();
        drop(guest);
        assert_eq!(read_all(&mut client).await, b"answer");
    })
    .await;
}

#[tokio::test]
async fn relays_large_transfers_unchanged_in_both_directions() {
    let bytes: Vec<u8> = (0..4_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    bounded(async {
        let multiplexed = Multiplexed::start().await;
        let (client, mut guest) = multiplexed.accept_connect_request().await;
        guest.write_all(b"OK 1\n").await.unwrap();
        let (mut from_guest, mut to_guest) = tokio::io::split(client);
        let (mut from_client, mut to_client) = guest.split();
        let (mut at_client, mut at_guest) = (Vec::new(), Vec::new());
        let (sent, answered, _, _) = tokio::join!(
            async {
                to_guest.write_all(&bytes).await.unwrap();
                to_guest.shutdown().await
            },
            async {
                to_client.write_all(&bytes).await.unwrap();
                to_client.shutdown().await
            },
            from_guest.read_to_end(&mut at_client),
            from_client.read_to_end(&mut at_guest),
        );
        sent.and(answered).unwrap();
        assert!(at_client == bytes && at_guest == bytes);
    })
    .await;
}

#[tokio::test]
async fn guest_without_a_listener_is_used_once_it_listens() {
    bounded(async {
        let multiplexed = Multiplexed::start().await;
        // The multiplexer closes at once or within its reply, or sends another reply.
        for answer in ["", "OK 10737", "ERR no such port\n", "OK one\n"] {
            let (mut client, mut multiplexer) = multiplexed.accept_connect_request().await;
            multiplexer.write_all(answer.as_bytes()).await.unwrap();
            multiplexer.shutdown().await.unwrap();
            assert!(ends_without_a_byte(&mut client).await, "{answer:?}");
        }

        let (mut client, mut guest) = multiplexed.accept_connect_request().await;
        guest.write_all(b"OK 1\n!").await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), b'!');
    })
    .await;
}

#[tokio::test]
async fn rejects_a_connect_reply_without_a_line_end() {
    bounded(async {
        let multiplexed = Multiplexed::start().await;
        let (mut client, mut multiplexer) = multiplexed.accept_connect_request().await;
        multiplexer.write_all(b"OK ").await.unwrap();
        // The loop ends only because the relay closes the connection: the connect timeout exceeds the time
        // limit of the test.
        while multiplexer.write_all(b"1").await.is_ok() {}
        assert!(ends_without_a_byte(&mut client).await);
    })
    .await;
}

#[tokio::test]
async fn accepts_a_connect_reply_in_pieces() {
    bounded(async {
        let multiplexed = Multiplexed::start().await;
        let (mut client, mut guest) = multiplexed.accept_connect_request().await;
        for byte in b"OK 1073741824\n!" {
            guest.write_u8(*byte).await.unwrap();
            tokio::task::yield_now().await;
        }
        assert_eq!(client.read_u8().await.unwrap(), b'!');
    })
    .await;
}

#[tokio::test]
async fn missing_connect_reply_closes_client_at_connect_timeout() {
    bounded(async {
        for piece in ["", "OK 1"] {
            let short = Duration::from_millis(50);
            let multiplexed =
                Multiplexed::start_with(|config| config.connect_timeout = short).await;
            let (mut client, mut multiplexer) = multiplexed.accept_connect_request().await;
            multiplexer.write_all(piece.as_bytes()).await.unwrap();
            assert!(ends_without_a_byte(&mut client).await);
            assert!(is_closed(&mut multiplexer).await, "{piece:?}");
        }
    })
    .await;
}
