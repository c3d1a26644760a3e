//! What calls of a module return, by the names of the standard: PKCS#11 3.1.

use std::fmt;

use cryptoki::context::Function;
use cryptoki::error::RvError;
use kms_api::ConnectionErrorCode;

/// A function by its name in the standard, such as `C_GenerateRandom`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FunctionName(String);

impl FunctionName {
    pub(super) fn of(function: Function) -> Self {
        Self(format!("C_{function:?}"))
    }

    /// What to look at.
    pub(super) fn hint(&self) -> &'static str {
        match self.0.as_str() {
            "C_Initialize" => ": the module cannot set itself up; look at its own configuration",
            _ => "",
        }
    }
}

impl fmt::Display for FunctionName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What a call returned, by its name in the standard, such as `CKR_FUNCTION_FAILED`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReturnValue(pub(super) RvError);

impl ReturnValue {
    /// What it means for a connection.
    pub(super) fn meaning(self) -> ConnectionErrorCode {
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
}

impl fmt::Display for ReturnValue {
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

    fn told(code: RvError) -> String {
        let function = FunctionName::of(Function::GenerateRandom);
        format!("{function} returned {}", ReturnValue(code))
    }

    #[test]
    fn names_functions_and_values_as_the_standard_does() {
        for (code, text) in [
            (RvError::FunctionFailed, "C_GenerateRandom returned CKR_FUNCTION_FAILED"),
            (RvError::PinIncorrect, "C_GenerateRandom returned CKR_PIN_INCORRECT"),
            (RvError::VendorDefined(0x8000_0001), "C_GenerateRandom returned 0x80000001"),
        ] {
            assert_eq!(told(code), text);
        }
    }

    #[test]
    fn each_value_means_what_the_documentation_says() {
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
            assert_eq!(ReturnValue(value).meaning(), code, "{value:?}");
        }
    }
}
