//! A connection that only sends data. A write waits only for space in the send buffer.

use std::io::{self, ErrorKind};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::sockopt::SendTimeout;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, SockaddrLike, UnixAddr, VsockAddr, connect, recv,
    send, setsockopt, socket,
};
use nix::sys::time::{TimeVal, TimeValLike};
use transport::Endpoint;
use transport::limits::MAX_VSOCK_WRITE;

/// An open connection to a log receiver.
#[derive(Debug)]
pub(super) struct LogConnection(OwnedFd);

impl LogConnection {
    /// Opens a connection. The connect and each later write wait for `timeout` at most.
    ///
    /// # Errors
    /// Returns, for example, the error of connect(2). Fails for every vsock-mux endpoint.
    pub(super) fn open(endpoint: &Endpoint, timeout: Duration) -> io::Result<Self> {
        match endpoint {
            Endpoint::Vsock { cid, port } => {
                Self::connect_to(&VsockAddr::new(*cid, *port), timeout)
            }
            Endpoint::Unix(path) => Self::connect_to(&UnixAddr::new(path)?, timeout),
            Endpoint::Tcp(address) => {
                let mut failure =
                    io::Error::new(ErrorKind::NotFound, "the host name has no address");
                for address in address.to_socket_addrs()? {
                    match TcpStream::connect_timeout(&address, timeout) {
                        Ok(stream) => return Self::with_timeout(stream.into(), timeout),
                        Err(error) => failure = error,
                    }
                }
                Err(failure)
            }
            Endpoint::VsockMux { .. } => Err(ErrorKind::Unsupported.into()),
        }
    }

    /// Connects with SO_SNDTIMEO, which also limits connect(2): socket(7).
    fn connect_to(address: &impl SockaddrLike, timeout: Duration) -> io::Result<Self> {
        let family = address.family().unwrap_or(AddressFamily::Unspec);
        let socket = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
        let connection = Self::with_timeout(socket, timeout)?;
        match connect(connection.0.as_raw_fd(), address) {
            Ok(()) => Ok(connection),
            Err(Errno::EINPROGRESS | Errno::EAGAIN) => Err(ErrorKind::TimedOut.into()),
            Err(error) => Err(error.into()),
        }
    }

    fn with_timeout(socket: OwnedFd, timeout: Duration) -> io::Result<Self> {
        let milliseconds = i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX);
        setsockopt(&socket, SendTimeout, &TimeVal::milliseconds(milliseconds))?;
        Ok(Self(socket))
    }

    /// Returns whether the connection still seems open. The receiver sends no data, so a read can return
    /// only the end of the connection.
    pub(super) fn is_open(&self) -> bool {
        let received = recv(self.0.as_raw_fd(), &mut [0; 64], MsgFlags::MSG_DONTWAIT);
        matches!(received, Ok(1..) | Err(Errno::EAGAIN | Errno::EINTR))
    }

    /// Sends all of `bytes`.
    ///
    /// # Errors
    /// Returns the error of send(2), and the number of bytes that were sent before the error.
    pub(super) fn send(&self, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
        let mut sent = 0;
        while let Some(rest @ [_, ..]) = bytes.get(sent..) {
            let piece = rest.get(..MAX_VSOCK_WRITE).unwrap_or(rest);
            match send(self.0.as_raw_fd(), piece, MsgFlags::MSG_NOSIGNAL) {
                Ok(length) => sent += length,
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Err((sent, ErrorKind::TimedOut.into())),
                Err(error) => return Err((sent, error.into())),
            }
        }
        Ok(())
    }
}
