//! Reads one message from a connection.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use zeroize::Zeroizing;

use super::error::{FramingError, ReadError};
use super::{Fields, MAX_HEAD_LENGTH};

/// The limits of a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Maximum length of the body, in bytes.
    pub(crate) body: usize,
    /// True if a message without Content-Length has an empty body.
    pub(crate) may_lack_length: bool,
}

/// The head of a message: its start line and its fields.
pub(crate) trait Head: Sized {
    /// Parses a head. Returns its length as well, or `None` if the head is incomplete.
    fn parse(received: &[u8]) -> Result<Option<(Self, usize)>, FramingError>;

    /// Checks the head before the body is read.
    fn check(&self) -> Result<(), FramingError>;

    /// Returns the fields.
    fn fields(&self) -> &Fields;
}

/// A message. Its body may contain random bytes, so it is zeroized.
#[derive(Debug)]
pub(crate) struct Message<H> {
    pub(crate) head: H,
    pub(crate) body: Zeroizing<Vec<u8>>,
}

/// Reads one message. Rejects bytes after it that arrived with it.
///
/// # Errors
/// If the connection fails, or the message breaks a rule. Then the connection must be closed.
pub(crate) async fn read_message<H: Head>(
    stream: &mut (impl AsyncRead + Unpin),
    limits: Limits,
) -> Result<Message<H>, ReadError> {
    let mut received = Zeroizing::new(vec![0; MAX_HEAD_LENGTH]);
    let mut length = 0;
    let (head, head_length): (H, usize) = loop {
        let free = received.get_mut(length..).unwrap_or_default();
        if free.is_empty() {
            return Err(FramingError::HeadTooLong { limit: MAX_HEAD_LENGTH }.into());
        }
        match stream.read(free).await? {
            0 if length == 0 => return Err(ReadError::Closed),
            0 => return Err(FramingError::Truncated.into()),
            read => length += read,
        }
        if let Some(head) = H::parse(received.get(..length).unwrap_or_default())? {
            break head;
        }
    };
    head.check()?;
    let body_length = body_length(head.fields(), limits)?;
    let begin = received.get(head_length..length).unwrap_or_default();
    // The whole body is allocated at once, because a growing vector would leave copies behind.
    let mut body = Zeroizing::new(vec![0; body_length]);
    let (filled, rest) = body.split_at_mut_checked(begin.len()).ok_or(FramingError::ExtraBytes)?;
    filled.copy_from_slice(begin);
    match stream.read_exact(rest).await {
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            Err(FramingError::Truncated.into())
        }
        read => Ok(read.map(|_| Message { head, body })?),
    }
}

/// Returns the length of the body by the only allowed framing.
fn body_length(fields: &Fields, limits: Limits) -> Result<usize, FramingError> {
    if fields.contains("transfer-encoding") {
        return Err(FramingError::TransferEncoding);
    }
    let digits = match fields.values("content-length")[..] {
        [digits] => digits,
        [] if limits.may_lack_length => return Ok(0),
        ref values => return Err(FramingError::ContentLengthCount { count: values.len() }),
    };
    let is_decimal = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let digits = std::str::from_utf8(digits).ok().filter(|_| is_decimal);
    let length: u64 =
        digits.and_then(|digits| digits.parse().ok()).ok_or(FramingError::ContentLength)?;
    match usize::try_from(length) {
        Ok(length) if length <= limits.body => Ok(length),
        _ => Err(FramingError::BodyTooLong { length, limit: limits.body }),
    }
}

/// Returns the reason why an idle connection cannot be used: the peer closed it, or sent bytes. Does not
/// wait.
pub(crate) fn idle_fault(stream: &mut (impl AsyncRead + Unpin)) -> Option<ReadError> {
    let mut byte = [0];
    let mut buffer = ReadBuf::new(&mut byte);
    // No task waits for the bytes of an idle connection, so there is none to wake.
    let mut context = Context::from_waker(Waker::noop());
    match Pin::new(stream).poll_read(&mut context, &mut buffer) {
        Poll::Pending => None,
        Poll::Ready(Err(error)) => Some(error.into()),
        Poll::Ready(Ok(())) if buffer.filled().is_empty() => Some(ReadError::Closed),
        Poll::Ready(Ok(())) => Some(FramingError::BytesOnIdle.into()),
    }
}
