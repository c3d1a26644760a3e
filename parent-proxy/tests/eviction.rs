//! Connection limits: the connection that is evicted, and the time at which the relay can accept another.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod fixture;

use std::num::NonZeroUsize;
use std::time::Duration;

use fixture::enclave::{Enclave, name_of};
use fixture::proxy::{Running, until};
use fixture::{bounded, config_of, ends_without_a_byte, loopback};
use parent_proxy::{Config, HealthChecks};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use transport::{Endpoint, listen};

/// Time within which an event would happen. Used only to assert that an event does not happen.
const A_WHILE: Duration = Duration::from_millis(300);

/// Connects from an address of this machine. All of 127.0.0.0/8 can be used.
async fn connect_from(address: &str, proxy: &Running) -> TcpStream {
    let Endpoint::Tcp(listen) = &proxy.endpoint else { panic!() };
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{address}:0").parse().unwrap()).unwrap();
    socket.connect(listen.parse().unwrap()).await.unwrap()
}

/// Sends a request to the fixture's enclave. Returns whether a response arrives. A response shows that the
/// connection is open on both sides.
async fn gets_response(client: &mut TcpStream) -> bool {
    client.write_all(b"?").await.is_ok() && client.read_u8().await.is_ok()
}

async fn is_closed(client: &mut TcpStream) -> bool {
    !matches!(client.read(&mut [0]).await, Ok(1..))
}

async fn start(folder: &TempDir, max_connections: usize, per_client: usize) -> (Enclave, Running) {
    let enclave = Enclave::start(folder, b'a').await;
    let config = Config {
        max_connections: NonZeroUsize::new(max_connections).unwrap(),
        max_connections_per_client: NonZeroUsize::new(per_client),
        ..config_of(&[&enclave.endpoint])
    };
    let proxy = Running::start(folder, config).await;
    (enclave, proxy)
}

#[tokio::test]
async fn address_at_its_limit_loses_its_longest_idle_connection() {
    let folder = tempfile::tempdir().unwrap();
    let (_enclave, proxy) = start(&folder, 100, 2).await;
    let mut other = connect_from("127.0.0.2", &proxy).await;
    assert!(bounded(gets_response(&mut other)).await);
    let mut clients = Vec::new();
    for _ in 0..2 {
        let mut client = connect_from("127.0.0.1", &proxy).await;
        assert!(bounded(gets_response(&mut client)).await);
        clients.push(client);
    }
    // The first client got its response after the second, so the second client is idle for longer.
    assert!(bounded(gets_response(&mut clients[0])).await);
    let mut third = connect_from("127.0.0.1", &proxy).await;
    assert!(bounded(gets_response(&mut third)).await);
    assert!(bounded(is_closed(&mut clients[1])).await);
    assert!(bounded(gets_response(&mut clients[0])).await);
    assert!(bounded(gets_response(&mut other)).await);
    assert_eq!(proxy.metric("connections_evicted_total{reason=\"per_client\"}").await, Some(1));
    assert_eq!(proxy.metric("connections_evicted_total{reason=\"full\"}").await, Some(0));
    assert_eq!(proxy.metric("connections_rejected_total{reason=\"per_client\"}").await, Some(0));
}

#[tokio::test]
async fn rejects_address_that_awaits_responses_on_all_connections() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = listen(&loopback()).await.unwrap();
    let config = Config {
        max_connections_per_client: NonZeroUsize::new(2),
        ..config_of(&[upstream.local_endpoint()])
    };
    let proxy = Running::start(&folder, config).await;
    let mut pairs = Vec::new();
    for _ in 0..2 {
        let mut client = proxy.client().await;
        client.write_all(b"?").await.unwrap();
        let mut server = bounded(upstream.accept()).await.unwrap();
        assert_eq!(bounded(server.read_u8()).await.unwrap(), b'?');
        pairs.push((client, server));
    }
    assert!(bounded(ends_without_a_byte(&mut proxy.client().await)).await);
    assert_eq!(proxy.metric("connections_rejected_total{reason=\"per_client\"}").await, Some(1));
    for (client, server) in &mut pairs {
        server.write_all(b"!").await.unwrap();
        assert_eq!(bounded(client.read_u8()).await.unwrap(), b'!');
    }
    // Another address has its own limit.
    let _other = connect_from("127.0.0.2", &proxy).await;
    bounded(upstream.accept()).await.unwrap();
}

