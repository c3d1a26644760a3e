//! The faults of an HSM, and their consequences for the key store of the HSM.

use std::fmt;
use std::time::Duration;

use attestation::time::HumanTimeout;
use cryptoki::error::{Error as Pkcs11Error, RvError};
use kms_api::ConnectionErrorCode;
use thiserror::Error;

use super::return_code::{FunctionName, ReturnCode};
use crate::health::HealthFault;

/// The reason why an HSM returns no random bytes, or why its store cannot connect.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(crate) enum HsmFault {
    /// The file is not a PKCS#11 module, or lacks a function.
    #[error("the PKCS#11 module cannot be loaded: {0}")]
    Module(String),
    /// The module returned a value that the standard does not allow.
    #[error("the PKCS#11 module returned an invalid value: {0}")]
    Unexpected(String),
    /// A call of the module failed.
    #[error("{function} returned {code}{}", function.hint())]
    Call {
        /// Function that failed.
        function: FunctionName,
        /// Return code of the function.
        code: ReturnCode,
    },
    /// No slot has the configured token.
    #[error(
        "no slot has the token that token_label or slot configures; tokens of the module: {}",
        Tokens(found)
    )]
    TokenNotFound {
        /// All other tokens of the module.
        found: Vec<FoundToken>,
    },
    /// Several tokens have the configured label.
    #[error(
        "several slots have a token with this token_label: set slot to the id of one of these slots"
    )]
    AmbiguousLabel,
    /// Another token is in the slot now.
    #[error("the slot of the token now contains another token")]
    TokenReplaced,
    /// The token belongs to another store.
    #[error("key store {store} uses the same token: configure another token for each key store")]
    TokenClaimed {
        /// Identifier of the other store.
        store: String,
    },
    /// The token rejected several logins in a row.
    #[error(
        "{last}; the token rejected several logins in a row, and a further login could lock the user out"
    )]
    LoginsRejected {
        /// Fault of the last login.
        last: Box<HsmFault>,
    },
    /// The output of the HSM failed a health test.
    #[error("the HSM is unhealthy until this service is restarted: {0}")]
    Unhealthy(#[from] HealthFault),
    /// Calls of the module do not return.
    #[error("calls of the PKCS#11 module have not returned for over {}", HumanTimeout(*limit))]
    Stuck {
        /// Longest time that a call may take.
        limit: Duration,
    },
    /// A thread of the store panicked.
    #[error("a thread of the key store panicked")]
    ThreadPanicked,
    /// The connection ended before the request was answered.
    #[error("the connection ended while the request waited")]
    ConnectionLost,
}

impl HsmFault {
    /// Returns the code by which the API reports a connection that failed with this fault.
    pub(in crate::key_store) fn connection_error_code(&self) -> ConnectionErrorCode {
        match self {
            Self::TokenNotFound { .. } | Self::AmbiguousLabel | Self::TokenReplaced => {
                ConnectionErrorCode::ClusterNotFound
            }
            Self::TokenClaimed { .. } => ConnectionErrorCode::UserLoggedIn,
            Self::Stuck { .. } => ConnectionErrorCode::NetworkErrors,
            Self::Call { code, .. } => code.connection_error_code(),
            Self::LoginsRejected { last } => last.connection_error_code(),
            Self::Module(_)
            | Self::Unexpected(_)
            | Self::Unhealthy(_)
            | Self::ThreadPanicked
            | Self::ConnectionLost => ConnectionErrorCode::InternalError,
        }
    }

    /// Returns true if only a restart ends this fault.
    ///
    /// After the output of an HSM fails a health test, the service does not use the HSM again. The service
    /// does not send a wrong PIN again, because the token could lock the user out.
    pub(in crate::key_store) fn is_final(&self) -> bool {
        let is_wrong_pin = matches!(
            self.connection_error_code(),
            ConnectionErrorCode::InvalidCredentials | ConnectionErrorCode::UserLockedOut
        );
        is_wrong_pin
            || matches!(
                self,
                Self::LoginsRejected { .. } | Self::Unhealthy(_) | Self::ThreadPanicked
            )
    }

    /// Returns true if the session is gone, so that a new session may succeed.
    pub(in crate::key_store) fn is_session_lost(&self) -> bool {
        matches!(self, Self::Call { code, .. } if code.is_session_lost())
    }

    /// Returns true if the device or the session is gone, so that any call would have failed.
    pub(in crate::key_store) fn is_device_lost(&self) -> bool {
        self.is_session_lost() || self.connection_error_code() == ConnectionErrorCode::NetworkErrors
    }

    /// Returns true if a login failed because the user was already logged in.
    pub(in crate::key_store) fn is_already_logged_in(&self) -> bool {
        matches!(self, Self::Call { code: ReturnCode(RvError::UserAlreadyLoggedIn), .. })
    }

    /// Returns true if an initialization failed because the module was already initialized.
    pub(in crate::key_store) fn is_already_initialized(&self) -> bool {
        matches!(self, Self::Call { code: ReturnCode(RvError::CryptokiAlreadyInitialized), .. })
    }
}

