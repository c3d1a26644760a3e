//! What is wrong with an HSM, and what that means for its store.

use std::fmt;
use std::time::Duration;

use cryptoki::error::{Error as Pkcs11Error, RvError};
use kms_api::ConnectionErrorCode;
use thiserror::Error;

use super::returned::{FunctionName, ReturnValue};
use crate::entropy::HealthFault;

/// Why an HSM gives no random bytes, or cannot be connected.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(crate) enum HsmFault {
    /// The module is none, or lacks something.
    #[error("the PKCS#11 module cannot be loaded: {0}")]
    Module(String),
    /// What the standard lets no module give.
    #[error("the PKCS#11 module gave what no module gives: {0}")]
    Unexpected(String),
    /// A call of the module failed.
    #[error("{function} returned {code}{}", function.hint())]
    Call {
        /// Which.
        function: FunctionName,
        /// Why.
        code: ReturnValue,
    },
    /// No slot has the token.
    #[error(
        "no slot has the token that token_label, or slot by its id, names; what the module shows: {}",
        Tokens(there)
    )]
    NoToken {
        /// Those that have another.
        there: Vec<Found>,
    },
    /// Its label does not tell which is meant.
    #[error("several slots have a token with that token_label: write slot, the id of one, instead")]
    SeveralTokens,
    /// Another has taken its place.
    #[error("its slot has another token")]
    OtherToken,
    /// Its token is another store's.
    #[error("its token is that of key store {store}: give each key store its own")]
    TakenToken {
        /// Whose it is.
        store: String,
    },
    /// Logins that the token refused in a row.
    #[error("{last}, and so it did before: a further login could lock the user out")]
    Refused {
        /// Of the last one.
        last: Box<HsmFault>,
    },
    /// What it gave is not random.
    #[error("the HSM is unhealthy until this service is restarted: {0}")]
    Unhealthy(#[from] HealthFault),
    /// Calls that do not return.
    #[error("calls have taken over {limit:?} and do not return")]
    Stuck {
        /// How long a call may take.
        limit: Duration,
    },
    /// A thread is gone.
    #[error("a thread of the key store has ended")]
    ThreadEnded,
    /// The connection ended before a request's turn came.
    #[error("the connection ended while the request waited")]
    Lost,
}

impl HsmFault {
    /// What the API calls it.
    pub(super) fn code(&self) -> ConnectionErrorCode {
        match self {
            Self::NoToken { .. } | Self::SeveralTokens | Self::OtherToken => {
                ConnectionErrorCode::ClusterNotFound
            }
            Self::TakenToken { .. } => ConnectionErrorCode::UserLoggedIn,
            Self::Stuck { .. } => ConnectionErrorCode::NetworkErrors,
            Self::Call { code, .. } => code.meaning(),
            Self::Refused { last } => last.code(),
            Self::Module(_)
            | Self::Unexpected(_)
            | Self::Unhealthy(_)
            | Self::ThreadEnded
            | Self::Lost => ConnectionErrorCode::InternalError,
        }
    }

    /// Whether nothing but a restart ends it: what gave bytes that are not random is not asked again,
    /// and a wrong PIN that is tried again and again locks its user out.
    pub(super) fn is_final(&self) -> bool {
        let is_wrong_pin = matches!(
            self.code(),
            ConnectionErrorCode::InvalidCredentials | ConnectionErrorCode::UserLockedOut
        );
        is_wrong_pin
            || matches!(self, Self::Refused { .. } | Self::Unhealthy(_) | Self::ThreadEnded)
    }

    /// Whether it is the session that is gone, so that another may do.
    pub(super) fn is_of_session(&self) -> bool {
        matches!(
            self,
            Self::Call {
                code: ReturnValue(
                    RvError::SessionHandleInvalid
                        | RvError::SessionClosed
                        | RvError::DeviceRemoved
                        | RvError::TokenNotPresent
                        | RvError::TokenNotRecognized
                        | RvError::UserNotLoggedIn
                        | RvError::OperationNotInitialized
                        | RvError::CryptokiNotInitialized
                ),
                ..
            }
        )
    }

