//! The head of a request to the proxy.

use httparse::{EMPTY_HEADER, Request, Status};

use super::error::FramingError;
use super::message::Head;
use super::response_head::syntax_error;
use super::{Fields, MAX_FIELDS};

/// The head of a request to the KMS API.
#[derive(Debug)]
pub(crate) struct RequestHead {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) fields: Fields,
}

impl Head for RequestHead {
    fn parse(received: &[u8]) -> Result<Option<(Self, usize)>, FramingError> {
        let mut headers = [EMPTY_HEADER; MAX_FIELDS];
        let mut request = Request::new(&mut headers);
        let length = match request.parse(received) {
            Ok(Status::Partial) => return Ok(None),
            Ok(Status::Complete(length)) => length,
            Err(error) => return Err(syntax_error(error)),
        };
        let (Some(method), Some(target), Some(1)) = (request.method, request.path, request.version)
        else {
            return Err(FramingError::NotHttp);
        };
        let (method, target) = (method.to_owned(), target.to_owned());
        let fields = Fields::parsed(request.headers);
        Ok(Some((Self { method, target, fields }, length)))
    }

    fn fields(&self) -> &Fields {
        &self.fields
    }

    /// Accepts only `POST /` in origin form, without a request for another protocol or for `100 Continue`.
    fn check(&self) -> Result<(), FramingError> {
        let rule = match (self.method.as_str(), self.target.as_str()) {
            ("CONNECT", _) => "CONNECT",
            (_, target) if target.contains("://") => "the absolute form",
            ("POST", "/") => return self.check_fields(),
            ("POST", _) => "another path or a query",
            _ => "another method",
        };
        Err(FramingError::Target { rule })
    }
}

impl RequestHead {
    fn check_fields(&self) -> Result<(), FramingError> {
        for name in ["upgrade", "expect", "trailer"] {
            if self.fields.contains(name) {
                return Err(FramingError::Unsupported { name });
            }
        }
        match self.fields.single("host") {
            Some(_) => Ok(()),
            None => Err(FramingError::Field { name: "host" }),
        }
    }

    /// Returns whether the client keeps the connection open.
    pub(crate) fn keeps_alive(&self) -> bool {
        let options = self.fields.values("connection");
        !options.iter().any(|options| has_option(options, "close"))
    }
}

/// Returns whether a value of Connection contains an option (RFC 9110 section 7.6.1).
fn has_option(options: &[u8], option: &str) -> bool {
    let options = String::from_utf8_lossy(options);
    options.split(',').any(|other| other.trim().eq_ignore_ascii_case(option))
}
