//! Who sent a request, as far as this service finds out.

use std::fmt;
use std::sync::Arc;

use attestation::time::UnixMillis;
use hyper::http::request::Parts;

use super::error::AuthenticationError;
use super::sigv4::SigV4;
use crate::principal::Principal;

/// How it is found out who calls.
#[derive(Debug)]
pub enum Authenticator {
    /// It is not: everybody is let in.
    None,
    /// By a signature with a known credential.
    SigV4(SigV4),
}

/// Who calls. Only an [`Authenticator`] makes one.
#[derive(Clone, Debug)]
pub struct Caller(Option<Proven>);

/// Somebody who signed a request.
#[derive(Clone, Debug)]
pub(crate) struct Proven {
    /// By which access key.
    pub(super) access_key_id: Arc<str>,
    /// Whom it stands for.
    pub(super) principal: Arc<Principal>,
}

impl Authenticator {
    /// Finds out who calls, over the request as it was received.
    ///
    /// # Errors
    /// If it is somebody who must prove it, and has not.
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
}

impl Authenticator {
    /// Returns the access key id that a request claims, for the log: see
    /// [`SigV4::claimed_access_key_id`].
    pub(crate) fn claimed_access_key_id(&self, head: &Parts) -> Option<String> {
        match self {
            Self::None => None,
            Self::SigV4(sigv4) => sigv4.claimed_access_key_id(head),
        }
    }
}

impl Caller {
    #[cfg(test)]
    pub(crate) fn anyone() -> Self {
        Self(None)
    }

    #[cfg(test)]
    pub(crate) fn signed() -> Self {
        let principal = Principal::new("arn:aws:iam::123456789012:role/wallet");
        let principal = Arc::new(principal.expect("an ARN"));
        Self(Some(Proven { access_key_id: "AKIDEXAMPLE".into(), principal }))
    }

    /// Whom the caller's signature proves; `None` where everybody is let in.
    pub fn principal(&self) -> Option<&Principal> {
        self.0.as_ref().map(|proven| &*proven.principal)
    }

    /// By which access key.
    pub fn access_key_id(&self) -> Option<&str> {
        self.0.as_ref().map(|proven| &*proven.access_key_id)
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.principal().map_or("anonymous", Principal::arn))
    }
}
