//! The tables `[[credential]]` and their principals.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use attestation::time::UnixMillis;
use serde::Deserialize;
use serde::de::{self, Deserializer};
use thiserror::Error;
use toml::value::Datetime;

use super::bundle::ConfigBundle;
use super::warning::ConfigWarning;
use crate::auth::{Credential, Secret, is_access_key_id};
use crate::iam::{Policy, PolicyError};
use crate::principal::{InvalidPrincipal, Principal};
use crate::rate::Rate;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CredentialTable {
    access_key_id: String,
    secret_access_key: Secret,
    /// The ARN of the principal.
    principal: String,
    /// The names of the policy files.
    pub(super) policies: Vec<PathBuf>,
    pub(super) session_token: Option<Secret>,
    pub(super) expires: Option<ExpiryTime>,
}

/// A time in the format of RFC 3339, as a TOML string or a TOML date-time.
#[derive(Clone, Copy, Debug)]
pub(super) struct ExpiryTime(pub(super) UnixMillis);

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "expected a time with an offset from UTC, such as 2027-01-31T12:00:00Z"
)]
enum RawTime {
    Datetime(Datetime),
    Text(String),
}

impl<'de> Deserialize<'de> for ExpiryTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match RawTime::deserialize(deserializer)? {
            RawTime::Datetime(time) => time.to_string(),
            RawTime::Text(text) => text,
        };
        // The message omits the text, because an operator may have written a secret here.
        UnixMillis::from_rfc3339(&text).map(Self).ok_or_else(|| {
            de::Error::custom(
                "expected a time with an offset from UTC, such as 2027-01-31T12:00:00Z",
            )
        })
    }
}

/// The principals of all credentials. Credentials with the same ARN share one principal, and therefore its policies
/// and its rate limit.
pub(super) struct PrincipalRegistry<'a> {
    bundle: &'a ConfigBundle,
    has_tls: bool,
    requests_per_second: u32,
    entries: BTreeMap<String, PrincipalEntry>,
    pub(super) warnings: Vec<ConfigWarning>,
    /// Policy warnings that apply only if requests carry no client address.
    pub(super) warnings_without_client_addr: Vec<String>,
    /// Policy files whose warnings have been logged.
    warned_files: BTreeSet<PathBuf>,
}

/// A principal, with the number and the policies of the first credential that names it.
struct PrincipalEntry {
    number: usize,
    principal: Arc<Principal>,
    policies: Vec<PathBuf>,
}

impl<'a> PrincipalRegistry<'a> {
    pub(super) fn new(bundle: &'a ConfigBundle, has_tls: bool, requests_per_second: u32) -> Self {
        Self {
            bundle,
            has_tls,
            requests_per_second,
            entries: BTreeMap::new(),
            warnings: Vec::new(),
            warnings_without_client_addr: Vec::new(),
            warned_files: BTreeSet::new(),
        }
    }

    /// Builds the credential of `table`, which is entry `number`, counted from 1.
    pub(super) fn credential(
        &mut self,
        table: CredentialTable,
        number: usize,
    ) -> Result<Credential, InvalidCredential> {
        if !is_access_key_id(&table.access_key_id) {
            return Err(InvalidCredential::AccessKeyId);
        }
        if table.session_token.as_ref().is_some_and(|token| !token.is_valid_header_value()) {
            return Err(InvalidCredential::SessionToken);
        }
        let expires = table.expires.map(|expires| expires.0);
        self.warnings.extend(expires.map(|at| ConfigWarning::CredentialExpires { number, at }));
        Ok(Credential {
            access_key_id: table.access_key_id.into(),
            secret_access_key: table.secret_access_key,
            session_token: table.session_token,
            expires,
            principal: self.principal(table.principal, table.policies, number)?,
        })
    }

    /// Returns the principal with this ARN. Creates the principal for the first credential that names it.
    fn principal(
        &mut self,
        arn: String,
        policies: Vec<PathBuf>,
        number: usize,
    ) -> Result<Arc<Principal>, InvalidCredential> {
        match self.entries.get(&arn) {
            Some(entry) if entry.policies == policies => Ok(Arc::clone(&entry.principal)),
            Some(entry) => Err(InvalidCredential::OtherPolicies { arn, other: entry.number }),
            None => {
                if policies.is_empty() {
                    self.warnings.push(ConfigWarning::NoPolicies { number, arn: arn.clone() });
                }
                let principal = Principal::new(&arn)?.with_policies_and_rate(
                    self.policies(&policies)?,
                    Rate::per_second(self.requests_per_second),
                );
                let principal = Arc::new(principal);
                let entry = PrincipalEntry { number, principal: Arc::clone(&principal), policies };
                self.entries.insert(arn, entry);
                Ok(principal)
            }
        }
    }

    /// Parses the policies at `paths`, and logs the warnings of each file once.
    fn policies(&mut self, paths: &[PathBuf]) -> Result<Vec<Policy>, InvalidCredential> {
        let Self { bundle, has_tls, warnings_without_client_addr, warned_files, .. } = self;
        let policy = |name: &PathBuf| {
            let path = bundle.path_of(name);
            let json = match bundle.file(name) {
                Ok(json) => json,
                Err(error) => return Err(InvalidCredential::ReadPolicy { path, error }),
            };
            let policy = Policy::parse(&path.display().to_string(), json)?;
            if warned_files.insert(path) {
                policy.warnings().for_each(|warning| tracing::warn!("{warning}"));
                warnings_without_client_addr.extend(policy.warnings_without_client_addr());
                if !*has_tls {
                    policy.warnings_without_tls().for_each(|warning| tracing::warn!("{warning}"));
                }
            }
            Ok(policy)
        };
        paths.iter().map(policy).collect()
    }
}

/// The error for one credential.
#[derive(Debug, Error)]
pub enum InvalidCredential {
    /// An invalid access key ID.
    #[error("access_key_id is invalid: use 1 to 128 letters, digits and underscores")]
    AccessKeyId,
    /// A session token that cannot be sent in a header.
    #[error(
        "session_token cannot be sent in a header: use at most 8192 bytes of printable ASCII, \
         without a space at either end"
    )]
    SessionToken,
    /// A text that is not the ARN of a principal.
    #[error("principal: {0}")]
    Principal(#[from] InvalidPrincipal),
    /// Two credentials of one principal with different policies.
    #[error(
        "number {other} lists other policies for {arn}: policies belong to the principal, so list \
         the same files in both"
    )]
    OtherPolicies {
        /// The ARN of the principal.
        arn: String,
        /// The number of the other entry, from 1.
        other: usize,
    },
    /// A policy file that cannot be read.
    #[error("{}: {error}", path.display())]
    ReadPolicy {
        /// The path of the file.
        path: PathBuf,
        /// The cause.
        error: io::Error,
    },
    /// A policy that cannot be parsed.
    #[error(transparent)]
    Policy(#[from] PolicyError),
}
