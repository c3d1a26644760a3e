//! The authentication methods.

use attestation::time::UnixMillis;
use hyper::http::request::Parts;

use super::caller::Caller;
use super::error::AuthenticationError;
use super::sigv4::SigV4;

/// An authentication method.
#[derive(Debug)]
pub enum Authenticator {
    /// No authentication. All callers are accepted.
    None,
    /// AWS Signature Version 4 with a configured credential.
    SigV4(SigV4),
}

impl Authenticator {
    /// Authenticates the caller of a request. The signature covers the received bytes, before any parsing.
    ///
    /// # Errors
    /// If the method requires a signature, and the request has no valid signature.
    pub fn authenticate(
        &self,
        head: &Parts,
        body: &[u8],
        now: UnixMillis,
    ) -> Result<Caller, AuthenticationError> {
        match self {
            Self::None => Ok(Caller(None)),
            Self::SigV4(sigv4) => Ok(Caller(Some(sigv4.authenticate(head, body, now)?))),
        }
    }

    /// Returns the access key ID that a request claims, for the log. See
    /// [`SigV4::loggable_access_key_id`].
    pub(crate) fn loggable_access_key_id(&self, head: &Parts) -> Option<String> {
        match self {
            Self::None => None,
            Self::SigV4(sigv4) => sigv4.loggable_access_key_id(head),
        }
    }
}
