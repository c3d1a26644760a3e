//! The rules of framing that a message can break.

use std::io;

use thiserror::Error;

/// The reason why a message cannot be read.
#[derive(Debug, Error)]
pub(crate) enum ReadError {
    /// The connection failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The peer closed the connection before a message began.
    #[error("the connection was closed")]
    Closed,
    /// The message breaks a rule.
    #[error(transparent)]
    Framing(#[from] FramingError),
}

/// A rule of framing that a message breaks.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum FramingError {
    /// The head is not HTTP/1.1.
    #[error("the message is not HTTP/1.1")]
    NotHttp,
    /// The head is too long.
    #[error("the head of the message has over {limit} bytes or too many fields")]
    HeadTooLong {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The peer closed the connection within the message.
    #[error("the connection was closed within the message")]
    Truncated,
    /// The response is informational. HTTP would announce another response on the same connection.
    #[error("the response has the informational status {status}")]
    Informational {
        /// The status, from 100 to 199.
        status: u16,
    },
    /// The message has a Transfer-Encoding.
    #[error("the message has a Transfer-Encoding: only Content-Length is allowed")]
    TransferEncoding,
    /// The message has no Content-Length, or several.
    #[error("the message has {count} Content-Length fields, not one")]
    ContentLengthCount {
        /// The number of fields.
        count: usize,
    },
    /// Content-Length is not a decimal number.
    #[error("Content-Length is not a decimal number")]
    ContentLength,
    /// The body is too long.
    #[error("the body has {length} bytes, over the maximum of {limit}")]
    BodyTooLong {
        /// The announced length, in bytes.
        length: u64,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The body is encoded.
    #[error("the message has a Content-Encoding")]
    ContentEncoding,
    /// The message announces trailers.
    #[error("the message has a Trailer field")]
    Trailer,
    /// Bytes follow the message.
    #[error("bytes follow the message: only one message at a time is allowed")]
    ExtraBytes,
    /// The server sent bytes without a request.
    #[error("the server sent bytes on an idle connection")]
    BytesOnIdle,
    /// A field that may occur once is missing or repeated, or has a value that is not visible ASCII.
    #[error("the field {name} is missing, repeated or not visible ASCII")]
    Field {
        /// The name of the field.
        name: &'static str,
    },
    /// The method or the target is not allowed.
    #[error("only POST / in origin form is served, not {rule}")]
    Target {
        /// The forbidden form.
        rule: &'static str,
    },
    /// The request asks for a protocol change or for an informational response.
    #[error("the field {name} is not supported")]
    Unsupported {
        /// The name of the field.
        name: &'static str,
    },
}
