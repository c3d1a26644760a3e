//! Error answers: awsJson1_1 errors with KMS's names.

use std::borrow::Cow;

/// The errors of the API, by the names that SDKs resolve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorType {
    /// A caller who may not do it.
    AccessDenied,
    /// A custom key store that is not connected.
    CustomKeyStoreInvalidState,
    /// A custom key store that does not exist.
    CustomKeyStoreNotFound,
    /// What we depend on did not answer in time.
    DependencyTimeout,
    /// A right signature by credentials whose time is over.
    ExpiredToken,
    /// A signature that lacks a part, or has one of the wrong form.
    IncompleteSignature,
    /// A marker that this service did not give out.
    InvalidMarker,
    /// A signature that is wrong, or for another place or time.
    InvalidSignature,
    /// A fault of ours.
    KmsInternal,
    /// No signature.
    MissingAuthenticationToken,
    /// A body over the cap.
    RequestEntityTooLarge,
    /// A body that is not JSON of the right shape.
    Serialization,
    /// Requests at more than the rate.
    Throttling,
    /// No operation of this service.
    UnknownOperation,
    /// Credentials that are not known.
    UnrecognizedClient,
    /// What this kind of custom key store cannot do.
    UnsupportedOperation,
    /// A value that breaks a rule.
    Validation,
}

impl ErrorType {
    /// All there are.
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

    /// The name in `__type`.
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

    /// The HTTP status: SDKs retry by it. (For DependencyTimeout AWS's own sources differ; here it is
    /// a fault of the server's like any other.)
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

    /// How real KMS spells the message's key, which differs by error.
    const fn message_key(self) -> &'static str {
        match self {
            Self::AccessDenied | Self::Serialization => "Message",
            _ => "message",
        }
    }
}

/// An error as the caller sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KmsError {
    /// Its name.
    pub error_type: ErrorType,
    /// What to tell the caller.
    pub message: Option<Cow<'static, str>>,
}

impl KmsError {
    /// Returns the error for a fault of the service, which is not explained to callers.
    pub fn internal() -> Self {
        Self::new(
            ErrorType::KmsInternal,
            "An internal error prevented the request from being fulfilled. Try again.",
        )
    }

    /// With a message.
    pub fn new(error_type: ErrorType, message: impl Into<Cow<'static, str>>) -> Self {
        Self { error_type, message: Some(message.into()) }
    }

    /// Without one.
    pub const fn without_message(error_type: ErrorType) -> Self {
        Self { error_type, message: None }
    }

    /// The answer's body.
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
