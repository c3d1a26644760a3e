//! The verification of signatures. The documentation of the parent module lists the checks in their order.

use std::collections::HashMap;
use std::sync::Arc;

use attestation::crypto::{SHA_256_LENGTH, constant_time_eq};
use attestation::time::UnixMillis;
use hyper::header::AUTHORIZATION;
use hyper::http::request::Parts;
use thiserror::Error;

use super::authorization_header::{
    ALGORITHM, AuthorizationHeader, MAX_ACCESS_KEY_ID_LENGTH, Scope, claimed_access_key_id,
};
use super::caller::AuthenticatedCaller;
use super::canonical_request;
use super::credential::{Credential, SERVICE, SigningKeyCache, TERMINATOR};
use super::error::{AuthenticationError, InvalidSignature, ScopeDate};
use super::headers::{SigningTime, X_AMZ_SECURITY_TOKEN, authorization_header, check_headers};
use super::secret::Secret;

/// Maximum difference between the signing time and the current time, in seconds. The error texts contain this time as
/// "5 min.".
const WINDOW_SECS: u64 = 300;

/// A verifier of signatures with the configured credentials, for KMS in one region.
#[derive(Debug)]
pub struct SigV4 {
    region: String,
    credentials: HashMap<Arc<str>, CredentialEntry>,
}

#[derive(Debug)]
struct CredentialEntry {
    credential: Credential,
    signing_keys: SigningKeyCache,
}

/// The error for two credentials with the same access key ID. The message omits the ID, because an operator may have
/// written a secret in its place.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("numbers {first} and {second} have the same access_key_id: remove one of them")]
pub struct DuplicateAccessKey {
    /// The number of the first credential, counted from 1.
    pub first: usize,
    /// The number of the second credential, counted from 1.
    pub second: usize,
}

impl SigV4 {
    /// Creates a verifier for `region`, such as `eu-west-1`, with these credentials.
    ///
    /// # Errors
    /// If two credentials have the same access key ID.
    pub fn new(
        region: impl Into<String>,
        credentials: Vec<Credential>,
    ) -> Result<Self, DuplicateAccessKey> {
        let mut numbers = HashMap::with_capacity(credentials.len());
        let mut entries = HashMap::with_capacity(credentials.len());
        for (credential, second) in credentials.into_iter().zip(1..) {
            let id = Arc::clone(&credential.access_key_id);
            if let Some(first) = numbers.insert(Arc::clone(&id), second) {
                return Err(DuplicateAccessKey { first, second });
            }
            entries.insert(
                id,
                CredentialEntry { credential, signing_keys: SigningKeyCache::default() },
            );
        }
        Ok(Self { region: region.into(), credentials: entries })
    }

    /// Returns the region that requests must be signed for.
    pub(crate) fn region(&self) -> &str {
        &self.region
    }

    /// Returns the number of credentials.
    pub(crate) fn number_of_credentials(&self) -> usize {
        self.credentials.len()
    }

    /// Verifies the signature of a request at `now`, and returns the caller.
    ///
    /// # Errors
    /// If a check fails. The error text is sent to the caller.
    pub(super) fn authenticate(
        &self,
        head: &Parts,
        body: &[u8],
        now: UnixMillis,
    ) -> Result<AuthenticatedCaller, AuthenticationError> {
        let value = authorization_header(head)?; // 1
        let authorization = AuthorizationHeader::parse(value)?; // 2
        let signed_at = check_headers(head, &authorization.signed_headers)?; // 3
        self.check_scope(&authorization.scope, &signed_at)?; // 4
        check_window(signed_at.time, now)?; // 5
        let entry = self.find_credential(head, authorization.access_key_id)?; // 6
        self.check_signature(entry, head, &authorization, &signed_at, body)?; // 7
        entry.credential.check_expiry(now) // 8
    }

    /// Returns at most 128 characters of the access key ID that a request claims. The ID may be malformed. The log
    /// contains the ID, so that an operator can find a client with an outdated secret.
    ///
    /// An access key ID is not secret, but a client with swapped settings sends a secret in its place. This
    /// function therefore never returns a configured secret or session token. A secret that is not configured gives
    /// no access to this service.
    pub(super) fn loggable_access_key_id(&self, head: &Parts) -> Option<String> {
        let claimed = claimed_access_key_id(head.headers.get(AUTHORIZATION)?)?;
        if self.contains_configured_secret(&claimed) {
            return Some("(a secret of the configuration)".to_owned());
        }
        Some(claimed.chars().take(MAX_ACCESS_KEY_ID_LENGTH).collect())
    }