impl From<Pkcs11Error> for HsmFault {
    fn from(error: Pkcs11Error) -> Self {
        match error {
            Pkcs11Error::Pkcs11(code, function) => {
                Self::Call { function: FunctionName::new(function), code: ReturnCode(code) }
            }
            error @ (Pkcs11Error::LibraryLoading(_)
            | Pkcs11Error::MissingSymbol(_)
            | Pkcs11Error::NullFunctionPointer) => Self::Module(error.to_string()),
            error => Self::Unexpected(error.to_string()),
        }
    }
}

/// A token that a module lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FoundToken {
    /// Identifier of the token's slot.
    pub(in crate::key_store) slot: u64,
    /// Label of the token, or the fault of the call that reads the label. `None` if the token is not
    /// initialized.
    pub(in crate::key_store) label: Result<Option<String>, HsmFault>,
}

/// A list of tokens, for an error message.
struct Tokens<'a>(&'a [FoundToken]);

impl fmt::Display for Tokens<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return formatter.write_str("none");
        }
        for (FoundToken { slot, label }, index) in self.0.iter().zip(0..) {
            let separator = if index == 0 { "" } else { ", " };
            match label {
                Ok(Some(label)) => write!(formatter, "{separator}{label:?} in slot {slot}")?,
                Ok(None) => write!(formatter, "{separator}an uninitialized token in slot {slot}")?,
                Err(fault) => {
                    write!(formatter, "{separator}an unreadable token in slot {slot} ({fault})")?
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use cryptoki::context::Function;

    use super::*;

    fn call(code: RvError) -> HsmFault {
        Pkcs11Error::Pkcs11(code, Function::GenerateRandom).into()
    }

    #[test]
    fn missing_token_fault_lists_the_tokens_of_the_module() {
        let found =
            |slot, label: Option<&str>| FoundToken { slot, label: Ok(label.map(str::to_owned)) };
        for (found, end) in [
            (vec![], ": none"),
            (
                vec![
                    found(7, Some("a\n")),
                    found(8, None),
                    FoundToken { slot: 9, label: Err(call(RvError::DeviceError)) },
                ],
                ": \"a\\n\" in slot 7, an uninitialized token in slot 8, an unreadable token in slot 9 \
                 (C_GenerateRandom returned CKR_DEVICE_ERROR)",
            ),
        ] {
            let text = HsmFault::TokenNotFound { found }.to_string();
            assert!(text.ends_with(end), "{text}");
        }
    }

    #[test]
    fn only_pin_health_and_thread_faults_are_final() {
        let last = || Box::new(call(RvError::FunctionFailed));
        for (fault, expected) in [
            (call(RvError::PinIncorrect), true),
            (call(RvError::PinExpired), true),
            (call(RvError::PinLocked), true),
            (HsmFault::Unhealthy(HealthFault::RepetitionCount), true),
            (HsmFault::LoginsRejected { last: last() }, true),
            (HsmFault::ThreadPanicked, true),
            (call(RvError::UserPinNotInitialized), false),
            (call(RvError::FunctionFailed), false),
            (call(RvError::DeviceRemoved), false),
            (HsmFault::TokenNotFound { found: Vec::new() }, false),
            (HsmFault::TokenClaimed { store: "cks-a".to_owned() }, false),
            (HsmFault::ConnectionLost, false),
            (HsmFault::Stuck { limit: Duration::ZERO }, false),
        ] {
            assert_eq!(fault.is_final(), expected, "{fault}");
        }
    }

    #[test]
    fn lost_devices_include_lost_sessions_and_network_errors() {
        for (code, session, device) in [
            (RvError::UserNotLoggedIn, true, true),
            (RvError::DeviceRemoved, true, true),
            (RvError::DeviceError, false, true),
            (RvError::FunctionFailed, false, false),
            (RvError::PinIncorrect, false, false),
        ] {
            let fault = call(code);
            assert_eq!((fault.is_session_lost(), fault.is_device_lost()), (session, device));
        }
        assert!(!HsmFault::ConnectionLost.is_session_lost());
    }

    #[test]
    fn maps_faults_without_return_code_to_connection_errors() {
        use ConnectionErrorCode as Code;
        for (fault, code) in [
            (HsmFault::TokenNotFound { found: Vec::new() }, Code::ClusterNotFound),
            (HsmFault::AmbiguousLabel, Code::ClusterNotFound),
            (HsmFault::TokenReplaced, Code::ClusterNotFound),
            (HsmFault::TokenClaimed { store: "cks-a".to_owned() }, Code::UserLoggedIn),
            (HsmFault::Stuck { limit: Duration::ZERO }, Code::NetworkErrors),
            (HsmFault::Unhealthy(HealthFault::RepetitionCount), Code::InternalError),
            (HsmFault::ThreadPanicked, Code::InternalError),
            (HsmFault::ConnectionLost, Code::InternalError),
        ] {
            assert_eq!(fault.connection_error_code(), code, "{fault}");
            let rejected = HsmFault::LoginsRejected { last: Box::new(fault) };
            assert_eq!(rejected.connection_error_code(), code);
        }
    }
}
