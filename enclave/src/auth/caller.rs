//! The caller of a request.

use std::fmt;
use std::sync::Arc;

use crate::principal::Principal;

/// The caller of a request. Only an [`Authenticator`](super::Authenticator) creates a `Caller`.
#[derive(Clone, Debug)]
pub struct Caller(pub(super) Option<AuthenticatedCaller>);

/// An authenticated caller.
#[derive(Clone, Debug)]
pub(crate) struct AuthenticatedCaller {
    /// The ID of the access key that signed the request.
    pub(super) access_key_id: Arc<str>,
    /// The principal of the access key.
    pub(super) principal: Arc<Principal>,
}

impl Caller {
    #[cfg(test)]
    pub(crate) fn unauthenticated() -> Self {
        Self(None)
    }

    #[cfg(test)]
    pub(crate) fn authenticated() -> Self {
        let principal = Principal::new("arn:aws:iam::123456789012:role/wallet");
        let principal = Arc::new(principal.expect("valid ARN"));
        Self(Some(AuthenticatedCaller { access_key_id: "AKIDEXAMPLE".into(), principal }))
    }

    /// Returns the authenticated principal, or `None` without authentication.
    pub fn principal(&self) -> Option<&Principal> {
        self.0.as_ref().map(|caller| &*caller.principal)
    }

    /// Returns the ID of the access key that signed the request, or `None` without authentication.
    pub fn access_key_id(&self) -> Option<&str> {
        self.0.as_ref().map(|caller| &*caller.access_key_id)
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.principal().map_or("anonymous", Principal::arn))
    }
}
