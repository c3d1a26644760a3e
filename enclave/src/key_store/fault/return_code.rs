//! The functions of a PKCS#11 module and their return codes, by the names of PKCS#11 3.1.

use std::fmt;

use cryptoki::context::Function;
use cryptoki::error::RvError;
use kms_api::ConnectionErrorCode;

/// A function by its name in the standard, such as `C_GenerateRandom`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FunctionName(String);

impl FunctionName {
    /// Returns the name of `function`.
    pub(super) fn new(function: Function) -> Self {
        Self(format!("C_{function:?}"))
    }

    /// Returns advice for the operator if this function fails, or an empty string.
    pub(super) fn hint(&self) -> &'static str {
        match self.0.as_str() {
            "C_Initialize" => {
                ": the module cannot initialize; check the module's own configuration"
            }
            _ => "",
        }
    }
}

impl fmt::Display for FunctionName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The return code of a call, shown by its name in the standard, such as `CKR_FUNCTION_FAILED`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReturnCode(pub(super) RvError);

impl ReturnCode {
    /// Returns the code by which the API reports a connection that failed with this return code.
    pub(super) fn connection_error_code(self) -> ConnectionErrorCode {
        match self.0 {
            RvError::PinIncorrect
            | RvError::PinInvalid
            | RvError::PinLenRange
            | RvError::PinExpired => ConnectionErrorCode::InvalidCredentials,
            RvError::PinLocked => ConnectionErrorCode::UserLockedOut,
            RvError::UserPinNotInitialized => ConnectionErrorCode::UserNotFound,
            RvError::UserAnotherAlreadyLoggedIn | RvError::UserTooManyTypes => {
                ConnectionErrorCode::UserLoggedIn
            }
            RvError::SlotIdInvalid | RvError::TokenNotRecognized => {
                ConnectionErrorCode::ClusterNotFound
            }
            RvError::DeviceError
            | RvError::DeviceRemoved
            | RvError::TokenNotPresent
            | RvError::SessionClosed
            | RvError::SessionHandleInvalid => ConnectionErrorCode::NetworkErrors,
            _ => ConnectionErrorCode::InternalError,
        }
    }

    /// Returns true if the session is gone, so that a new session may succeed.
    pub(super) fn is_session_lost(self) -> bool {
        matches!(
            self.0,
            RvError::SessionHandleInvalid
                | RvError::SessionClosed
                | RvError::DeviceRemoved
                | RvError::TokenNotPresent
                | RvError::TokenNotRecognized
                | RvError::UserNotLoggedIn
                | RvError::OperationNotInitialized
                | RvError::CryptokiNotInitialized
        )
    }
}

impl fmt::Display for ReturnCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            RvError::VendorDefined(code) | RvError::UnknownErrorCode(code) => {
                write!(formatter, "{code:#x}")
            }
            known => {
                formatter.write_str("CKR")?;
                for letter in format!("{known:?}").chars() {
                    if letter.is_ascii_uppercase() {
                        formatter.write_str("_")?;
                    }
                    write!(formatter, "{}", letter.to_ascii_uppercase())?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_functions_and_codes_by_their_standard_names() {
        let function = FunctionName::new(Function::GenerateRandom);
        for (code, text) in [
            (RvError::FunctionFailed, "C_GenerateRandom returned CKR_FUNCTION_FAILED"),
            (RvError::PinIncorrect, "C_GenerateRandom returned CKR_PIN_INCORRECT"),
            (RvError::VendorDefined(0x8000_0001), "C_GenerateRandom returned 0x80000001"),
        ] {
            assert_eq!(format!("{function} returned {}", ReturnCode(code)), text);
        }
    }

    #[test]
    fn maps_each_code_to_the_documented_connection_error() {
        use ConnectionErrorCode as Code;
        for (value, code) in [
            (RvError::PinIncorrect, Code::InvalidCredentials),
            (RvError::PinInvalid, Code::InvalidCredentials),
            (RvError::PinLenRange, Code::InvalidCredentials),
            (RvError::PinExpired, Code::InvalidCredentials),
            (RvError::PinLocked, Code::UserLockedOut),
            (RvError::UserPinNotInitialized, Code::UserNotFound),
            (RvError::UserAnotherAlreadyLoggedIn, Code::UserLoggedIn),
            (RvError::UserTooManyTypes, Code::UserLoggedIn),
            (RvError::SlotIdInvalid, Code::ClusterNotFound),
            (RvError::TokenNotRecognized, Code::ClusterNotFound),
            (RvError::DeviceRemoved, Code::NetworkErrors),
            (RvError::DeviceError, Code::NetworkErrors),
            (RvError::TokenNotPresent, Code::NetworkErrors),
            (RvError::SessionClosed, Code::NetworkErrors),
            (RvError::SessionHandleInvalid, Code::NetworkErrors),
            (RvError::FunctionFailed, Code::InternalError),
            (RvError::VendorDefined(7), Code::InternalError),
        ] {
            assert_eq!(ReturnCode(value).connection_error_code(), code, "{value:?}");
        }
    }

    #[test]
    fn distinguishes_lost_sessions_from_failed_calls() {
        for (code, expected) in [
            (RvError::SessionHandleInvalid, true),
            (RvError::DeviceRemoved, true),
            (RvError::SessionClosed, true),
            (RvError::TokenNotPresent, true),
            (RvError::TokenNotRecognized, true),
            (RvError::UserNotLoggedIn, true),
            (RvError::OperationNotInitialized, true),
            (RvError::CryptokiNotInitialized, true),
            (RvError::FunctionFailed, false),
            (RvError::GeneralError, false),
            (RvError::RandomNoRng, false),
        ] {
            assert_eq!(ReturnCode(code).is_session_lost(), expected, "{code:?}");
        }
    }
}
