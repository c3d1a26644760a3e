//! The responses to clients.

use std::cell::RefCell;
use std::time::{Duration, UNIX_EPOCH};

use attestation::receipt::RECEIPT_HEADER;
use attestation::time::UnixMillis;
use http_body_util::Full;
use hyper::StatusCode;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use kms_api::{CONTENT_TYPE, KmsError};
use zeroize::Zeroizing;

use super::ZeroizingBody;
use crate::request::RequestId;

/// 9999-12-31T23:59:59Z in Unix seconds, the last time that a Date header can express.
const LAST_DATE_SECS: u64 = 253_402_300_799;

/// Maximum number of headers of a response. Content-Length is included.
const MAX_HEADERS: usize = 10;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

const RECEIPT: HeaderName = HeaderName::from_static(RECEIPT_HEADER);

thread_local! {
    /// The last Date header, and its time in Unix seconds. All responses within the same second reuse the header.
    static DATE: RefCell<(u64, HeaderValue)> =
        const { RefCell::new((u64::MAX, HeaderValue::from_static(""))) };
}

/// A response: a status, a media type and a body.
#[derive(Debug)]
pub struct Response {
    status: StatusCode,
    content_type: &'static str,
    body: ZeroizingBody,
    close: bool,
    /// Value of the Retry-After header, in seconds.
    retry_after: Option<u16>,
    receipt: Option<HeaderValue>,
}

impl Response {
    /// The media type of plain text.
    pub(crate) const TEXT: &'static str = "text/plain; charset=utf-8";

    /// Creates a response.
    pub fn new(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Self {
        let body = ZeroizingBody::new(Zeroizing::new(body));
        Self { status, content_type, body, close: false, retry_after: None, receipt: None }
    }

    /// Creates a plain-text response.
    pub fn text(status: StatusCode, text: &'static str) -> Self {
        Self::new(status, Self::TEXT, text.into())
    }

    /// Creates the response of a KMS operation, with the receipt header if the response has a receipt. The body may
    /// contain random bytes, so it is zeroized after it has been written to the connection.
    pub fn kms(body: Zeroizing<Vec<u8>>, receipt: Option<HeaderValue>) -> Self {
        Self {
            status: StatusCode::OK,
            content_type: CONTENT_TYPE,
            body: ZeroizingBody::new(body),
            close: false,
            retry_after: None,
            receipt,
        }
    }

    /// Creates the response of a KMS error.
    pub fn error(error: &KmsError) -> Self {
        let status = StatusCode::from_u16(error.error_type.status());
        Self::new(status.unwrap_or(StatusCode::BAD_REQUEST), CONTENT_TYPE, error.to_json())
    }

    /// Closes the connection after the response.
    pub(crate) fn with_connection_close(mut self) -> Self {
        self.close = true;
        self
    }

    /// Adds a Retry-After header.
    pub(crate) fn with_retry_after(mut self, seconds: u16) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    #[cfg(test)]
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns whether the status is 5xx.
    pub(crate) fn is_server_error(&self) -> bool {
        self.status.is_server_error()
    }

    /// Returns the response for hyper, with the headers that KMS sends. SDKs correct the skew of their clocks by
    /// the `Date` header. Therefore `now` must come from the clock that the check of signatures uses.
    pub fn into_hyper(
        self,
        id: RequestId,
        now: UnixMillis,
    ) -> hyper::Response<Full<ZeroizingBody>> {
        let mut response = hyper::Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        *headers = HeaderMap::with_capacity(MAX_HEADERS);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(REQUEST_ID, id.to_header());
        headers.insert(header::DATE, date(now));
        headers.insert(
            header::CACHE_CONTROL,
            HeaderValue::from_static("no-cache, no-store, must-revalidate, private"),
        );
        headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
        headers.insert(header::EXPIRES, HeaderValue::from_static("0"));
        if let Some(receipt) = self.receipt {
            headers.insert(RECEIPT, receipt);
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.close {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

fn date(now: UnixMillis) -> HeaderValue {
    let seconds = now.as_secs().min(LAST_DATE_SECS);
    DATE.with_borrow_mut(|(last, date)| {
        if *last != seconds {
            let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds));
            *date = HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""));
            *last = seconds;
        }
        date.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_the_headers_of_kms() {
        let now = UnixMillis::from_rfc3339("2026-02-03T10:12:02.437Z").unwrap();
        let id = RequestId::random();
        let response = Response::kms(Zeroizing::new(b"{}".to_vec()), None).into_hyper(id, now);
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("content-type"), "application/x-amz-json-1.1");
        assert_eq!(header("date"), "Tue, 03 Feb 2026 10:12:02 GMT");
        assert_eq!(header("cache-control"), "no-cache, no-store, must-revalidate, private");
        assert_eq!((header("pragma"), header("expires")), ("no-cache".into(), "0".into()));
        assert_eq!(header("x-amzn-requestid"), id.to_string());
        assert!(!response.headers().contains_key("connection"));
        assert!(!response.headers().contains_key("retry-after"));
        assert!(!response.headers().contains_key("x-attested-random-receipt"));
    }

    #[test]
    fn has_retry_after_in_seconds() {
        let response = Response::text(StatusCode::TOO_MANY_REQUESTS, "later\n").with_retry_after(7);
        let response = response.into_hyper(RequestId::random(), UnixMillis::new(0));
        assert_eq!(
            (response.status().as_u16(), &response.headers()["retry-after"]),
            (429, &"7".parse().unwrap())
        );
    }

    #[test]
    fn date_changes_each_second_and_ends_with_year_9999() {
        for (millis, second) in [(999, "00"), (1000, "01"), (0, "00")] {
            let date = date(UnixMillis::new(millis));
            assert_eq!(date, format!("Thu, 01 Jan 1970 00:00:{second} GMT"));
        }
        assert_eq!(date(UnixMillis::new(u64::MAX)), "Fri, 31 Dec 9999 23:59:59 GMT");
    }
}
