use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::super::connect;
use super::*;

async fn carries_bytes_both_ways(endpoint: &Endpoint) {
    let listener = listen(endpoint).await.unwrap();
    let exchange = async {
        let mut client = connect(listener.local_endpoint()).await.unwrap();
        let mut server = listener.accept().await.unwrap();
        for stream in [&client, &server] {
            assert_eq!(stream.peer_cid().unwrap(), None);
        }
        client.write_all(b"question").await.unwrap();
        client.shutdown().await.unwrap();
        let mut received = Vec::new();
        server.read_to_end(&mut received).await.unwrap();
        assert_eq!(received, b"question");
        server.write_all(b"answer").await.unwrap();
        drop(server);
        received.clear();
        client.read_to_end(&mut received).await.unwrap();
        assert_eq!(received, b"answer");
    };
    timeout(Duration::from_secs(10), exchange).await.unwrap();
}

#[tokio::test]
async fn tcp_carries_bytes_and_half_closes_both_ways() {
    carries_bytes_both_ways(&Endpoint::Tcp("127.0.0.1:0".to_owned())).await;
}

#[tokio::test]
async fn unix_carries_bytes_and_half_closes_both_ways() {
    let directory = tempfile::tempdir().unwrap();
    carries_bytes_both_ways(&Endpoint::Unix(directory.path().join("s"))).await;
}

#[tokio::test]
async fn tcp_sets_nodelay_on_both_ends() {
    let listener = listen(&Endpoint::Tcp("127.0.0.1:0".to_owned())).await.unwrap();
    let client = connect(listener.local_endpoint()).await.unwrap();
    let server = listener.accept().await.unwrap();
    for stream in [client, server] {
        let Socket::Tcp(stream) = stream.into_socket() else { panic!("not TCP") };
        assert!(stream.nodelay().unwrap());
    }
}

#[tokio::test]
async fn inherited_listener_accepts_connections() {
    let other = net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap();
    let listener = Listener::from_inherited_tcp(other).unwrap();
    assert_eq!(listener.local_endpoint(), &Endpoint::Tcp(address.to_string()));
    let client = connect(listener.local_endpoint()).await.unwrap();
    let server = listener.accept().await.unwrap();
    assert_eq!(server.local_address(), Some(address));
    assert_eq!(server.peer_address(), client.local_address());
    assert!(server.peer_address().is_some());
    let Socket::Tcp(stream) = server.into_socket() else { panic!("not TCP") };
    assert!(stream.nodelay().unwrap());
}

#[tokio::test]
async fn rejects_inherited_connection() {
    let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
    let client = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let error = Listener::from_inherited_tcp(OwnedFd::from(client).into()).unwrap_err();
    assert!(error.to_string().contains("not a listener"), "{error}");
    Listener::from_inherited_tcp(listener).unwrap();
}

#[tokio::test]
async fn inherited_listener_keeps_the_socket_file() {
    let directory = tempfile::tempdir().unwrap();
    for endpoint in [
        Endpoint::Tcp("127.0.0.1:0".to_owned()),
        Endpoint::Unix(directory.path().join("s")),
        Endpoint::VsockMux { path: directory.path().join("m"), port: 5000 },
    ] {
        let mut first = listen(&endpoint).await.unwrap();
        let passed = first.as_fd().try_clone_to_owned().unwrap();
        let file = first.take_socket_file();
        let second = Listener::from_inherited(passed, &endpoint).unwrap();
        assert_eq!(second.local_endpoint(), first.local_endpoint());
        drop(first);

        let at = match &file {
            None => second.local_endpoint().clone(),
            Some(_) if matches!(endpoint, Endpoint::Unix(_)) => endpoint.clone(),
            Some(_) => Endpoint::Unix(directory.path().join("m_5000")),
        };
        let (client, server) = tokio::join!(connect(&at), second.accept());
        client.unwrap();
        server.unwrap();
        drop(second);
        if let Some(file) = file {
            connect(&at).await.expect_err("nobody listens");
            assert!(SocketFile::for_endpoint(&endpoint).is_some_and(|file| {
                file.keep();
                true
            }));
            drop(file);
            assert!(SocketFile::for_endpoint(&endpoint).is_none());
        }
    }
}

