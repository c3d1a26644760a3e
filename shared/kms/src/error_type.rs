//! The error responses of the API: the name, HTTP status and body of each awsJson1_1 error.

use std::borrow::Cow;

/// An error of the API. SDKs recognize the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorType {
    /// The policy denies the request.
    AccessDenied,
    /// The custom key store is not connected.
    CustomKeyStoreInvalidState,
    /// The custom key store does not exist.
    CustomKeyStoreNotFound,
    /// A dependency, such as an HSM, did not respond in time.
    DependencyTimeout,
    /// The signature is valid, but its credentials have expired.
    ExpiredToken,
    /// The signature lacks a part, or has a malformed part.
    IncompleteSignature,
    /// The marker was not issued by this service.
    InvalidMarker,
    /// The signature is wrong, or has another scope or time.
    InvalidSignature,
    /// The service has an internal fault.
    KmsInternal,
    /// The request has no signature.
    MissingAuthenticationToken,
    /// The body is too long.
    RequestEntityTooLarge,
    /// The body is not JSON with the operation's members.
    Serialization,
    /// The request rate is too high.
    Throttling,
    /// The service does not have the operation.
    UnknownOperation,
    /// The credentials are unknown.
    UnrecognizedClient,
    /// The custom key store's type does not support the operation.
    UnsupportedOperation,
    /// A value is not valid.
    Validation,
}

impl ErrorType {
    /// All errors.
    pub const ALL: [Self; 17] = [
        Self::AccessDenied,
        Self::CustomKeyStoreInvalidState,
        Self::CustomKeyStoreNotFound,
        Self::DependencyTimeout,
        Self::ExpiredToken,
        Self::IncompleteSignature,
        Self::InvalidMarker,
        Self::InvalidSignature,
        Self::KmsInternal,
        Self::MissingAuthenticationToken,
        Self::RequestEntityTooLarge,
        Self::Serialization,
        Self::Throttling,
        Self::UnknownOperation,
        Self::UnrecognizedClient,
        Self::UnsupportedOperation,
        Self::Validation,
    ];

    /// Returns the error's name, the value of `__type`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AccessDenied => "AccessDeniedException",
            Self::CustomKeyStoreInvalidState => "CustomKeyStoreInvalidStateException",
            Self::CustomKeyStoreNotFound => "CustomKeyStoreNotFoundException",
            Self::DependencyTimeout => "DependencyTimeoutException",
            Self::ExpiredToken => "ExpiredTokenException",
            Self::IncompleteSignature => "IncompleteSignatureException",
            Self::InvalidMarker => "InvalidMarkerException",
            Self::InvalidSignature => "InvalidSignatureException",
            Self::KmsInternal => "KMSInternalException",
            Self::MissingAuthenticationToken => "MissingAuthenticationTokenException",
            Self::RequestEntityTooLarge => "RequestEntityTooLargeException",
            Self::Serialization => "SerializationException",
            Self::Throttling => "ThrottlingException",
            Self::UnknownOperation => "UnknownOperationException",
            Self::UnrecognizedClient => "UnrecognizedClientException",
            Self::UnsupportedOperation => "UnsupportedOperationException",
            Self::Validation => "ValidationException",
        }
    }

    /// Returns the HTTP status, on which the retries of SDKs depend.
    ///
    /// For DependencyTimeout, AWS's sources contradict each other. This service returns 500.
    pub const fn status(self) -> u16 {
        match self {
            Self::AccessDenied
            | Self::CustomKeyStoreInvalidState
            | Self::CustomKeyStoreNotFound
            | Self::ExpiredToken
            | Self::IncompleteSignature
            | Self::InvalidMarker
            | Self::InvalidSignature
            | Self::MissingAuthenticationToken
            | Self::Serialization
            | Self::Throttling
            | Self::UnknownOperation
            | Self::UnrecognizedClient
            | Self::UnsupportedOperation
            | Self::Validation => 400,
            Self::RequestEntityTooLarge => 413,
            Self::DependencyTimeout | Self::KmsInternal => 500,
        }
    }

    /// Returns the key of the message. Its spelling in KMS differs between errors.
    const fn message_key(self) -> &'static str {
        match self {
            Self::AccessDenied | Self::Serialization => "Message",
            _ => "message",
        }
    }
}

/// An error response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KmsError {
    /// The error.
    pub error_type: ErrorType,
    /// The message to the caller.
    pub message: Option<Cow<'static, str>>,
}

