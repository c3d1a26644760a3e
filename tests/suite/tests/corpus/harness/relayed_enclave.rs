//! The binaries of a simulated enclave and of a relay in front of it, and clients of the relay.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use attested_recipient::Document;
use tempfile::TempDir;

use crate::binaries::{HANG_TIMEOUT, Process, binary, wait_until};
use crate::harness::requests::{PLAINTEXT_RESPONSE, plain};
use crate::harness::response::{Expected, Response};
use crate::harness::service::recipient;

/// An enclave, a relay, and the folder of the socket between them.
pub(crate) struct RelayedEnclave {
    // Dropped first, so that the relay does not log the loss of its upstream.
    pub(crate) proxy: Process,
    pub(crate) enclave: Process,
    folder: TempDir,
}

impl RelayedEnclave {
    pub(crate) fn start() -> Self {
        Self::with_relay_flags(&[])
    }

    /// Starts an enclave, and a relay with these additional options.
    pub(crate) fn with_relay_flags(flags: &[&str]) -> Self {
        Self::with_commands(
            |command| command,
            |mut command| {
                command.args(flags);
                command
            },
        )
    }

    /// Starts an enclave and a relay after functions have changed their commands.
    pub(crate) fn with_commands(
        enclave: impl FnOnce(Command) -> Command,
        proxy: impl FnOnce(Command) -> Command,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let enclave = Process::start(enclave(enclave_command(&socket(&folder))), 1);
        let proxy = Process::start(proxy(relay_command("127.0.0.1:0", &socket(&folder))), 1);
        Self { proxy, enclave, folder }
    }

    /// Starts a new enclave after the previous enclave has exited.
    pub(crate) fn restart_enclave(&mut self) {
        self.enclave = Process::start(enclave_command(&socket(&self.folder)), 1);
    }

    /// Starts a new relay on the same address after the previous relay has exited.
    pub(crate) fn restart_proxy(&mut self) {
        let address = self.proxy.endpoint(0).to_owned();
        self.proxy = Process::start(relay_command(&address, &socket(&self.folder)), 1);
    }

    pub(crate) fn connect(&self) -> ClientConnection {
        ClientConnection::open(address(&self.proxy))
    }

    /// Asserts that a request on a new connection succeeds.
    pub(crate) fn assert_serves(&self, context: &str) {
        self.connect().assert_response(&plain(), &PLAINTEXT_RESPONSE, context);
    }

    /// Repeats a request on new connections until the request succeeds.
    pub(crate) fn wait_until_serves(&self) {
        wait_until_serves(address(&self.proxy));
    }

    /// Returns a request with a document that the enclave signed.
    pub(crate) fn attested(&self) -> Vec<u8> {
        let client = suite::client(&format!("http://{}", address(&self.proxy)));
        let document = client.document(&Document::for_key(recipient())).unwrap();
        crate::harness::service::generate_random(&document)
    }
}

fn socket(folder: &TempDir) -> PathBuf {
    folder.path().join("enclave")
}

/// Returns the command of an enclave that listens on a Unix socket.
pub(crate) fn enclave_command(socket: &std::path::Path) -> Command {
    let mut command = Command::new(binary("enclave-simulator"));
    command.arg("--listen").arg(format!("unix:{}", socket.display()));
    command
}

/// Returns the command of a relay to an enclave that listens on a Unix socket.
pub(crate) fn relay_command(listen: &str, socket: &std::path::Path) -> Command {
    relay_command_to(listen, &format!("unix:{}", socket.display()))
}

/// Returns the command of a relay to `upstream`.
pub(crate) fn relay_command_to(listen: &str, upstream: &str) -> Command {
    let mut command = Command::new(binary("parent-proxy"));
    command.args(["--listen", listen, "--upstream", upstream]);
    command
}

/// Returns the address of a relay.
pub(crate) fn address(proxy: &Process) -> SocketAddr {
    proxy.endpoint(0).trim_start_matches("tcp:").parse().unwrap()
}

/// Sends a request repeatedly until the response is successful.
pub(crate) fn wait_until_serves(address: SocketAddr) {
    wait_until("a request succeeds", || {
        let mut connection = ClientConnection::try_open(address).ok()?;
        connection.stream.write_all(&plain()).ok()?;
        let response = connection.try_receive().ok()??;
        (response.status() == 200).then_some(())
    });
}

/// A connection of a client.
pub(crate) struct ClientConnection {
    pub(crate) stream: TcpStream,
    /// Received bytes after the last response.
    received: Vec<u8>,
}

impl ClientConnection {
    pub(crate) fn open(address: SocketAddr) -> Self {
        Self::try_open(address).unwrap()
    }

    pub(crate) fn try_open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, HANG_TIMEOUT)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(HANG_TIMEOUT))?;
        stream.set_write_timeout(Some(HANG_TIMEOUT))?;
        Ok(Self { stream, received: Vec::new() })
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Closes the sending half.
    pub(crate) fn half_close(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Returns the next response, which must exist.
    pub(crate) fn receive(&mut self) -> Response {
        self.try_receive().unwrap().expect("a response")
    }

    /// Returns the next response, or `None` at the end of the stream.
    fn try_receive(&mut self) -> io::Result<Option<Response>> {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            if let Some(response) = Response::split_off(&mut self.received, false) {
                return Ok(Some(response));
            }
            match self.stream.read(&mut buffer)? {
                0 => return Ok(None),
                length => self.received.extend_from_slice(&buffer[..length]),
            }
        }
    }

    /// Returns the next response, or `None` if the peer has closed or reset the connection.
    pub(crate) fn next(&mut self) -> Option<Response> {
        self.try_receive().unwrap_or_else(|error| {
            let reset = [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe];
            assert!(reset.contains(&error.kind()), "{error}");
            None
        })
    }

    pub(crate) fn assert_response(&mut self, request: &[u8], response: &Expected, context: &str) {
        self.send(request);
        self.receive().assert_is(response, context);
    }

    /// Waits until the peer closes or resets the connection. Panics if the peer sends another
    /// response. Returns the elapsed time.
    pub(crate) fn wait_until_closed(&mut self) -> Duration {
        let start = Instant::now();
        assert_eq!(self.next(), None);
        start.elapsed()
    }

    /// Resets the connection immediately.
    pub(crate) fn reset(self) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let _entered = runtime.enter();
        self.stream.set_nonblocking(true).unwrap();
        let stream = tokio::net::TcpStream::from_std(self.stream).unwrap();
        stream.set_zero_linger().unwrap();
    }
}
