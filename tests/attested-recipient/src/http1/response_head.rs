//! The head of a response.

use httparse::{EMPTY_HEADER, Response, Status};

use super::error::FramingError;
use super::message::Head;
use super::{Fields, MAX_FIELDS, MAX_HEAD_LENGTH};

/// The head of a response.
#[derive(Debug)]
pub(crate) struct ResponseHead {
    pub(crate) status: u16,
    pub(crate) fields: Fields,
}

impl Head for ResponseHead {
    fn parse(received: &[u8]) -> Result<Option<(Self, usize)>, FramingError> {
        let mut headers = [EMPTY_HEADER; MAX_FIELDS];
        let mut response = Response::new(&mut headers);
        let length = match response.parse(received) {
            Ok(Status::Partial) => return Ok(None),
            Ok(Status::Complete(length)) => length,
            Err(error) => return Err(syntax_error(error)),
        };
        let fields = Fields::parsed(response.headers);
        match (response.version, response.code) {
            (Some(1), Some(status)) => Ok(Some((Self { status, fields }, length))),
            _ => Err(FramingError::NotHttp),
        }
    }

    fn check(&self) -> Result<(), FramingError> {
        let Self { status, fields } = self;
        match status {
            100..200 => Err(FramingError::Informational { status: *status }),
            _ if fields.contains("content-encoding") => Err(FramingError::ContentEncoding),
            _ if fields.contains("trailer") => Err(FramingError::Trailer),
            _ => Ok(()),
        }
    }

    fn fields(&self) -> &Fields {
        &self.fields
    }
}

impl ResponseHead {
    /// Returns whether the server keeps the connection open.
    pub(crate) fn keeps_alive(&self) -> bool {
        // RFC 9112 section 9.3: a connection persists unless the field contains the option `close`.
        !self.fields.contains("connection")
            || self
                .fields
                .single("connection")
                .is_some_and(|options| options.eq_ignore_ascii_case("keep-alive"))
    }
}

/// Returns the rule that the parser found broken.
pub(super) const fn syntax_error(error: httparse::Error) -> FramingError {
    match error {
        httparse::Error::TooManyHeaders => FramingError::HeadTooLong { limit: MAX_HEAD_LENGTH },
        _ => FramingError::NotHttp,
    }
}
