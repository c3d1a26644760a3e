//! The host's side of a vsock that Firecracker or vhost-device-vsock multiplexes on a Unix socket.
//!
//! A connection to a guest's port begins with one line in each direction (Firecracker's `docs/vsock.md`):
//!
//! ```text
//! host:        CONNECT 5000\n
//! multiplexer: OK 1073741824\n       the port of the host, decimal; the guest's bytes follow
//! ```
//!
//! If no program listens in the guest, the multiplexer closes the connection without a line. If the guest
//! connects to a port of the host, the multiplexer connects to the Unix socket `PATH_PORT`. It sends no line
//! on such a connection.

use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::endpoint::decimal;

/// Maximum length of the reply with its line feed, in bytes: `OK 4294967295\n`.
const MAX_REPLY_LENGTH: usize = 14;

/// Connects to a port of the guest. The caller sets the deadline.
///
/// # Errors
/// The errors of connect(2), read(2) and write(2). `ConnectionRefused` if no program listens on the port in the
/// guest. `InvalidData` if the socket does not belong to a multiplexer.
pub(super) async fn connect(path: &Path, port: u32) -> io::Result<UnixStream> {
    let mut stream = UnixStream::connect(path).await?;
    let mut reply = Vec::with_capacity(MAX_REPLY_LENGTH);
    match request_connection(&mut stream, port, &mut reply).await {
        Err(error) if !is_disconnect(&error) => Err(error),
        _ if is_ok(&reply) => Ok(stream),
        _ => {
            let error = if reply.is_empty() {
                io::Error::new(ErrorKind::ConnectionRefused, NoListener { port })
            } else {
                let reply = reply.escape_ascii().to_string();
                io::Error::new(ErrorKind::InvalidData, NotMultiplexer { path: path.into(), reply })
            };
            Err(error)
        }
    }
}

/// Returns the path to which the multiplexer connects if the guest connects to the host's `port`.
pub(super) fn listening_path(path: &Path, port: u32) -> PathBuf {
    let mut path = OsString::from(path);
    path.push(format!("_{port}"));
    path.into()
}

/// The error for a connection that the multiplexer closes without a reply.
#[derive(Debug, Error)]
#[error("nothing listens on port {port} in the guest (the multiplexer closed the connection)")]
struct NoListener {
    port: u32,
}

/// The error for a reply other than OK.
#[derive(Debug, Error)]
#[error(
    "{} is not a vsock multiplexer: it replied \"{reply}\" instead of \"OK PORT\"",
    path.display()
)]
struct NotMultiplexer {
    path: PathBuf,
    /// The received bytes, escaped.
    reply: String,
}

/// Sends the request line. Reads the reply up to its line feed, or the received part of it, into `reply`.
async fn request_connection(
    stream: &mut UnixStream,
    port: u32,
    reply: &mut Vec<u8>,
) -> io::Result<()> {
    stream.write_all(format!("CONNECT {port}\n").as_bytes()).await?;
    // The reply is read byte by byte, because the bytes after its line belong to the guest.
    while reply.len() < MAX_REPLY_LENGTH && !reply.ends_with(b"\n") {
        reply.push(stream.read_u8().await?);
    }
    Ok(())
}

/// Returns whether the multiplexer has closed the connection.
fn is_disconnect(error: &io::Error) -> bool {
    [ErrorKind::UnexpectedEof, ErrorKind::BrokenPipe, ErrorKind::ConnectionReset]
        .contains(&error.kind())
}

fn is_ok(reply: &[u8]) -> bool {
    let port = reply.strip_prefix(b"OK ").and_then(|rest| rest.strip_suffix(b"\n"));
    port.and_then(|port| str::from_utf8(port).ok()).and_then(decimal::<u32>).is_some()
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use tokio::net::UnixListener;

    use super::super::{ConnectError, Endpoint, Stream};
    use super::*;

    /// Connects to port 5000 of a multiplexer that sends `reply` and closes the connection.
    async fn connect_to(reply: &[u8]) -> Result<Stream, ConnectError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        let multiplexer = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut question = [0; 13];
            stream.read_exact(&mut question).await.unwrap();
            assert_eq!(&question, b"CONNECT 5000\n");
            stream.write_all(reply).await.unwrap();
        };
        let endpoint = Endpoint::VsockMux { path: path.clone(), port: 5000 };
        tokio::join!(super::super::connect(&endpoint), multiplexer).0
    }

    #[tokio::test]
    async fn keeps_bytes_after_the_reply() {
        for reply in ["OK 0\n", "OK 4294967295\n"] {
            let mut stream = connect_to(format!("{reply}OK 1\nrest").as_bytes()).await.unwrap();
            let mut received = String::new();
            stream.read_to_string(&mut received).await.unwrap();
            assert_eq!(received, "OK 1\nrest");
        }
    }

    #[tokio::test]
    async fn rejects_other_replies_and_reports_them() {
        let replies = [
            ("OK 10737", "replied \"OK 10737\" instead of"),
            ("OK 10737\r\n", "replied \"OK 10737\\r\\n\""),
            ("OK\n", "replied \"OK\\n\""),
            ("OK \n", "replied \"OK \\n\""),
            ("OK 4294967296\n", "replied \"OK 4294967296\\n\""),
            ("OK 01\n", "replied \"OK 01\\n\""),
            ("OK 000000000000000000000001\n", "replied \"OK 00000000000\""),
            ("\nOK 1\n", "replied \"\\n\""),
            ("HTTP/1.1 400 Bad Request\r\n", "replied \"HTTP/1.1 400 B\""),
        ];
        for (reply, expected) in replies {
            let error = connect_to(reply.as_bytes()).await.unwrap_err();
            assert_eq!(error.source.kind(), ErrorKind::InvalidData, "{reply}");
            assert!(!error.to_string().contains("nothing listens"), "{error}");
            let cause = error.source().unwrap().to_string();
            assert!(cause.contains("/s is not a vsock multiplexer: it replied"), "{cause}");
            assert!(cause.contains(expected), "{cause}");
        }
    }

    #[tokio::test]
    async fn reports_port_without_a_listener() {
        let error = connect_to(b"").await.unwrap_err();
        assert_eq!(error.source.kind(), ErrorKind::ConnectionRefused);
        assert!(error.to_string().contains("nothing listens there"), "{error}");
        assert_eq!(
            error.source().unwrap().to_string(),
            "nothing listens on port 5000 in the guest (the multiplexer closed the connection)"
        );
    }

    #[tokio::test]
    async fn reports_multiplexer_that_closes_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let closing = std::thread::spawn(move || drop(listener.accept().unwrap()));

        let error = connect(&path, 5000).await.unwrap_err();

        closing.join().unwrap();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert!(error.to_string().contains("closed the connection"), "{error}");
    }
}
