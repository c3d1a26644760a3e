//! The relay in this process, over real sockets.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod fixture;

use std::time::Duration;

use fixture::{
    Running, bounded, config, echo, ends_without_a_byte, loopback, read_all, relay_to_listener,
    relayed,
};
use parent_proxy::{DrainReport, Relay};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;
use transport::{Endpoint, Listener, Stream, connect, listen};

/// Time within which an event would happen. Used only to assert that an event does not happen.
const A_WHILE: Duration = Duration::from_millis(300);

fn tcp_address(endpoint: &Endpoint) -> &str {
    let Endpoint::Tcp(address) = endpoint else { panic!("{endpoint} is not TCP") };
    address
}

#[tokio::test]
async fn half_closing_client_gets_its_whole_response() {
    bounded(async {
        let (_running, mut client, mut server) = relayed().await;
        client.write_all(b"question").await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(read_all(&mut server).await, b"question");

        let answer: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let (written, received) = tokio::join!(
            async {
                server.write_all(&answer).await.unwrap();
                server.shutdown().await.unwrap();
            },
            read_all(&mut client)
        );
        assert_eq!(((), answer), (written, received));
    })
    .await;
}

#[tokio::test]
async fn upstream_half_close_keeps_the_other_direction_open() {
    bounded(async {
        let (_running, mut client, mut server) = relayed().await;
        server.write_all(b"goodbye").await.unwrap();
        server.shutdown().await.unwrap();
        assert_eq!(read_all(&mut client).await, b"goodbye");

        for byte in 0..100 {
            client.write_u8(byte).await.unwrap();
            assert_eq!(server.read_u8().await.unwrap(), byte);
        }
        client.shutdown().await.unwrap();
        assert_eq!(read_all(&mut server).await, b"");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn relays_one_byte_writes_unchanged_in_both_directions() {
    const LENGTH: u32 = 1024 * 1024;
    fn bytes(factor: u32) -> Vec<u8> {
        (0..LENGTH).map(|n| n.wrapping_mul(factor).to_be_bytes()[1]).collect()
    }
    async fn exchange(stream: transport::Stream, sent: Vec<u8>) -> Vec<u8> {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let mut received = Vec::new();
        let write = async {
            for byte in sent {
                writer.write_u8(byte).await.unwrap();
            }
            writer.shutdown().await.unwrap();
        };
        let (_, read) = tokio::join!(write, reader.read_to_end(&mut received));
        read.unwrap();
        received
    }
    bounded(async {
        let (_running, client, server) = relayed().await;
        let (from_client, from_server) = (bytes(2_654_435_761), bytes(40_503));
        let at_client = tokio::spawn(exchange(client, from_client.clone()));
        let at_server = tokio::spawn(exchange(server, from_server.clone()));
        assert!(at_client.await.unwrap() == from_server, "upstream to client");
        assert!(at_server.await.unwrap() == from_client, "client to upstream");
    })
    .await;
}

#[tokio::test]
async fn client_that_does_not_read_stalls_the_upstream() {
    // The kernel's buffers of both sockets, which can grow to some MiB each, and the relay's 64 KiB.
    const BOUND: usize = 32 * 1024 * 1024;
    bounded(async {
        let (_running, mut client, mut server) = relayed().await;
        let block = vec![7; 64 * 1024];
        let mut written = 0;
        while let Ok(write) = timeout(A_WHILE, server.write(&block)).await {
            written += write.unwrap();
            assert!(
                written < BOUND,
                "the upstream wrote {written} bytes that the client did not read"
            );
        }

        // All buffered bytes arrive once the client reads.
        drop(server);
        assert_eq!(read_all(&mut client).await.len(), written);
    })
    .await;
}

#[tokio::test]
async fn unreachable_upstream_is_used_once_it_listens() {
    bounded(async {
        let directory = tempfile::tempdir().unwrap();
        let unreachable = Endpoint::Unix(directory.path().join("enclave"));
        let running = Running::start(config(&unreachable)).await;
        for _ in 0..3 {
            assert!(ends_without_a_byte(&mut running.connect().await).await);
        }

        echo(listen(&unreachable).await.unwrap());

        let mut client = running.connect().await;
        client.write_u8(b'x').await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), b'x');
    })
    .await;
}

#[tokio::test]
async fn silent_upstream_closes_client_at_connect_timeout() {
    bounded(async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let full = socket.listen(1).unwrap();
        let address = full.local_addr().unwrap();
        let mut waiting = Vec::new();
        while let Ok(connected) = timeout(A_WHILE, TcpStream::connect(address)).await {
            waiting.push(connected.unwrap());
        }
        let mut config = config(&Endpoint::Tcp(address.to_string()));
        config.connect_timeout = Duration::from_millis(50);

        let running = Running::start(config).await;
        let mut client = running.connect().await;

        assert!(ends_without_a_byte(&mut client).await);
    })
    .await;
}

