//! The errors at the start of a proxy.

use std::io;

use thiserror::Error;
use transport::ListenError;

/// The reason why a proxy cannot start.
#[derive(Debug, Error)]
pub enum ProxyError {
    /// An address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The socket that the service manager passed cannot be used.
    #[error("the socket of the service manager cannot be used: {0}; start the proxy from its unit")]
    Inherited(io::Error),
    /// The user of this process is not known.
    #[error("cannot read the user of this process from /proc/self: {0}")]
    OwnUser(io::Error),
}
