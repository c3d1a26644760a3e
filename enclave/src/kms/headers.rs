//! The headers of an awsJson1_1 request.

use hyper::header;
use hyper::http::request::Parts;
use kms_api::{CONTENT_TYPE, Operation, TARGET_HEADER};

use super::api_error::ApiError;
use super::unknown_operation::UnknownOperation;

/// Maximum length of a target that an error message repeats, in bytes before they are escaped.
const MAX_TARGET_LENGTH: usize = 128;

/// Returns the operation that the `X-Amz-Target` header names.
///
/// # Errors
/// If the header does not name one operation of this service.
pub(super) fn operation(head: &Parts) -> Result<Operation, UnknownOperation> {
    let mut targets = head.headers.get_all(TARGET_HEADER).iter();
    let target = match (targets.next(), targets.next()) {
        (Some(target), None) if !target.is_empty() => target,
        _ => return Err(UnknownOperation::NoTarget),
    };
    target.to_str().ok().and_then(Operation::from_target).ok_or_else(|| {
        let target = target.as_bytes();
        let target = target.get(..MAX_TARGET_LENGTH).unwrap_or(target);
        UnknownOperation::NotServed { target: target.escape_ascii().to_string() }
    })
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

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    fn unknown(target: &[u8]) -> String {
        let request = Request::builder().header(TARGET_HEADER, target).body(()).unwrap();
        operation(&request.into_parts().0).unwrap_err().to_string()
    }

    #[test]
    fn unknown_operation_message_names_target_and_operations() {
        let end = "this service implements GenerateRandom and DescribeCustomKeyStores";
        for (target, start) in [
            ("TrentService.Encrypt", "operation TrentService.Encrypt is not supported: "),
            ("\u{9b}2J\"", "operation \\xc2\\x9b2J\\\" is not supported: "),
            ("", "X-Amz-Target must name one operation: "),
        ] {
            assert_eq!(unknown(target.as_bytes()), [start, end].concat());
        }
        let long = [b'a'; MAX_TARGET_LENGTH + 1];
        assert!(unknown(&long).starts_with(&format!("operation {} is", "a".repeat(128))));
    }
}
