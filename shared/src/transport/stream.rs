use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_vsock::{VsockAddr, VsockStream};

use super::{ConnectError, Endpoint};

/// Connects to an endpoint. There is no deadline here: the caller has one.
///
/// # Errors
/// [`ConnectError`] names the endpoint and what to do.
pub async fn connect(endpoint: &Endpoint) -> Result<Stream, ConnectError> {
    open(endpoint).await.map_err(|source| ConnectError { endpoint: endpoint.clone(), source })
}

/// An open connection of any of the three kinds.
#[derive(Debug)]
pub struct Stream(Socket);

#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
    Vsock(VsockStream),
}

impl Stream {
    /// The context identifier of a vsock peer, which the hypervisor vouches for; `None` on TCP and
    /// Unix.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn peer_cid(&self) -> io::Result<Option<u32>> {
        match &self.0 {
            Socket::Tcp(_) | Socket::Unix(_) => Ok(None),
            Socket::Vsock(stream) => stream.peer_addr().map(|peer| Some(peer.cid())),
        }
    }

    pub(super) fn new(socket: Socket) -> Self {
        Self(socket)
    }

    #[cfg(test)]
    pub(super) fn into_socket(self) -> Socket {
        self.0
    }
}

async fn open(endpoint: &Endpoint) -> io::Result<Stream> {
    let socket = match endpoint {
        Endpoint::Tcp(address) => {
            let stream = TcpStream::connect(address).await?;
            // Requests are small and each waits for its answer: Nagle's delay buys nothing.
            stream.set_nodelay(true)?;
            Socket::Tcp(stream)
        }
        Endpoint::Unix(path) => Socket::Unix(UnixStream::connect(path).await?),
        Endpoint::Vsock { cid, port } => {
            Socket::Vsock(VsockStream::connect(VsockAddr::new(*cid, *port)).await?)
        }
    };
    Ok(Stream(socket))
}

/// Calls the same method of whichever socket it is.
macro_rules! delegate {
    ($stream:expr, $method:ident($($argument:expr),*)) => {
        match &mut $stream.get_mut().0 {
            Socket::Tcp(socket) => Pin::new(socket).$method($($argument),*),
            Socket::Unix(socket) => Pin::new(socket).$method($($argument),*),
            Socket::Vsock(socket) => Pin::new(socket).$method($($argument),*),
        }
    };
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
        delegate!(self, poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        delegate!(self, poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.0 {
            Socket::Tcp(socket) => socket.is_write_vectored(),
            Socket::Unix(socket) => socket.is_write_vectored(),
            Socket::Vsock(socket) => socket.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, poll_shutdown(cx))
    }
}
