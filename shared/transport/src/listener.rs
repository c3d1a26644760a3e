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
use super::unix_socket::{self, Access, SocketFile};
use super::{Endpoint, HEARTBEAT_PORT, ListenError, Stream, vsock_mux};

/// Listens on an endpoint. A Unix socket file without a listener is replaced.
///
/// # Errors
/// If listening fails. [`ListenError`] contains the endpoint and a remedy.
pub async fn listen(endpoint: &Endpoint) -> Result<Listener, ListenError> {
    let io_error = |source| ListenError::Io { endpoint: endpoint.clone(), source };
    match endpoint {
        Endpoint::Tcp(address) => listen_tcp(address).await.map_err(io_error),
        Endpoint::Vsock { port: HEARTBEAT_PORT, .. }
        | Endpoint::VsockMux { port: HEARTBEAT_PORT, .. } => Err(ListenError::HeartbeatPort),
        Endpoint::Vsock { cid, port } => listen_vsock(*cid, *port).map_err(io_error),
        Endpoint::VsockMux { path, port } => {
            let (listener, file) = listen_vsock_mux(path, *port).await?;
            let socket = ListenerSocket::VsockMux { listener, file: Some(file) };
            Ok(Listener { socket, local: endpoint.clone() })
        }
        Endpoint::Unix(path) => {
            let (listener, file) = unix_socket::listen(path, Access::Umask).await?;
            let socket = ListenerSocket::Unix { listener, file: Some(file) };
            Ok(Listener { socket, local: endpoint.clone() })
        }
    }
}

/// Listens on a Unix socket with mode 0600: only processes of the same user can connect, and root.
///
/// # Errors
/// If listening fails. [`ListenError`] contains the endpoint and a remedy.
pub async fn listen_private(path: &Path) -> Result<Listener, ListenError> {
    let (listener, file) = unix_socket::listen(path, Access::Owner).await?;
    let socket = ListenerSocket::Unix { listener, file: Some(file) };
    Ok(Listener { socket, local: Endpoint::Unix(path.to_owned()) })
}

impl Listener {
    /// Creates a listener from a TCP socket on which another process listened, such as systemd.
    ///
    /// # Errors
    /// If `listener` is a connection and not a listening socket, if a socket option cannot be set, or if the
    /// socket cannot be registered with the runtime.
    pub fn from_inherited_tcp(listener: net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        // Accepted connections inherit TCP_NODELAY from the listener. The standard library can set it only
        // through the type of a stream.
        let stream = net::TcpStream::from(OwnedFd::from(listener));
        if stream.peer_addr().is_ok() {
            // systemd passes a connection if the unit has Accept=yes.
            return Err(io::Error::other("the socket is a connection, not a listener"));
        }
        stream.set_nodelay(true)?;
        let listener = TcpListener::from_std(OwnedFd::from(stream).into())?;
        let local = Endpoint::Tcp(listener.local_addr()?.to_string());
        Ok(Self { socket: ListenerSocket::Tcp(listener), local })
    }
}

impl Listener {
    /// Creates a listener from the listening socket that another process bound to `endpoint`.
    ///
    /// A socket's file belongs to the other process, so dropping the listener does not remove it.
    ///
    /// # Errors
    /// If the descriptor is not a listening socket, or cannot be registered with the runtime.
    pub fn from_inherited(descriptor: OwnedFd, endpoint: &Endpoint) -> io::Result<Self> {
        let unix = |descriptor| {
            let listener = unix::net::UnixListener::from(descriptor);
            listener.set_nonblocking(true)?;
            UnixListener::from_std(listener)
        };
        let socket = match endpoint {
            Endpoint::Tcp(_) => return Self::from_inherited_tcp(descriptor.into()),
            Endpoint::Unix(_) => ListenerSocket::Unix { listener: unix(descriptor)?, file: None },
            Endpoint::VsockMux { .. } => {
                ListenerSocket::VsockMux { listener: unix(descriptor)?, file: None }
            }
            Endpoint::Vsock { .. } => return Self::from_vsock(descriptor.into()),
        };
        Ok(Self { socket, local: endpoint.clone() })
    }

    /// Takes the socket's file, if there is one. The caller then decides when to remove it.
    pub fn take_socket_file(&mut self) -> Option<SocketFile> {
        match &mut self.socket {
            ListenerSocket::Unix { file, .. } | ListenerSocket::VsockMux { file, .. } => {
                file.take()
            }
            ListenerSocket::Tcp(_) | ListenerSocket::Vsock(_) => None,
        }
    }

    fn from_vsock(listener: VsockListener) -> io::Result<Self> {
        let bound = listener.local_addr()?;
        let local = Endpoint::Vsock { cid: bound.cid(), port: bound.port() };
        Ok(Self { socket: ListenerSocket::Vsock(listener), local })
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.socket {
            ListenerSocket::Tcp(listener) => listener.as_fd(),
            ListenerSocket::Unix { listener, .. } | ListenerSocket::VsockMux { listener, .. } => {
                listener.as_fd()
            }
            ListenerSocket::Vsock(listener) => listener.as_fd(),
        }
    }
}

/// A listening socket of any of the four kinds.
#[derive(Debug)]
pub struct Listener {
    socket: ListenerSocket,
    local: Endpoint,
}

#[derive(Debug)]
enum ListenerSocket {
    Tcp(TcpListener),
    Unix { listener: UnixListener, file: Option<SocketFile> },
    Vsock(VsockListener),
    VsockMux { listener: UnixListener, file: Option<SocketFile> },
}

impl Listener {
    /// Returns the next connection. Cancel-safe: dropping the future loses no connection.
    ///
    /// # Errors
    /// The errors of accept(2): the process has no free descriptors, or a connection ended before it was
    /// accepted. The listener stays usable.
    pub async fn accept(&self) -> io::Result<Stream> {
        let socket = match &self.socket {
            ListenerSocket::Tcp(listener) => Socket::Tcp(listener.accept().await?.0),
            ListenerSocket::Unix { listener, .. } => Socket::Unix(listener.accept().await?.0),
            ListenerSocket::Vsock(listener) => Socket::Vsock(listener.accept().await?.0),
            ListenerSocket::VsockMux { listener, .. } => {
                Socket::VsockMux(listener.accept().await?.0)
            }
        };
        Ok(Stream::new(socket))
    }

    /// Returns the listener's endpoint. If port 0 was requested, it has the port that the kernel chose.
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
                return Ok(Listener { socket: ListenerSocket::Tcp(listener), local });
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Without SO_REUSEADDR, a restart fails while old connections are in TIME_WAIT.
    socket.set_reuseaddr(true)?;
    // Nagle's algorithm has no benefit, because each small request waits for its response. On Linux, accepted
    // connections inherit TCP_NODELAY from the listener, which saves a system call per connection.
    socket.set_nodelay(true)?;
    socket.bind(address)?;
    socket.listen(LISTEN_BACKLOG)
}

fn listen_vsock(cid: u32, port: u32) -> io::Result<Listener> {
    Listener::from_vsock(VsockListener::bind(VsockAddr::new(cid, port))?)
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
    unix_socket::listen(&path, Access::Umask).await
}

#[cfg(test)]
#[path = "listener_tests.rs"]
mod tests;
