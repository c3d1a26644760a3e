use std::future::pending;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_vsock::{VsockAddr, VsockStream};

use super::limits::MAX_VSOCK_WRITE;
use super::{ConnectError, Endpoint, vsock_mux};

/// Connects to an endpoint. The caller sets the deadline.
///
/// # Errors
/// If the connection fails. [`ConnectError`] contains the endpoint and a remedy.
pub async fn connect(endpoint: &Endpoint) -> Result<Stream, ConnectError> {
    open(endpoint).await.map_err(|source| ConnectError { endpoint: endpoint.clone(), source })
}

/// An open connection of any of the four kinds.
#[derive(Debug)]
pub struct Stream(Socket);

#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
    Vsock(VsockStream),
    VsockMux(UnixStream),
}

impl Stream {
    /// Returns the context identifier of a vsock peer, which the hypervisor guarantees.
    ///
    /// Returns `None` for TCP, Unix sockets and multiplexed vsock.
    ///
    /// # Errors
    /// If the connection has ended.
    pub fn peer_cid(&self) -> io::Result<Option<u32>> {
        match &self.0 {
            Socket::Tcp(_) | Socket::Unix(_) | Socket::VsockMux(_) => Ok(None),
            Socket::Vsock(stream) => stream.peer_addr().map(|peer| Some(peer.cid())),
        }
    }

    /// Returns the user of the process that connected to a Unix socket, which the kernel guarantees.
    ///
    /// Returns `None` for other kinds.
    ///
    /// # Errors
    /// If the kernel does not tell the user.
    pub fn peer_uid(&self) -> io::Result<Option<u32>> {
        match &self.0 {
            Socket::Unix(stream) => stream.peer_cred().map(|peer| Some(peer.uid())),
            Socket::Tcp(_) | Socket::Vsock(_) | Socket::VsockMux(_) => Ok(None),
        }
    }

    /// Returns the address of a TCP peer. Returns `None` for other kinds, and if the connection has ended.
    pub fn peer_address(&self) -> Option<SocketAddr> {
        match &self.0 {
            Socket::Tcp(stream) => stream.peer_addr().ok(),
            Socket::Unix(_) | Socket::Vsock(_) | Socket::VsockMux(_) => None,
        }
    }

    /// Returns the local address of a TCP connection. Returns `None` for other kinds.
    pub fn local_address(&self) -> Option<SocketAddr> {
        match &self.0 {
            Socket::Tcp(stream) => stream.local_addr().ok(),
            Socket::Unix(_) | Socket::Vsock(_) | Socket::VsockMux(_) => None,
        }
    }

    /// Waits until a TCP peer has sent bytes or has closed the connection. The bytes stay unread.
    ///
    /// The future is never ready for other kinds of streams.
    ///
    /// # Errors
    /// The errors of recv(2).
    pub async fn peek(&self) -> io::Result<usize> {
        match &self.0 {
            // Readiness may be spurious, so this reads without consuming.
            Socket::Tcp(stream) => stream.peek(&mut [0]).await,
            Socket::Unix(_) | Socket::Vsock(_) | Socket::VsockMux(_) => pending().await,
        }
    }

    pub(super) fn new(socket: Socket) -> Self {
        Self(socket)
    }

    /// Returns the maximum length of one write, in bytes.
    fn max_write_length(&self) -> usize {
        match &self.0 {
            Socket::Tcp(_) | Socket::Unix(_) => usize::MAX,
            Socket::Vsock(_) | Socket::VsockMux(_) => MAX_VSOCK_WRITE,
        }
    }

    pub(super) fn into_socket(self) -> Socket {
        self.0
    }
}

async fn open(endpoint: &Endpoint) -> io::Result<Stream> {
    let socket = match endpoint {
        Endpoint::Tcp(address) => {
            let stream = TcpStream::connect(address).await?;
            // Nagle's algorithm has no benefit, because each small request waits for its response.
            stream.set_nodelay(true)?;
            Socket::Tcp(stream)
        }
        Endpoint::Unix(path) => Socket::Unix(UnixStream::connect(path).await?),
        Endpoint::Vsock { cid, port } => {
            Socket::Vsock(VsockStream::connect(VsockAddr::new(*cid, *port)).await?)
        }
        Endpoint::VsockMux { path, port } => {
            Socket::VsockMux(vsock_mux::connect(path, *port).await?)
        }
    };
    Ok(Stream(socket))
}

/// Calls the method of the stream's socket.
macro_rules! delegate {
    ($stream:expr, $method:ident($($argument:expr),*)) => {
        match &mut $stream.get_mut().0 {
            Socket::Tcp(socket) => Pin::new(socket).$method($($argument),*),
            Socket::Unix(socket) => Pin::new(socket).$method($($argument),*),
            Socket::Vsock(socket) => Pin::new(socket).$method($($argument),*),
            Socket::VsockMux(socket) => Pin::new(socket).$method($($argument),*),
        }
    };
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.0 {
            Socket::Tcp(stream) => stream.as_fd(),
            Socket::Unix(stream) | Socket::VsockMux(stream) => stream.as_fd(),
            Socket::Vsock(stream) => stream.as_fd(),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        delegate!(self, poll_read(cx, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let bytes = bytes.get(..self.max_write_length()).unwrap_or(bytes);
        delegate!(self, poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match bounded_write(slices, self.max_write_length()) {
            BoundedWrite::Vectored(slices) => delegate!(self, poll_write_vectored(cx, slices)),
            BoundedWrite::Single(bytes) => delegate!(self, poll_write(cx, bytes)),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.0 {
            Socket::Tcp(socket) => socket.is_write_vectored(),
            Socket::Unix(socket) => socket.is_write_vectored(),
            Socket::Vsock(socket) => socket.is_write_vectored(),
            Socket::VsockMux(socket) => socket.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, poll_shutdown(cx))
    }
}

/// The part of several slices that one write of limited length can write.
enum BoundedWrite<'a> {
    Vectored(&'a [IoSlice<'a>]),
    Single(&'a [u8]),
}

fn bounded_write<'a>(slices: &'a [IoSlice<'a>], bound: usize) -> BoundedWrite<'a> {
    let mut room = bound;
    for (index, slice) in slices.iter().enumerate() {
        match room.checked_sub(slice.len()) {
            Some(left) => room = left,
            // Only empty slices precede this slice.
            None if room == bound => {
                return BoundedWrite::Single(slice.get(..bound).unwrap_or(slice));
            }
            None => return BoundedWrite::Vectored(slices.get(..index).unwrap_or(slices)),
        }
    }
    BoundedWrite::Vectored(slices)
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
