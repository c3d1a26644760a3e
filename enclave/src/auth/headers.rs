//! Checks of the headers that a signed request must have, and of the headers that the signature must cover.

use std::borrow::Cow;

use attestation::time::UnixMillis;
use hyper::header::{AUTHORIZATION, DATE, HOST, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use kms_api::TARGET_HEADER;

use super::authorization_header::SignedHeaders;
use super::error::{AuthenticationError, IncompleteSignature};

const CONTENT_TYPE: &str = "content-type";
const X_AMZ_CONTENT_SHA256: &str = "x-amz-content-sha256";
pub(super) const X_AMZ_SECURITY_TOKEN: &str = "x-amz-security-token";
const X_AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");

/// Prefix of header names. If a request has a header with this prefix, the signature must cover the header.
const AWS_PREFIX: &str = "x-amz-";

/// Headers that must not be repeated. Another parser could use another value of a repeated header.
const SENT_ONCE: [&str; 6] =
    ["host", "x-amz-date", TARGET_HEADER, CONTENT_TYPE, X_AMZ_SECURITY_TOKEN, X_AMZ_CONTENT_SHA256];

/// The signing time: the value of X-Amz-Date. If there is no X-Amz-Date, the value of Date.
pub(super) struct SigningTime<'a> {
    pub(super) time: UnixMillis,
    /// The time in the format YYYYMMDDTHHMMSSZ, which the string to sign contains.
    pub(super) text: Cow<'a, str>,
}

impl<'a> SigningTime<'a> {
    /// Parses X-Amz-Date.
    fn parse(value: &'a HeaderValue) -> Result<Self, IncompleteSignature> {
        let text = value.to_str().map_err(|_| IncompleteSignature::DateFormat)?;
        let time = UnixMillis::from_basic_iso8601(text).ok_or(IncompleteSignature::DateFormat)?;
        Ok(Self { time, text: Cow::Borrowed(text) })
    }

    /// Parses Date. Accepts two formats:
    ///
    /// - the format of X-Amz-Date, which the AWS documentation requires ("Handling dates in Signature Version 4"),
    /// - HTTP dates, which the requests of the AWS test suite have.
    fn parse_http(value: &'a HeaderValue) -> Result<Self, IncompleteSignature> {
        let text = value.to_str().map_err(|_| IncompleteSignature::HttpDateFormat)?;
        if let Some(time) = UnixMillis::from_basic_iso8601(text) {
            return Ok(Self { time, text: Cow::Borrowed(text) });
        }
        let time = UnixMillis::from_http_date(text).ok_or(IncompleteSignature::HttpDateFormat)?;
        Ok(Self { time, text: Cow::Owned(time.basic_iso8601().to_string()) })
    }

    /// Returns the day in the format YYYYMMDD, which the scope contains.
    pub(super) fn day(&self) -> &str {
        self.text.split('T').next().unwrap_or_default()
    }
}

/// Returns the only Authorization header. Rejects a request with a query.
pub(super) fn authorization_header(head: &Parts) -> Result<&HeaderValue, AuthenticationError> {
    // A presigned request has a query but no Authorization header. This check comes first, so that the error names
    // the query.
    if head.uri.query().is_some() {
        return Err(IncompleteSignature::QueryString.into());
    }
    let mut values = head.headers.get_all(AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value),
        (None, _) => Err(AuthenticationError::MissingAuthenticationToken),
        (Some(_), Some(_)) => Err(IncompleteSignature::MultipleAuthorizationHeaders.into()),
    }
}

/// Returns the signing time. Rejects repeated headers. The signature must cover Host, the date header and all
/// `x-amz-` headers.
pub(super) fn check_headers<'a>(
    head: &'a Parts,
    signed: &SignedHeaders<'_>,
) -> Result<SigningTime<'a>, IncompleteSignature> {
    let headers = &head.headers;
    let is_repeated = |name: &&'static str| headers.get_all(*name).iter().count() > 1;
    if let Some(name) = SENT_ONCE.into_iter().find(is_repeated) {
        return Err(IncompleteSignature::DuplicateHeader { name });
    }
    let (date_name, date) = match headers.get(X_AMZ_DATE) {
        Some(date) => (X_AMZ_DATE, date),
        None => (DATE, headers.get(DATE).ok_or(IncompleteSignature::MissingDate)?),
    };
    let of_aws = headers.keys().filter(|name| name.as_str().starts_with(AWS_PREFIX));
    let mut required = [&HOST, &date_name].into_iter().chain(of_aws);
    if let Some(name) = required.find(|name| !signed.contains(name.as_str())) {
        return Err(IncompleteSignature::HeaderNotSigned { name: name.clone() });
    }
    if date_name == X_AMZ_DATE {
        return SigningTime::parse(date);
    }
    if is_repeated(&"date") {
        return Err(IncompleteSignature::DuplicateHeader { name: "date" });
    }
    SigningTime::parse_http(date)
}
