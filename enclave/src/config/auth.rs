//! The table `[auth]`, and the authenticator that this table and the tables `[[credential]]` configure.

use serde::Deserialize;
use thiserror::Error;

use super::credential::{CredentialTable, InvalidCredential, PrincipalRegistry};
use super::profile::Profile;
use crate::auth::{Authenticator, DuplicateAccessKey, SigV4};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AuthTable {
    mode: Option<AuthMode>,
    /// The AWS region in the signatures of clients.
    pub(super) region: Option<String>,
}

impl AuthTable {
    /// Returns the configured mode, or the default mode of `profile`.
    pub(super) fn mode(&self, profile: Profile) -> AuthMode {
        self.mode.unwrap_or(match profile {
            Profile::Production => AuthMode::Sigv4,
            Profile::Development => AuthMode::None,
        })
    }

    /// Returns the mode. Rejects a table that contradicts the other tables.
    pub(super) fn check(
        &self,
        profile: Profile,
        has_credentials: bool,
        requires_recipient: bool,
    ) -> Result<AuthMode, InvalidAuth> {
        self.region.as_deref().map_or(Ok(()), check_region)?;
        match self.mode(profile) {
            AuthMode::None if has_credentials => Err(InvalidAuth::UnusedCredential),
            AuthMode::None if profile == Profile::Production && !requires_recipient => {
                Err(InvalidAuth::UnauthenticatedPlaintext)
            }
            mode => Ok(mode),
        }
    }

    /// Returns the authenticator for `mode`.
    pub(super) fn authenticator(
        &self,
        mode: AuthMode,
        credentials: Vec<CredentialTable>,
        principals: &mut PrincipalRegistry<'_>,
    ) -> Result<Authenticator, InvalidAuth> {
        if mode == AuthMode::None {
            return Ok(Authenticator::None);
        }
        let region = self.region.as_deref().ok_or(InvalidAuth::NoRegion)?;
        if credentials.is_empty() {
            return Err(InvalidAuth::NoCredential);
        }
        let credential = |(table, number)| {
            principals
                .credential(table, number)
                .map_err(|reason| InvalidAuth::Credential { number, reason })
        };
        let credentials: Vec<_> =
            credentials.into_iter().zip(1..).map(credential).collect::<Result<_, _>>()?;
        Ok(Authenticator::SigV4(SigV4::new(region, credentials)?))
    }
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum AuthMode {
    /// Callers are not authenticated.
    None,
    /// Callers sign requests with a credential of the configuration.
    Sigv4,
}

fn check_region(region: &str) -> Result<(), InvalidAuth> {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if region.is_empty() || !region.bytes().all(is_allowed) {
        return Err(InvalidAuth::Region);
    }
    Ok(())
}

/// The error for the tables `[auth]` and `[[credential]]`. Credentials count from 1.
#[derive(Debug, Error)]
pub enum InvalidAuth {
    /// Mode `sigv4` without a region.
    #[error(
        "[auth] region is missing: set it to the region that clients sign for, such as \
         \"eu-west-1\""
    )]
    NoRegion,
    /// A text that cannot be the name of a region.
    #[error(
        "[auth] region is invalid: use lower-case letters, digits and hyphens, such as \
         \"eu-west-1\""
    )]
    Region,
    /// Mode `sigv4` without a credential.
    #[error(
        "[auth] mode is \"sigv4\", but there is no [[credential]], so every request would be \
         rejected: add a [[credential]] with access_key_id, secret_access_key, principal and policies"
    )]
    NoCredential,
    /// Credentials with mode `none`, which would have no effect.
    #[error(
        "[auth] mode is \"none\" (the simulator's default), so a [[credential]] has no effect: \
         write mode = \"sigv4\" under [auth], or remove the [[credential]]"
    )]
    UnusedCredential,
    /// A production configuration that would return plaintext to unauthenticated callers.
    #[error(
        "[auth] mode is \"none\", so unauthenticated callers are accepted: in production, also write \
         require = true under [recipient], or write mode = \"sigv4\""
    )]
    UnauthenticatedPlaintext,
    /// An invalid credential. The message omits the access key ID, because an operator may have written a secret
    /// in its place.
    #[error("[[credential]] number {number}: {reason}")]
    Credential {
        /// The number of the entry, from 1.
        number: usize,
        /// The cause.
        reason: InvalidCredential,
    },
    /// Two credentials with the same access key ID.
    #[error("[[credential]] {0}")]
    DuplicateAccessKey(#[from] DuplicateAccessKey),
}