#[tokio::test]
async fn local_endpoint_has_the_chosen_port() {
    let listener = listen(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
    let Endpoint::Tcp(address) = listener.local_endpoint() else { panic!("not TCP") };
    assert_ne!(address.parse::<SocketAddr>().unwrap().port(), 0);
}

#[tokio::test]
async fn error_of_occupied_port_names_the_endpoint() {
    let listener = listen(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
    let taken = listener.local_endpoint();

    let error = listen(taken).await.unwrap_err();

    let text = error.to_string();
    assert!(text.contains(&taken.to_string()) && text.contains("stop it or choose"), "{text}");
    let ListenError::Io { source, .. } = error else { panic!("{error:?}") };
    assert_eq!(source.kind(), io::ErrorKind::AddrInUse);
}

#[tokio::test]
async fn error_of_refused_connection_names_the_endpoint() {
    let directory = tempfile::tempdir().unwrap();
    let absent = Endpoint::Unix(directory.path().join("absent"));

    let error = connect(&absent).await.unwrap_err();

    assert_eq!(error.endpoint, absent);
    assert_eq!(error.source.kind(), io::ErrorKind::NotFound);
    assert!(error.to_string().contains(&absent.to_string()));
}

#[tokio::test]
async fn rejects_listening_on_the_heartbeat_port() {
    let directory = tempfile::tempdir().unwrap();
    let multiplexed = Endpoint::VsockMux { path: directory.path().join("s"), port: 9000 };
    for endpoint in [Endpoint::Vsock { cid: u32::MAX, port: 9000 }, multiplexed] {
        let error = listen(&endpoint).await.unwrap_err();
        assert!(matches!(error, ListenError::HeartbeatPort));
    }
}

#[tokio::test]
async fn accepts_guest_connections_of_a_multiplexer() {
    let directory = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::VsockMux { path: directory.path().join("s"), port: 5000 };
    let listener = listen(&endpoint).await.unwrap();
    assert_eq!(listener.local_endpoint(), &endpoint);
    let beside = directory.path().join("s_5000");

    // The multiplexer sends no line, so the first byte is the guest's.
    let mut guest = UnixStream::connect(&beside).await.unwrap();
    guest.write_all(b"question").await.unwrap();
    let mut received = [0; 8];
    listener.accept().await.unwrap().read_exact(&mut received).await.unwrap();
    assert_eq!(&received, b"question");

    drop(listener);
    assert!(!beside.exists());
}

#[tokio::test]
async fn rejects_multiplexer_path_too_long_with_port() {
    let directory = tempfile::tempdir().unwrap();
    let base = directory.path().join("a");
    let fits = 107 - "_5000".len();
    let padding = "a".repeat(fits - base.as_os_str().len());
    let mut path = base.into_os_string();
    path.push(padding);
    listen(&Endpoint::VsockMux { path: path.clone().into(), port: 5000 }).await.unwrap();

    let error = listen(&Endpoint::VsockMux { path: path.into(), port: 50_000 }).await.unwrap_err();

    assert!(matches!(error, ListenError::UnixPathTooLong { length: 108, .. }), "{error:?}");
    assert!(error.to_string().contains("at most 107 bytes with the port"), "{error}");
}

/// Listening succeeds only on machines with vsock. Both results contain the endpoint.
#[tokio::test]
async fn listens_on_vsock_or_names_the_endpoint() {
    let endpoint = Endpoint::Vsock { cid: u32::MAX, port: 52_011 };
    match listen(&endpoint).await {
        Ok(listener) => assert_eq!(listener.local_endpoint(), &endpoint),
        Err(error) => assert!(error.to_string().contains(&endpoint.to_string())),
    }
}
