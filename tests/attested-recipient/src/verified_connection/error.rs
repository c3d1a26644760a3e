//! The errors of verified connections.

use std::io;

use attestation::receipt::ReceiptError;
use enclave::clock::ClockFault;
use thiserror::Error;
use transport::ConnectError;

use super::request::{InvalidRequest, NonceError};
use crate::http1::{FramingError, ReadError};

/// The reason why a connection is not verified, or a request has no answer that can be trusted.
#[derive(Debug, Error)]
pub enum ConnectionError {
    /// The endpoint cannot be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The server does not use TLS.
    #[error(
        "the server does not use TLS: give its URL with http://, if [tls] mode is \"off\" in the \
         enclave's configuration"
    )]
    NotTls,
    /// The TLS handshake failed.
    #[error("the TLS handshake failed: {0} (attested TLS requires TLS 1.3)")]
    Handshake(io::Error),
    /// The server does not hold the key of its certificate.
    #[error(
        "the server does not hold the key of the certificate that it presents (the handshake \
         signature does not verify): a man in the middle"
    )]
    HandshakeSignature,
    /// The client does not trust the authority that issued the server's certificate.
    #[error(
        "the server's certificate is not from a trusted authority: the enclave restarted, or \
         another server answers at this address; verify it again with `attested-recipient trust`, \
         or omit the authority, so that the client verifies the enclave on each connection"
    )]
    UnknownAuthority,
    /// The connection failed.
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    /// The server closed the connection before its response.
    #[error("the server closed the connection without a response")]
    Closed,
    /// The response breaks a rule of framing.
    #[error("the response is rejected: {0}")]
    Framing(#[from] FramingError),
    /// The response to the request for the enclave's document is an error.
    #[error(
        "no attestation document: {path} returned HTTP {status}: {text} (is the service of this \
         version, and is it the enclave and not another server?)"
    )]
    Service {
        /// The requested path.
        path: &'static str,
        /// The status.
        status: u16,
        /// The beginning of the body.
        text: String,
    },
    /// The document or the receipt is rejected.
    #[error("{}: {error}", error.step())]
    Receipt {
        /// The reason.
        #[from]
        error: ReceiptError,
    },
    /// The document comes from a simulator.
    #[error(
        "the document comes from a simulator, which signs any document and proves nothing; accept \
         it in tests with --simulator"
    )]
    Simulator,
    /// The root that a simulator serves is not PEM.
    #[error("the simulator's root certificate is not valid PEM")]
    SimulatorRoot,
    /// The document attests no TLS key.
    #[error(
        "the enclave's document attests no TLS key: [tls] mode is not \"attested\", so TLS may end \
         outside the enclave; use an http URL, whose responses have receipts"
    )]
    NoTlsKey,
    /// TLS ends at another key.
    #[error(
        "TLS does not end in the enclave that signed the document (the certificate has another key \
         than the document attests): a man in the middle; forward TCP to the enclave unchanged"
    )]
    OtherTlsKey,
    /// The server's certificate cannot be parsed, or there is none.
    #[error("the server's certificate is missing or malformed")]
    Certificate,
    /// The request cannot be sent.
    #[error(transparent)]
    Request(#[from] InvalidRequest),
    /// The time is not known.
    #[error("the time is not trusted: {0}")]
    Clock(#[from] ClockFault),
    /// A local resource failed.
    #[error("a local resource failed: {0}")]
    Local(String),
}

/// The kind of a [`ConnectionError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The connection or the server failed. Another connection may succeed.
    Transport,
    /// A rule rejects the server or its response. The connection is closed. Another connection may succeed.
    Rejection,
    /// The request cannot be sent, on any connection.
    Request,
    /// This machine failed: its clock, its randomness or its TLS library.
    Local,
}

impl ConnectionError {
    /// Returns the kind of the error.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Connect(_)
            | Self::NotTls
            | Self::Handshake(_)
            | Self::Io(_)
            | Self::Closed
            | Self::Service { .. } => ErrorKind::Transport,
            Self::HandshakeSignature
            | Self::UnknownAuthority
            | Self::Framing(_)
            | Self::Receipt { .. }
            | Self::Simulator
            | Self::SimulatorRoot
            | Self::NoTlsKey
            | Self::OtherTlsKey
            | Self::Certificate => ErrorKind::Rejection,
            Self::Request(_) => ErrorKind::Request,
            Self::Clock(_) | Self::Local(_) => ErrorKind::Local,
        }
    }

    /// Returns the rule that rejected the server or its response: the name of a step of the checklist,
    /// `framing` or `tls`. Returns `None` unless the error is a rejection.
    pub fn rejecting_rule(&self) -> Option<&'static str> {
        match self {
            Self::Receipt { error } => Some(error.step().name()),
            Self::Framing(_) => Some("framing"),
            Self::HandshakeSignature
            | Self::UnknownAuthority
            | Self::NoTlsKey
            | Self::OtherTlsKey
            | Self::Certificate => Some("tls"),
            Self::Simulator | Self::SimulatorRoot => Some("document"),
            _ => None,
        }
    }
}

impl From<ReadError> for ConnectionError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Io(error) => Self::Io(error),
            ReadError::Closed => Self::Closed,
            // A restarted enclave closes its connections, also within a response.
            ReadError::Framing(FramingError::Truncated) => {
                Self::Io(io::ErrorKind::UnexpectedEof.into())
            }
            ReadError::Framing(error) => Self::Framing(error),
        }
    }
}

impl From<NonceError> for ConnectionError {
    fn from(error: NonceError) -> Self {
        match error {
            NonceError::Request(error) => Self::Request(error),
            NonceError::Random(error) => Self::Local(error.to_string()),
        }
    }
}
