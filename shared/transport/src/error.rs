use std::io::{self, ErrorKind};
use std::path::PathBuf;

use thiserror::Error;

use super::endpoint::MAX_UNIX_PATH;
use super::{Endpoint, HEARTBEAT_PORT};

/// A reason why listening on an endpoint fails.
#[derive(Debug, Error)]
pub enum ListenError {
    /// The vsock port is the one on which `nitro-cli` listens while an enclave boots.
    #[error(
        "vsock port {HEARTBEAT_PORT} belongs to the enclave's boot heartbeat: listen on another"
    )]
    HeartbeatPort,
    /// A file that is not a socket exists at the path. The file is not removed.
    #[error("{} exists and is not a socket: move it away or choose another path", .path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// The multiplexer's path with `_PORT` is too long for the kernel's address structure.
    #[error(
        "the socket path {} has {length} bytes: use a path of at most {MAX_UNIX_PATH} bytes with the port",
        .path.display()
    )]
    UnixPathTooLong {
        /// The path to listen on.
        path: PathBuf,
        /// Its length in bytes.
        length: usize,
    },
    /// The process did not inherit a usable listening socket.
    #[error(
        "no usable socket was inherited: {0}; start the relay from a .socket unit with one ListenStream= of TCP"
    )]
    Inherited(io::Error),
    /// The operating system returned an error.
    #[error("cannot listen on {endpoint}: {}", listen_advice(.source))]
    Io {
        /// The endpoint to listen on.
        endpoint: Endpoint,
        /// The error of the operating system.
        source: io::Error,
    },
}

/// The error of a failed connection to an endpoint.
#[derive(Debug, Error)]
#[error("cannot connect to {endpoint}: {}", connect_advice(.source))]
pub struct ConnectError {
    /// The endpoint to connect to.
    pub endpoint: Endpoint,
    /// The error of the operating system.
    pub source: io::Error,
}

fn listen_advice(error: &io::Error) -> &'static str {
    let kind = error.kind();
    if kind == ErrorKind::AddrInUse {
        "another process listens there; stop it or choose another endpoint"
    } else if kind == ErrorKind::AddrNotAvailable {
        "this machine does not have that address; listen on an address of this machine, or on all addresses"
    } else if kind == ErrorKind::PermissionDenied {
        "not permitted; a port below 1024 needs CAP_NET_BIND_SERVICE, and a path a writable directory"
    } else if kind == ErrorKind::NotFound {
        "the socket's directory does not exist; create it first"
    } else {
        "check the endpoint; for vsock, check that /dev/vsock exists"
    }
}

fn connect_advice(error: &io::Error) -> &'static str {
    let kind = error.kind();
    if kind == ErrorKind::ConnectionRefused || kind == ErrorKind::ConnectionReset {
        "nothing listens there; start the enclave, or correct its port"
    } else if kind == ErrorKind::NotFound {
        "there is no such socket; start the enclave, or correct the path"
    } else if kind == ErrorKind::PermissionDenied {
        "not permitted; check the socket's owner and mode"
    } else if kind == ErrorKind::TimedOut {
        "no response; check that the enclave runs and has this CID and port"
    } else {
        "check that the enclave runs and has this endpoint"
    }
}
