//! The headers of an awsJson1_1 request.

use hyper::header;
use hyper::http::request::Parts;
use kms_api::{CONTENT_TYPE, Operation, TARGET_HEADER};

use super::api_error::ApiError;

/// Returns the operation that the `X-Amz-Target` header names. Returns `None` for an unknown operation, for a missing
/// header, or for several headers.
pub(super) fn operation(head: &Parts) -> Option<Operation> {
    let mut targets = head.headers.get_all(TARGET_HEADER).iter();
    match (targets.next(), targets.next()) {
        (Some(target), None) => target.to_str().ok().and_then(Operation::from_target),
        _ => None,
    }
}

/// Checks that the media type is that of awsJson1_1. Ignores parameters, such as a charset.
///
/// # Errors
/// If Content-Type is missing, occurs more than once, or names another media type.
pub(super) fn check_content_type(head: &Parts) -> Result<(), ApiError> {
    let mut content_types = head.headers.get_all(header::CONTENT_TYPE).iter();
    let content_type = match (content_types.next(), content_types.next()) {
        (Some(content_type), None) => content_type.to_str().ok(),
        _ => None,
    };
    let media_type = content_type.and_then(|value| value.split(';').next()).map(str::trim);
    match media_type {
        Some(media_type) if media_type.eq_ignore_ascii_case(CONTENT_TYPE) => Ok(()),
        _ => Err(ApiError::ContentType),
    }
}
