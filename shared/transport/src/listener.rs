use std::io;
use std::net::{self, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix;
use std::path::Path;

use tokio::net::{TcpListener, TcpSocket, UnixListener, lookup_host};
use tokio_vsock::{VsockAddr, VsockListener};

use super::endpoint::MAX_UNIX_PATH;
use super::limits::LISTEN_BACKLOG;
use super::stream::Socket;
use super::unix_socket::{self, SocketFile};
use super::{Endpoint, HEARTBEAT_PORT, ListenError, Stream, vsock_mux};

/// Listens on an endpoint. An abandoned Unix socket file is replaced, a live one is not.
///
/// # Errors
/// [`ListenError`] names the endpoint and what to do.
pub async fn listen(endpoint: &Endpoint) -> Result<Listener, ListenError> {
    let io_error = |source| ListenError::Io { endpoint: endpoint.clone(), source };
    match endpoint {
        Endpoint::Tcp(address) => listen_tcp(address).await.map_err(io_error),
        Endpoint::Vsock { port: HEARTBEAT_PORT, .. }
        | Endpoint::VsockMux { port: HEARTBEAT_PORT, .. } => Err(ListenError::HeartbeatPort),
        Endpoint::Vsock { cid, port } => listen_vsock(*cid, *port).map_err(io_error),
        Endpoint::VsockMux { path, port } => {
            let (listener, file) = listen_vsock_mux(path, *port).await?;
            let acceptor = Acceptor::VsockMux { listener, file: Some(file) };
            Ok(Listener { acceptor, local: endpoint.clone() })
        }
        Endpoint::Unix(path) => {
            let (listener, file) = unix_socket::listen(path).await?;
            let acceptor = Acceptor::Unix { listener, file: Some(file) };
            Ok(Listener { acceptor, local: endpoint.clone() })
        }
    }
}

impl Listener {
    /// One on which another process has listened, such as systemd.
    ///
    /// # Errors
    /// When the runtime does not take it, or it is none.
    pub fn inherited(listener: net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        // Of a listener it is asked by the type of a stream; what is accepted has it from there.
        let stream = net::TcpStream::from(OwnedFd::from(listener));
        if stream.peer_addr().is_ok() {
            // With Accept=yes, for one. Nothing could ever be accepted from it.
            return Err(io::Error::other("it is a client's connection, and no listener"));
        }
        stream.set_nodelay(true)?;
        let listener = TcpListener::from_std(OwnedFd::from(stream).into())?;
        let local = Endpoint::Tcp(listener.local_addr()?.to_string());
        Ok(Self { acceptor: Acceptor::Tcp(listener), local })
    }
}

impl Listener {
    /// Adopts the listening socket that another process has bound to `endpoint`. A socket's file stays the
    /// other process's: it is not removed when this is dropped.
    ///
    /// # Errors
    /// If the descriptor is no listening socket, or the runtime does not take it.
    pub fn adopt(descriptor: OwnedFd, endpoint: &Endpoint) -> io::Result<Self> {
        let unix = |descriptor| {
            let listener = unix::net::UnixListener::from(descriptor);
            listener.set_nonblocking(true)?;
            UnixListener::from_std(listener)
        };
        let acceptor = match endpoint {
            Endpoint::Tcp(_) => return Self::inherited(descriptor.into()),
            Endpoint::Unix(_) => Acceptor::Unix { listener: unix(descriptor)?, file: None },
            Endpoint::VsockMux { .. } => {
                Acceptor::VsockMux { listener: unix(descriptor)?, file: None }
            }
            Endpoint::Vsock { .. } => return Self::of_vsock(descriptor.into()),
        };
        Ok(Self { acceptor, local: endpoint.clone() })
    }

    /// Takes the socket's file, if there is one: the caller then decides when to remove it.
    pub fn take_file(&mut self) -> Option<SocketFile> {
        match &mut self.acceptor {
            Acceptor::Unix { file, .. } | Acceptor::VsockMux { file, .. } => file.take(),
            Acceptor::Tcp(_) | Acceptor::Vsock(_) => None,
        }
    }

    fn of_vsock(listener: VsockListener) -> io::Result<Self> {
        let bound = listener.local_addr()?;
        let local = Endpoint::Vsock { cid: bound.cid(), port: bound.port() };
        Ok(Self { acceptor: Acceptor::Vsock(listener), local })
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.acceptor {
            Acceptor::Tcp(listener) => listener.as_fd(),
            Acceptor::Unix { listener, .. } | Acceptor::VsockMux { listener, .. } => {
                listener.as_fd()
            }
            Acceptor::Vsock(listener) => listener.as_fd(),
        }
    }
}

/// A listening socket of any of the four kinds.
#[derive(Debug)]
pub struct Listener {
    acceptor: Acceptor,
    local: Endpoint,
}

#[derive(Debug)]
enum Acceptor {
    Tcp(TcpListener),
    Unix { listener: UnixListener, file: Option<SocketFile> },
    Vsock(VsockListener),
    VsockMux { listener: UnixListener, file: Option<SocketFile> },
}

impl Listener {
    /// The next connection. Cancel-safe: dropping the future loses none.
    ///
    /// # Errors
    /// As accept(2): the process is out of descriptors, or one connection broke before it was
    /// accepted. The listener stays usable.
    pub async fn accept(&self) -> io::Result<Stream> {
        let socket = match &self.acceptor {
            Acceptor::Tcp(listener) => Socket::Tcp(listener.accept().await?.0),
            Acceptor::Unix { listener, .. } => Socket::Unix(listener.accept().await?.0),
            Acceptor::Vsock(listener) => Socket::Vsock(listener.accept().await?.0),
            Acceptor::VsockMux { listener, .. } => Socket::VsockMux(listener.accept().await?.0),
        };
        Ok(Stream::new(socket))
    }

    /// Where this listens, with the port the kernel chose where that was left to it.
    pub fn local_endpoint(&self) -> &Endpoint {
        &self.local
    }
}

async fn listen_tcp(address: &str) -> io::Result<Listener> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host name has no address");
    for address in lookup_host(address).await? {
        match bind_tcp(address) {
            Ok(listener) => {
                let local = Endpoint::Tcp(listener.local_addr()?.to_string());
                return Ok(Listener { acceptor: Acceptor::Tcp(listener), local });
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restart must not wait for the old connections' TIME_WAIT.
    socket.set_reuseaddr(true)?;
    // Requests are small and each waits for its answer: Nagle's delay buys nothing. On Linux what is
    // accepted has it from the listener, which saves each connection the call.
    socket.set_nodelay(true)?;
    socket.bind(address)?;
    socket.listen(LISTEN_BACKLOG)
}

fn listen_vsock(cid: u32, port: u32) -> io::Result<Listener> {
    Listener::of_vsock(VsockListener::bind(VsockAddr::new(cid, port))?)
}

async fn listen_vsock_mux(
    path: &Path,
    port: u32,
) -> Result<(UnixListener, SocketFile), ListenError> {
    let path = vsock_mux::listening_path(path, port);
    let length = path.as_os_str().len();
    if length > MAX_UNIX_PATH {
        return Err(ListenError::UnixPathTooLong { path, length });
    }
    unix_socket::listen(&path).await
}

#[cfg(test)]
mod tests {
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
    async fn one_of_another_process_is_like_its_own() {
        let other = net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = other.local_addr().unwrap();
        let listener = Listener::inherited(other).unwrap();
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
    async fn a_connection_is_not_inherited_as_a_listener() {
        let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let error = Listener::inherited(OwnedFd::from(client).into()).unwrap_err();
        assert!(error.to_string().contains("no listener"), "{error}");
        Listener::inherited(listener).unwrap();
    }

    #[tokio::test]
    async fn adopted_listener_accepts_and_leaves_the_socket_file() {
        let directory = tempfile::tempdir().unwrap();
        for endpoint in [
            Endpoint::Tcp("127.0.0.1:0".to_owned()),
            Endpoint::Unix(directory.path().join("s")),
            Endpoint::VsockMux { path: directory.path().join("m"), port: 5000 },
        ] {
            let mut first = listen(&endpoint).await.unwrap();
            let passed = first.as_fd().try_clone_to_owned().unwrap();
            let file = first.take_file();
            let second = Listener::adopt(passed, &endpoint).unwrap();
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
                assert!(SocketFile::of(&endpoint).is_some_and(|file| {
                    file.leave();
                    true
                }));
                drop(file);
                assert!(SocketFile::of(&endpoint).is_none());
            }
        }
    }

    #[tokio::test]
    async fn local_endpoint_tells_the_port_the_kernel_chose() {
        let listener = listen(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
        let Endpoint::Tcp(address) = listener.local_endpoint() else { panic!("not TCP") };
        assert_ne!(address.parse::<SocketAddr>().unwrap().port(), 0);
    }

    #[tokio::test]
    async fn an_occupied_port_is_an_error_that_names_the_endpoint() {
        let listener = listen(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
        let taken = listener.local_endpoint();

        let error = listen(taken).await.unwrap_err();

        let text = error.to_string();
        assert!(text.contains(&taken.to_string()) && text.contains("stop it or choose"), "{text}");
        let ListenError::Io { source, .. } = error else { panic!("{error:?}") };
        assert_eq!(source.kind(), io::ErrorKind::AddrInUse);
    }

    #[tokio::test]
    async fn a_refused_connection_is_an_error_that_names_the_endpoint() {
        let directory = tempfile::tempdir().unwrap();
        let absent = Endpoint::Unix(directory.path().join("absent"));

        let error = connect(&absent).await.unwrap_err();

        assert_eq!(error.endpoint, absent);
        assert_eq!(error.source.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().contains(&absent.to_string()));
    }

    #[tokio::test]
    async fn refuses_to_listen_on_the_heartbeat_port() {
        let directory = tempfile::tempdir().unwrap();
        let multiplexed = Endpoint::VsockMux { path: directory.path().join("s"), port: 9000 };
        for endpoint in [Endpoint::Vsock { cid: u32::MAX, port: 9000 }, multiplexed] {
            let error = listen(&endpoint).await.unwrap_err();
            assert!(matches!(error, ListenError::HeartbeatPort));
        }
    }

    #[tokio::test]
    async fn listens_beside_a_multiplexer_for_what_the_guest_opens() {
        let directory = tempfile::tempdir().unwrap();
        let endpoint = Endpoint::VsockMux { path: directory.path().join("s"), port: 5000 };
        let listener = listen(&endpoint).await.unwrap();
        assert_eq!(listener.local_endpoint(), &endpoint);
        let beside = directory.path().join("s_5000");

        // The multiplexer sends no line of its own: the first byte is the guest's.
        let mut guest = UnixStream::connect(&beside).await.unwrap();
        guest.write_all(b"question").await.unwrap();
        let mut received = [0; 8];
        listener.accept().await.unwrap().read_exact(&mut received).await.unwrap();
        assert_eq!(&received, b"question");

        drop(listener);
        assert!(!beside.exists());
    }

    #[tokio::test]
    async fn refuses_a_multiplexer_path_that_is_too_long_with_its_port() {
        let directory = tempfile::tempdir().unwrap();
        let base = directory.path().join("a");
        let fits = 107 - "_5000".len();
        let padding = "a".repeat(fits - base.as_os_str().len());
        let mut path = base.into_os_string();
        path.push(padding);
        listen(&Endpoint::VsockMux { path: path.clone().into(), port: 5000 }).await.unwrap();

        let error =
            listen(&Endpoint::VsockMux { path: path.into(), port: 50_000 }).await.unwrap_err();

        assert!(matches!(error, ListenError::UnixPathTooLong { length: 108, .. }), "{error:?}");
        assert!(error.to_string().contains("at most 107, with the port"), "{error}");
    }

    /// Whether a machine has vsock differs; either way the answer is a value that names it.
    #[tokio::test]
    async fn listening_on_vsock_works_or_says_which_endpoint_failed() {
        let endpoint = Endpoint::Vsock { cid: u32::MAX, port: 52_011 };
        match listen(&endpoint).await {
            Ok(listener) => assert_eq!(listener.local_endpoint(), &endpoint),
            Err(error) => assert!(error.to_string().contains(&endpoint.to_string())),
        }
    }
}