impl KmsError {
    /// Returns the error for an internal fault. Callers receive no details.
    pub fn internal() -> Self {
        Self::new(
            ErrorType::KmsInternal,
            "An internal error prevented the request from being fulfilled. Try again.",
        )
    }

    /// Creates an error with a message.
    pub fn new(error_type: ErrorType, message: impl Into<Cow<'static, str>>) -> Self {
        Self { error_type, message: Some(message.into()) }
    }

    /// Creates an error without a message.
    pub const fn without_message(error_type: ErrorType) -> Self {
        Self { error_type, message: None }
    }

    /// Returns the response's body.
    pub fn to_json(&self) -> Vec<u8> {
        let mut body = serde_json::Map::new();
        body.insert("__type".to_owned(), self.error_type.name().into());
        if let Some(message) = &self.message {
            body.insert(self.error_type.message_key().to_owned(), message.as_ref().into());
        }
        serde_json::Value::Object(body).to_string().into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_type_and_message() {
        let body = |error: KmsError| String::from_utf8(error.to_json()).unwrap();
        assert_eq!(
            body(KmsError::new(ErrorType::Validation, "a \"b\"")),
            r#"{"__type":"ValidationException","message":"a \"b\""}"#
        );
        assert_eq!(
            body(KmsError::new(ErrorType::Serialization, "c")),
            r#"{"Message":"c","__type":"SerializationException"}"#
        );
        assert_eq!(
            body(KmsError::without_message(ErrorType::UnknownOperation)),
            r#"{"__type":"UnknownOperationException"}"#
        );
    }

    #[test]
    fn message_key_is_spelled_as_in_kms() {
        let key = |error_type: ErrorType| {
            let body = KmsError::new(error_type, "m").to_json();
            let body: serde_json::Map<_, _> = serde_json::from_slice(&body).unwrap();
            assert_eq!((body.len(), &body["__type"]), (2, &error_type.name().into()));
            body.keys().find(|key| *key != "__type").cloned().unwrap()
        };
        assert_eq!(key(ErrorType::AccessDenied), "Message");
        assert_eq!(key(ErrorType::Serialization), "Message");
        for error_type in [
            ErrorType::ExpiredToken,
            ErrorType::IncompleteSignature,
            ErrorType::InvalidSignature,
            ErrorType::MissingAuthenticationToken,
            ErrorType::Throttling,
            ErrorType::UnrecognizedClient,
            ErrorType::Validation,
        ] {
            assert_eq!(key(error_type), "message", "{error_type:?}");
        }
    }

    #[test]
    fn authentication_errors_have_sdk_names_and_status_400() {
        for (error_type, name) in [
            (ErrorType::AccessDenied, "AccessDeniedException"),
            (ErrorType::ExpiredToken, "ExpiredTokenException"),
            (ErrorType::IncompleteSignature, "IncompleteSignatureException"),
            (ErrorType::InvalidSignature, "InvalidSignatureException"),
            (ErrorType::MissingAuthenticationToken, "MissingAuthenticationTokenException"),
            (ErrorType::Throttling, "ThrottlingException"),
            (ErrorType::UnrecognizedClient, "UnrecognizedClientException"),
        ] {
            assert_eq!((error_type.name(), error_type.status()), (name, 400));
        }
    }

    #[test]
    fn key_store_errors_have_sdk_names_and_status_400() {
        for (error_type, name) in [
            (ErrorType::CustomKeyStoreInvalidState, "CustomKeyStoreInvalidStateException"),
            (ErrorType::CustomKeyStoreNotFound, "CustomKeyStoreNotFoundException"),
            (ErrorType::InvalidMarker, "InvalidMarkerException"),
            (ErrorType::UnsupportedOperation, "UnsupportedOperationException"),
        ] {
            assert_eq!((error_type.name(), error_type.status()), (name, 400));
            assert_eq!(error_type.message_key(), "message");
        }
    }

    #[test]
    fn error_names_are_distinct() {
        let names: std::collections::BTreeSet<_> =
            ErrorType::ALL.iter().map(|error_type| error_type.name()).collect();
        assert_eq!(names.len(), ErrorType::ALL.len());
    }

    #[test]
    fn server_errors_have_status_500() {
        for (error_type, name) in [
            (ErrorType::DependencyTimeout, "DependencyTimeoutException"),
            (ErrorType::KmsInternal, "KMSInternalException"),
        ] {
            assert_eq!((error_type.name(), error_type.status()), (name, 500));
        }
    }
}