#[tokio::test]
async fn request_that_waits_for_the_upstream_is_not_evicted() {
    let folder = tempfile::tempdir().unwrap();
    // The listener's queue is full, so that a connection attempt lasts until the connect timeout.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let full = socket.listen(1).unwrap();
    let address = full.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(connected) = timeout(A_WHILE, TcpStream::connect(address)).await {
        waiting.push(connected.unwrap());
    }
    let config = Config {
        max_connections_per_client: NonZeroUsize::new(2),
        ..config_of(&[&Endpoint::Tcp(address.to_string())])
    };
    let proxy = Running::start(&folder, config).await;
    let mut asking = connect_from("127.0.0.1", &proxy).await;
    // The relay is connecting, and the client has sent no byte yet.
    let open = format!("connections_open{{upstream=\"tcp:{address}\"}}");
    until(async || proxy.metric(&open).await == Some(1)).await;
    asking.write_all(b"?").await.unwrap();
    // After this time, the relay has detected the byte.
    assert!(timeout(A_WHILE, asking.read_u8()).await.is_err(), "the connection is closed");
    let mut silent =
        [connect_from("127.0.0.1", &proxy).await, connect_from("127.0.0.1", &proxy).await];
    assert!(bounded(is_closed(&mut silent[0])).await);
    assert!(timeout(A_WHILE, asking.read_u8()).await.is_err(), "the connection was evicted");
}

#[tokio::test]
async fn full_relay_evicts_from_the_address_with_most_connections() {
    let folder = tempfile::tempdir().unwrap();
    let (_enclave, proxy) = start(&folder, 4, 0).await;
    let mut honest = connect_from("127.0.0.1", &proxy).await;
    assert!(bounded(gets_response(&mut honest)).await);
    let mut flood = Vec::new();
    for _ in 0..30 {
        flood.push(connect_from("127.0.0.2", &proxy).await);
        assert!(bounded(gets_response(&mut honest)).await);
    }
    let mut new_client = connect_from("127.0.0.3", &proxy).await;
    assert!(bounded(gets_response(&mut new_client)).await);
    assert!(bounded(gets_response(&mut honest)).await);
    for silent in &mut flood[..28] {
        assert!(bounded(is_closed(silent)).await);
    }
    for kept in &mut flood[28..] {
        assert!(bounded(gets_response(kept)).await);
    }
    assert_eq!(proxy.metric("connections_evicted_total{reason=\"full\"}").await, Some(28));
}

#[tokio::test]
async fn slot_is_free_2_s_after_the_enclave_closes() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = listen(&loopback()).await.unwrap();
    let config = config_of(&[upstream.local_endpoint()]);
    let open = format!("connections_open{{upstream=\"{}\"}}", upstream.local_endpoint());
    let proxy = Running::start(&folder, config).await;
    let mut silent = proxy.client().await;
    drop(bounded(upstream.accept()).await.unwrap());
    // The client's side is still open, and no configured timeout is near.
    assert!(bounded(ends_without_a_byte(&mut silent)).await);
    until(async || proxy.metric(&open).await == Some(0)).await;
}

#[tokio::test]
async fn closes_awaited_requests_of_an_unresponsive_enclave_only() {
    let folder = tempfile::tempdir().unwrap();
    let ready = Enclave::start(&folder, b'a').await;
    // The kernel completes connections, but no program reads them, as with a hung process.
    let hung = listen(&Endpoint::Unix(folder.path().join("hung"))).await.unwrap();
    let config = config_of(&[hung.local_endpoint(), &ready.endpoint]);
    let checks = HealthChecks {
        interval: Some(Duration::from_millis(20)),
        timeout: Duration::from_millis(200),
        ..config.health_checks
    };
    let unresponsive_timeout = Duration::from_millis(100);
    // Longer than the time limit of the test: no other timeout may end the request.
    let idle_timeout = Duration::from_secs(3600);
    let config = Config { health_checks: checks, unresponsive_timeout, idle_timeout, ..config };
    let proxy = Running::start(&folder, config).await;
    // The first client goes to the first upstream.
    let mut waiting = proxy.client().await;
    waiting.write_all(b"?").await.unwrap();
    let connections = format!("connections_total{{upstream=\"{}\"}}", hung.local_endpoint());
    until(async || proxy.metric(&connections).await == Some(1)).await;
    let mut answered = proxy.client().await;
    assert_eq!(bounded(name_of(&mut answered)).await, Some(b'a'));
    assert!(bounded(ends_without_a_byte(&mut waiting)).await);
    assert_eq!(bounded(name_of(&mut answered)).await, Some(b'a'));
    assert_eq!(bounded(proxy.name()).await, Some(b'a'));
}
