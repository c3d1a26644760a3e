//! Error answers: awsJson1_1 errors with KMS's names.

use std::borrow::Cow;

/// The errors of the API, by the names that SDKs resolve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorType {
    /// A custom key store that does not exist.
    CustomKeyStoreNotFound,
    /// A marker that this service did not give out.
    InvalidMarker,
    /// A fault of ours.
    KmsInternal,
    /// A body over the cap.
    RequestEntityTooLarge,
    /// A body that is not JSON of the right shape.
    Serialization,
    /// No operation of this service.
    UnknownOperation,
    /// A value that breaks a rule.
    Validation,
}

impl ErrorType {
    /// The name in `__type`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CustomKeyStoreNotFound => "CustomKeyStoreNotFoundException",
            Self::InvalidMarker => "InvalidMarkerException",
            Self::KmsInternal => "KMSInternalException",
            Self::RequestEntityTooLarge => "RequestEntityTooLargeException",
            Self::Serialization => "SerializationException",
            Self::UnknownOperation => "UnknownOperationException",
            Self::Validation => "ValidationException",
        }
    }

    /// The HTTP status: SDKs retry by it.
    pub const fn status(self) -> u16 {
        match self {
            Self::CustomKeyStoreNotFound
            | Self::InvalidMarker
            | Self::Serialization
            | Self::UnknownOperation
            | Self::Validation => 400,
            Self::RequestEntityTooLarge => 413,
            Self::KmsInternal => 500,
        }
    }

    /// How real KMS spells the message's key, which differs by error.
    const fn message_key(self) -> &'static str {
        match self {
            Self::Serialization => "Message",
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
    /// With a message.
    pub fn new(error_type: ErrorType, message: impl Into<Cow<'static, str>>) -> Self {
        Self { error_type, message: Some(message.into()) }
    }

    /// Without one.
    pub const fn bare(error_type: ErrorType) -> Self {
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
    fn writes_the_body_that_sdks_resolve() {
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
            body(KmsError::bare(ErrorType::UnknownOperation)),
            r#"{"__type":"UnknownOperationException"}"#
        );
    }
}