#[tokio::test]
async fn connections_past_the_limit_wait_for_a_slot() {
    bounded(async {
        let upstream = listen(&loopback()).await.unwrap();
        let mut config = config(upstream.local_endpoint());
        config.max_connections = 2.try_into().unwrap();
        config.max_connections_per_client = None;
        let running = Running::start(config).await;
        let mut served = open_requests(&running, &upstream, 2).await;

        let mut third = running.connect().await;
        third.write_u8(b'x').await.unwrap();
        assert!(timeout(A_WHILE, upstream.accept()).await.is_err(), "served above the limit");

        drop(served.remove(0));
        let mut server = upstream.accept().await.unwrap();
        assert_eq!(server.read_u8().await.unwrap(), b'x');
    })
    .await;
}

#[tokio::test]
async fn shutdown_serves_the_client_that_waits_for_a_slot() {
    bounded(async {
        let upstream = listen(&loopback()).await.unwrap();
        let mut config = config(upstream.local_endpoint());
        config.max_connections = 2.try_into().unwrap();
        config.max_connections_per_client = None;
        let running = Running::start(config).await;
        let served = open_requests(&running, &upstream, 2).await;
        let mut third = running.connect().await;
        third.write_u8(b'x').await.unwrap();
        assert!(timeout(A_WHILE, upstream.accept()).await.is_err(), "served above the limit");

        let stopped = running.stop();
        let mut server = upstream.accept().await.unwrap();
        assert_eq!(server.read_u8().await.unwrap(), b'x');
        server.write_all(b"answer").await.unwrap();
        drop((server, served));
        assert_eq!(read_all(&mut third).await, b"answer");
        assert_eq!(stopped.await.unwrap(), DrainReport { aborted: 0 });
    })
    .await;
}

#[tokio::test]
async fn full_relay_evicts_once_a_response_was_relayed() {
    bounded(async {
        let upstream = listen(&loopback()).await.unwrap();
        let mut config = config(upstream.local_endpoint());
        config.max_connections = 2.try_into().unwrap();
        config.max_connections_per_client = None;
        let running = Running::start(config).await;
        let mut served = open_requests(&running, &upstream, 2).await;

        let mut third = running.connect().await;
        third.write_u8(b'x').await.unwrap();
        assert!(timeout(A_WHILE, upstream.accept()).await.is_err(), "served above the limit");

        let (client, server) = &mut served[1];
        server.write_u8(b'!').await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), b'!');
        let mut third_server = upstream.accept().await.unwrap();
        assert_eq!(third_server.read_u8().await.unwrap(), b'x');
        assert!(ends_without_a_byte(client).await);
        let (client, server) = &mut served[0];
        server.write_u8(b'!').await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), b'!');
    })
    .await;
}

#[tokio::test]
async fn client_reset_closes_the_upstream_connection() {
    bounded(async {
        let (running, upstream) = relay_to_listener().await;
        let client = TcpStream::connect(tcp_address(&running.endpoint)).await.unwrap();
        let mut server = upstream.accept().await.unwrap();
        client.set_zero_linger().unwrap();
        drop(client);
        assert!(ends_without_a_byte(&mut server).await);
    })
    .await;
}

#[tokio::test]
async fn upstream_reset_closes_the_client_connection() {
    bounded(async {
        let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Endpoint::Tcp(upstream.local_addr().unwrap().to_string());
        let running = Running::start(config(&endpoint)).await;
        let mut client = running.connect().await;
        let (server, _) = upstream.accept().await.unwrap();
        server.set_zero_linger().unwrap();
        drop(server);
        assert!(ends_without_a_byte(&mut client).await);
    })
    .await;
}

#[tokio::test]
async fn applies_the_configured_idle_and_total_timeouts() {
    bounded(async {
        let upstream = listen(&loopback()).await.unwrap();
        let short = Duration::from_millis(50);
        let (mut idle, mut total) =
            (config(upstream.local_endpoint()), config(upstream.local_endpoint()));
        idle.idle_timeout = short;
        total.total_timeout = short;
        for config in [idle, total] {
            let running = Running::start(config).await;
            let mut client = running.connect().await;
            let mut server = upstream.accept().await.unwrap();
            assert!(ends_without_a_byte(&mut client).await);
            assert!(ends_without_a_byte(&mut server).await);
        }
    })
    .await;
}

