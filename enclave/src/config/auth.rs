//! The table `[auth]`, and the authenticator that it and the tables `[[credential]]` make.

use serde::Deserialize;
use thiserror::Error;

use super::credential::{CredentialTable, InvalidCredential, Principals};
use super::posture::Posture;
use crate::auth::{Authenticator, DuplicateAccessKey, SigV4};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AuthTable {
    mode: Option<AuthMode>,
    /// The region that clients sign for.
    pub(super) region: Option<String>,
}

impl AuthTable {
    /// Whom to answer, of whom nothing may be written.
    pub(super) fn mode(&self, posture: Posture) -> AuthMode {
        self.mode.unwrap_or(match posture {
            Posture::Production => AuthMode::Sigv4,
            Posture::Laptop => AuthMode::None,
        })
    }

    /// Checks the table, and whether it fits the others. Returns the mode.
    pub(super) fn check(
        &self,
        posture: Posture,
        has_credentials: bool,
        requires_recipient: bool,
    ) -> Result<AuthMode, InvalidAuth> {
        self.region.as_deref().map_or(Ok(()), check_region)?;
        match self.mode(posture) {
            AuthMode::None if has_credentials => Err(InvalidAuth::UnusedCredential),
            AuthMode::None if posture == Posture::Production && !requires_recipient => {
                Err(InvalidAuth::OpenToAll)
            }
            mode => Ok(mode),
        }
    }

    /// Returns the authenticator for `mode`.
    pub(super) fn authenticator(
        &self,
        mode: AuthMode,
        credentials: Vec<CredentialTable>,
        principals: &mut Principals<'_>,
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
    /// Everybody is answered.
    None,
    /// Who signs with a credential of this file.
    Sigv4,
}

fn check_region(region: &str) -> Result<(), InvalidAuth> {
    let is_known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if region.is_empty() || !region.bytes().all(is_known) {
        return Err(InvalidAuth::Region);
    }
    Ok(())
}

/// The error for the tables `[auth]` and `[[credential]]`. Credentials count from 1.
#[derive(Debug, Error)]
pub enum InvalidAuth {
    /// SigV4 without a region.
    #[error("[auth] region is missing: clients sign for one, so name it, such as \"eu-west-1\"")]
    NoRegion,
    /// A region that no client can sign for.
    #[error("[auth] region must be lower-case letters, digits and hyphens, such as \"eu-west-1\"")]
    Region,
    /// SigV4 with nobody who could sign.
    #[error(
        "[auth] mode is \"sigv4\" and there is no [[credential]], so nobody could call: add one, \
         with access_key_id, secret_access_key, principal and policies"
    )]
    NoCredential,
    /// Credentials that nobody would ask for.
    #[error(
        "there is a [[credential]], but [auth] mode is \"none\", so everybody would be answered: \
         write mode = \"sigv4\" under [auth], or remove it"
    )]
    UnusedCredential,
    /// Production that answers everybody in the clear.
    #[error(
        "[auth] mode is \"none\", so everybody is answered: in production that needs \
         require = true under [recipient], or mode = \"sigv4\""
    )]
    OpenToAll,
    /// A credential that cannot be used. It is not named by its access key, which may be the
    /// secret, misplaced.
    #[error("[[credential]] number {number}: {reason}")]
    Credential {
        /// Which.
        number: usize,
        /// Why.
        reason: InvalidCredential,
    },
    /// An access key given twice.
    #[error("[[credential]] {0}")]
    DuplicateAccessKey(#[from] DuplicateAccessKey),
}
