//! The name of one request, by which its answer, its log lines and its audit record are matched.

use std::fmt;

use hyper::header::HeaderValue;
use uuid::{Builder, Uuid};

/// A random UUID; see `x-amzn-RequestId`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId(Uuid);

impl RequestId {
    /// A new one.
    pub fn random() -> Self {
        let mut random = [0; 16];
        // An identifier is no secret; that the nil one could be given twice does no harm.
        let filled = shared::crypto::fill_random(&mut random).is_ok();
        Self(if filled { Builder::from_random_bytes(random).into_uuid() } else { Uuid::nil() })
    }

    /// As a header's value.
    pub(super) fn to_header(self) -> HeaderValue {
        let mut text = Uuid::encode_buffer();
        let text = self.0.hyphenated().encode_lower(&mut text);
        HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(formatter)
    }
}