    /// Returns whether `text` contains a secret of any credential. Compares `text` with every secret in constant
    /// time.
    fn contains_configured_secret(&self, text: &str) -> bool {
        let contains = |secret: &Secret| {
            let secret = secret.expose().as_bytes();
            text.as_bytes()
                .windows(secret.len().max(1))
                .fold(false, |found, part| found | constant_time_eq(secret, part))
        };
        let secrets =
            self.credentials.values().flat_map(|CredentialEntry { credential, .. }| {
                [Some(&credential.secret_access_key), credential.session_token.as_ref()]
            });
        secrets.flatten().fold(false, |found, secret| found | contains(secret))
    }

    fn check_scope(
        &self,
        scope: &Scope<'_>,
        signed_at: &SigningTime<'_>,
    ) -> Result<(), InvalidSignature> {
        if scope.date != signed_at.day() {
            let (scope, signed_at) = (ScopeDate::new(scope.date), signed_at.time);
            return Err(InvalidSignature::ScopeDate { scope, signed_at });
        }
        if scope.region != self.region {
            return Err(InvalidSignature::ScopeRegion);
        }
        if scope.service != SERVICE {
            return Err(InvalidSignature::ScopeService);
        }
        if scope.terminator != TERMINATOR {
            return Err(InvalidSignature::ScopeTerminator);
        }
        Ok(())
    }

    /// Returns the credential with this access key ID. Rejects a request without the session token of the credential.
    fn find_credential(
        &self,
        head: &Parts,
        access_key_id: &str,
    ) -> Result<&CredentialEntry, AuthenticationError> {
        let entry =
            self.credentials.get(access_key_id).ok_or(AuthenticationError::UnknownAccessKey)?;
        let received = head.headers.get(X_AMZ_SECURITY_TOKEN);
        let matches = match (&entry.credential.session_token, received) {
            (Some(token), Some(value)) => {
                constant_time_eq(token.expose().as_bytes(), value.as_bytes())
            }
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if matches { Ok(entry) } else { Err(AuthenticationError::SessionTokenMismatch) }
    }

    /// Verifies the signature. The scope must already be checked.
    ///
    /// Source: "Create a string to sign" and "Calculate the signature", in "Create a signed AWS API request" of the
    /// IAM User Guide.
    fn check_signature(
        &self,
        entry: &CredentialEntry,
        head: &Parts,
        authorization: &AuthorizationHeader<'_>,
        signed_at: &SigningTime<'_>,
        body: &[u8],
    ) -> Result<(), InvalidSignature> {
        let hash = canonical_request::hash(head, &authorization.signed_headers, body)
            .ok_or(InvalidSignature::Mismatch)?;
        let secret = &entry.credential.secret_access_key;
        let day = signed_at.day();
        let mut hmac = entry.signing_keys.key(secret, signed_at.time, day, &self.region).hmac();
        for part in [
            ALGORITHM,
            "\n",
            &signed_at.text,
            "\n",
            day,
            "/",
            &self.region,
            "/",
            SERVICE,
            "/",
            TERMINATOR,
            "\n",
            const_hex::Buffer::<SHA_256_LENGTH>::new().format(&hash),
        ] {
            hmac.update(part.as_bytes());
        }
        // `verify` compares in constant time.
        if hmac.verify(&authorization.signature) { Ok(()) } else { Err(InvalidSignature::Mismatch) }
    }

    #[cfg(test)]
    pub(super) fn cached_days(&self, access_key_id: &str) -> Vec<u64> {
        self.credentials[access_key_id].signing_keys.days()
    }
}

impl Credential {
    /// Returns the caller of a request whose signature was verified. Rejects an expired credential.
    fn check_expiry(&self, now: UnixMillis) -> Result<AuthenticatedCaller, AuthenticationError> {
        if self.expires.is_some_and(|expires| expires <= now) {
            return Err(AuthenticationError::ExpiredToken);
        }
        Ok(AuthenticatedCaller {
            access_key_id: Arc::clone(&self.access_key_id),
            principal: Arc::clone(&self.principal),
        })
    }
}

/// Rejects a signing time more than [`WINDOW_SECS`] before or after `now`. `now` is rounded down to whole seconds.
fn check_window(signed_at: UnixMillis, now: UnixMillis) -> Result<(), InvalidSignature> {
    let now = UnixMillis::from_secs(now.as_secs());
    let (earliest, latest) = (now.minus_secs(WINDOW_SECS), now.plus_secs(WINDOW_SECS));
    if signed_at < earliest {
        return Err(InvalidSignature::Expired { signed_at, earliest, now });
    }
    if signed_at > latest {
        return Err(InvalidSignature::NotYetCurrent { signed_at, latest, now });
    }
    Ok(())
}
