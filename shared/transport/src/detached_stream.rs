//! Open connections that move from one runtime to another.

use std::io;
use std::net;
use std::os::fd::OwnedFd;
use std::os::unix::net as unix;

use tokio::net::{TcpStream, UnixStream};
use tokio_vsock::VsockStream;

use super::Stream;
use super::stream::Socket;

/// An open connection that is not registered with a runtime.
///
/// A [`Stream`] stays registered with the runtime that opened it. If another runtime reads the stream, every
/// read also wakes the first runtime.
#[derive(Debug)]
pub struct DetachedStream(DetachedSocket);

#[derive(Debug)]
enum DetachedSocket {
    Tcp(net::TcpStream),
    Unix(unix::UnixStream),
    Vsock(OwnedFd),
    VsockMux(unix::UnixStream),
}

impl Stream {
    /// Deregisters the connection from its runtime.
    ///
    /// # Errors
    /// If deregistration fails. Then the connection is closed.
    pub fn detach(self) -> io::Result<DetachedStream> {
        Ok(DetachedStream(match self.into_socket() {
            Socket::Tcp(stream) => DetachedSocket::Tcp(stream.into_std()?),
            Socket::Unix(stream) => DetachedSocket::Unix(stream.into_std()?),
            Socket::Vsock(stream) => DetachedSocket::Vsock(stream.into()),
            Socket::VsockMux(stream) => DetachedSocket::VsockMux(stream.into_std()?),
        }))
    }
}

impl DetachedStream {
    /// Registers the connection with the caller's runtime.
    ///
    /// # Errors
    /// If registration fails because the kernel is out of memory. Then the connection is closed.
    pub fn attach(self) -> io::Result<Stream> {
        Ok(Stream::new(match self.0 {
            DetachedSocket::Tcp(stream) => Socket::Tcp(TcpStream::from_std(stream)?),
            DetachedSocket::Unix(stream) => Socket::Unix(UnixStream::from_std(stream)?),
            DetachedSocket::Vsock(descriptor) => {
                Socket::Vsock(VsockStream::new(vsock::VsockStream::from(descriptor))?)
            }
            DetachedSocket::VsockMux(stream) => Socket::VsockMux(UnixStream::from_std(stream)?),
        }))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::runtime::{Builder, Runtime};
    use tokio::task::JoinHandle;

    use super::*;

    fn runtime() -> Runtime {
        Builder::new_current_thread().enable_io().build().unwrap()
    }

    /// Returns a stream of each kind except TCP, with its other end.
    async fn streams() -> Vec<(Stream, UnixStream)> {
        let unix = || UnixStream::pair().unwrap();
        let ((unix_end, a), (multiplexed, b), (vsock, c)) = (unix(), unix(), unix());
        // A Unix socket serves as the vsock, because only its read and write calls are used.
        let vsock = VsockStream::from(OwnedFd::from(vsock.into_std().unwrap()));
        let kinds = [Socket::Unix(unix_end), Socket::VsockMux(multiplexed), Socket::Vsock(vsock)];
        kinds.into_iter().map(Stream::new).zip([a, b, c]).collect()
    }

    #[test]
    fn detached_stream_works_in_another_runtime() {
        let first = runtime();
        let detached: Vec<(DetachedStream, unix::UnixStream)> = first.block_on(async {
            let streams = streams().await.into_iter();
            streams.map(|(one, end)| (one.detach().unwrap(), end.into_std().unwrap())).collect()
        });
        drop(first);
        runtime().block_on(async {
            for (detached, end) in detached {
                let (mut stream, mut end) =
                    (detached.attach().unwrap(), UnixStream::from_std(end).unwrap());
                let echo: JoinHandle<()> = tokio::spawn(async move {
                    let byte = end.read_u8().await.unwrap();
                    end.write_u8(byte).await.unwrap();
                });
                stream.write_u8(7).await.unwrap();
                assert_eq!(stream.read_u8().await.unwrap(), 7);
                echo.await.unwrap();
            }
        });
    }
}