#[tokio::test]
async fn shutdown_closes_listener_and_completes_request_in_flight() {
    bounded(async {
        let (running, mut client, mut server) = relayed().await;
        client.write_u8(b'?').await.unwrap();
        assert_eq!(server.read_u8().await.unwrap(), b'?');
        let endpoint = running.endpoint.clone();

        let stopped = running.stop();
        while connect(&endpoint).await.is_ok() {
            tokio::task::yield_now().await;
        }

        server.write_all(b"answer").await.unwrap();
        drop(server);
        assert_eq!(read_all(&mut client).await, b"answer");
        drop(client);
        assert_eq!(stopped.await.unwrap(), DrainReport { aborted: 0 });
    })
    .await;
}

#[tokio::test]
async fn shutdown_serves_clients_in_the_kernel_queue() {
    const CLIENTS: usize = 200;
    bounded(async {
        let upstream = listen(&loopback()).await.unwrap();
        let relay = Relay::bind(&config(upstream.local_endpoint())).await.unwrap();
        let mut clients = Vec::new();
        for _ in 0..CLIENTS {
            let mut client = connect(relay.local_endpoint()).await.unwrap();
            client.write_u8(b'?').await.unwrap();
            clients.push(client);
        }
        let _echo = echo(upstream);
        let relay = tokio::spawn(relay.run(std::future::ready(())));
        for mut client in clients {
            assert_eq!(client.read_u8().await.unwrap(), b'?');
        }
        assert_eq!(relay.await.unwrap(), DrainReport { aborted: 0 });
    })
    .await;
}

#[tokio::test]
async fn shutdown_aborts_open_connections_at_the_drain_timeout() {
    bounded(async {
        let upstream = listen(&loopback()).await.unwrap();
        let mut config = config(upstream.local_endpoint());
        config.drain_timeout = Duration::from_millis(50);
        let running = Running::start(config).await;
        let mut client = running.connect().await;
        let mut server = upstream.accept().await.unwrap();
        client.write_u8(b'?').await.unwrap();
        assert_eq!(server.read_u8().await.unwrap(), b'?');

        assert_eq!(running.stop().await.unwrap(), DrainReport { aborted: 1 });
        assert!(ends_without_a_byte(&mut client).await);
    })
    .await;
}

/// Opens `count` connections with a request in flight. Returns the ends of each client and its upstream. Each
/// of two threads has half of the connections.
async fn open_requests(
    running: &Running,
    upstream: &Listener,
    count: usize,
) -> Vec<(Stream, Stream)> {
    let mut pairs = Vec::new();
    for _ in 0..count {
        let mut client = running.connect().await;
        let mut server = upstream.accept().await.unwrap();
        client.write_u8(b'?').await.unwrap();
        assert_eq!(server.read_u8().await.unwrap(), b'?');
        pairs.push((client, server));
    }
    pairs
}

#[tokio::test]
async fn shutdown_counts_aborted_connections_of_all_threads() {
    bounded(async {
        let upstream = listen(&loopback()).await.unwrap();
        let mut config = config(upstream.local_endpoint());
        config.drain_timeout = Duration::from_millis(50);
        let running = Running::start(config).await;
        let mut pairs = open_requests(&running, &upstream, 4).await;

        assert_eq!(running.stop().await.unwrap(), DrainReport { aborted: 4 });
        for (client, _) in &mut pairs {
            assert!(ends_without_a_byte(client).await);
        }
    })
    .await;
}

#[tokio::test]
async fn shutdown_waits_for_requests_in_flight_in_all_threads() {
    bounded(async {
        let (running, upstream) = relay_to_listener().await;
        let pairs = open_requests(&running, &upstream, 4).await;
        let stopped = running.stop();
        for (mut client, mut server) in pairs {
            server.write_all(b"answer").await.unwrap();
            drop(server);
            assert_eq!(read_all(&mut client).await, b"answer");
        }
        assert_eq!(stopped.await.unwrap(), DrainReport { aborted: 0 });
    })
    .await;
}

#[tokio::test]
async fn dropping_a_relay_closes_the_connections_of_its_threads() {
    bounded(async {
        let (running, upstream) = relay_to_listener().await;
        let mut pairs = open_requests(&running, &upstream, 4).await;
        running.abandon();
        for (client, server) in &mut pairs {
            assert!(ends_without_a_byte(client).await);
            assert!(ends_without_a_byte(server).await);
        }
    })
    .await;
}