    /// Whether a call failed for want of the device or a session, and so whatever was asked of it.
    pub(super) fn is_of_device(&self) -> bool {
        self.is_of_session() || self.code() == ConnectionErrorCode::NetworkErrors
    }

    /// Of a call that returned that a login was not necessary.
    pub(super) fn is_logged_in(&self) -> bool {
        matches!(self, Self::Call { code: ReturnValue(RvError::UserAlreadyLoggedIn), .. })
    }

    /// Of a call that returned that there was nothing left to set up.
    pub(super) fn is_initialized(&self) -> bool {
        matches!(self, Self::Call { code: ReturnValue(RvError::CryptokiAlreadyInitialized), .. })
    }
}

impl From<Pkcs11Error> for HsmFault {
    fn from(error: Pkcs11Error) -> Self {
        match error {
            Pkcs11Error::Pkcs11(code, function) => {
                Self::Call { function: FunctionName::of(function), code: ReturnValue(code) }
            }
            error @ (Pkcs11Error::LibraryLoading(_)
            | Pkcs11Error::MissingSymbol(_)
            | Pkcs11Error::NullFunctionPointer) => Self::Module(error.to_string()),
            error => Self::Unexpected(error.to_string()),
        }
    }
}

/// A token that a module shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(super) slot: u64,
    /// `None` if it is not initialised; or why it cannot be looked at.
    pub(super) label: Result<Option<String>, HsmFault>,
}

struct Tokens<'a>(&'a [Found]);

impl fmt::Display for Tokens<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return formatter.write_str("none");
        }
        for (Found { slot, label }, index) in self.0.iter().zip(0..) {
            let separator = if index == 0 { "" } else { ", " };
            match label {
                Ok(Some(label)) => write!(formatter, "{separator}{label:?} in slot {slot}")?,
                Ok(None) => write!(formatter, "{separator}one not initialised in slot {slot}")?,
                Err(fault) => write!(formatter, "{separator}one in slot {slot}, but {fault}")?,
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
    fn tells_which_tokens_there_are() {
        let found = |slot, label: Option<&str>| Found { slot, label: Ok(label.map(str::to_owned)) };
        for (there, end) in [
            (vec![], ": none"),
            (
                vec![
                    found(7, Some("a\n")),
                    found(8, None),
                    Found { slot: 9, label: Err(call(RvError::DeviceError)) },
                ],
                ": \"a\\n\" in slot 7, one not initialised in slot 8, one in slot 9, but \
                 C_GenerateRandom returned CKR_DEVICE_ERROR",
            ),
        ] {
            let told = HsmFault::NoToken { there }.to_string();
            assert!(told.ends_with(end), "{told}");
        }
    }

    #[test]
    fn a_wrong_pin_and_bytes_that_are_not_random_are_final_and_nothing_else_is() {
        for (fault, expected) in [
            (call(RvError::PinIncorrect), true),
            (call(RvError::PinExpired), true),
            (call(RvError::PinLocked), true),
            (HsmFault::Unhealthy(HealthFault::RepetitionCount), true),
            (call(RvError::UserPinNotInitialized), false),
            (call(RvError::FunctionFailed), false),
            (call(RvError::DeviceRemoved), false),
            (HsmFault::NoToken { there: Vec::new() }, false),
            (HsmFault::TakenToken { store: "cks-a".to_owned() }, false),
            (HsmFault::Lost, false),
        ] {
            assert_eq!(fault.is_final(), expected, "{fault}");
        }
    }

    #[test]
    fn a_session_that_is_gone_is_told_from_a_call_that_failed() {
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
            assert_eq!(call(code).is_of_session(), expected, "{code:?}");
        }
    }
}
