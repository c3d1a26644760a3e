//! The principals that credentials authenticate.

use thiserror::Error;

use crate::iam::Policy;
use crate::rate::Rate;

/// Maximum length of an ARN, in bytes: <https://docs.aws.amazon.com/IAM/latest/APIReference/API_User.html>.
const MAX_ARN_LENGTH: usize = 2048;
/// Number of digits of an AWS account ID.
const ACCOUNT_ID_LENGTH: usize = 12;

/// A principal, with its policies and its rate limit.
#[derive(Debug)]
pub struct Principal {
    arn: String,
    condition_arn: String,
    account_id: String,
    kind: PrincipalKind,
    user_name: Option<String>,
    policies: Vec<Policy>,
    rate: Rate,
}

/// The kind of a principal, as in CloudTrail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrincipalKind {
    /// `arn:aws:iam::123456789012:root`.
    Root,
    /// `arn:aws:iam::123456789012:user/NAME`.
    IamUser,
    /// `arn:aws:iam::123456789012:role/NAME`.
    Role,
    /// `arn:aws:sts::123456789012:assumed-role/NAME/SESSION`.
    AssumedRole,
    /// `arn:aws:sts::123456789012:federated-user/NAME`.
    FederatedUser,
}

/// The error for a text that is not the ARN of a principal.
///
/// The message omits the text, because an operator may have written a secret here.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error(
    "not the ARN of a principal, such as arn:aws:iam::123456789012:role/NAME, \
     arn:aws:iam::123456789012:user/NAME or arn:aws:sts::123456789012:assumed-role/NAME/SESSION"
)]
pub struct InvalidPrincipal;

impl PrincipalKind {
    fn from_service_and_resource(service: &str, resource: &str) -> Option<Self> {
        match (service, resource.split_once('/')) {
            ("iam", None) if resource == "root" => Some(Self::Root),
            ("iam", Some(("user", name))) if !name.is_empty() => Some(Self::IamUser),
            ("iam", Some(("role", name))) if !name.is_empty() => Some(Self::Role),
            ("sts", Some(("assumed-role", name))) if !name.is_empty() => Some(Self::AssumedRole),
            ("sts", Some(("federated-user", name))) if !name.is_empty() => {
                Some(Self::FederatedUser)
            }
            _ => None,
        }
    }

    /// Returns the name in CloudTrail:
    /// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html>.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Root => "Root",
            Self::IamUser => "IAMUser",
            Self::Role => "Role",
            Self::AssumedRole => "AssumedRole",
            Self::FederatedUser => "FederatedUser",
        }
    }
}

impl Principal {
    /// Parses the ARN of a principal. The principal has no policies and no rate limit.
    ///
    /// # Errors
    /// If `arn` is not the ARN of a principal.
    pub fn new(arn: &str) -> Result<Self, InvalidPrincipal> {
        Self::parse(arn).ok_or(InvalidPrincipal)
    }

    fn parse(arn: &str) -> Option<Self> {
        // Messages and records contain the ARN without escaping, so it must be printable.
        if arn.len() > MAX_ARN_LENGTH || !arn.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        // The format is arn:partition:service:region:account:resource. The resource may contain colons.
        let mut parts = arn.splitn(6, ':');
        let mut next = || parts.next();
        let (scheme, partition, service) = (next()?, next()?, next()?);
        let (region, account_id, resource) = (next()?, next()?, next()?);
        let is_account = account_id.len() == ACCOUNT_ID_LENGTH
            && account_id.bytes().all(|byte| byte.is_ascii_digit());
        if scheme != "arn" || !partition.starts_with("aws") || !region.is_empty() || !is_account {
            return None;
        }
        let kind = PrincipalKind::from_service_and_resource(service, resource)?;
        let condition_arn = match kind {
            PrincipalKind::AssumedRole => role_arn(partition, account_id, resource)?,
            _ => arn.to_owned(),
        };
        // The name of a user is the last part of the resource. The path before it is not part of the name.
        let user_name = (kind == PrincipalKind::IamUser)
            .then(|| resource.rsplit('/').next().unwrap_or_default().to_owned());
        Some(Self {
            arn: arn.to_owned(),
            condition_arn,
            account_id: account_id.to_owned(),
            kind,
            user_name,
            policies: Vec::new(),
            rate: Rate::per_second(0),
        })
    }

    /// Sets the policies and the rate limit.
    #[must_use]
    pub fn with_policies_and_rate(self, policies: Vec<Policy>, rate: Rate) -> Self {
        Self { policies, rate, ..self }
    }

    /// Returns the ARN, such as `arn:aws:iam::123456789012:role/wallet`.
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// Returns the value of the condition key `aws:PrincipalArn`. For an assumed role, this is the ARN of the
    /// role, without the path of the role, because the ARN of a session does not contain the path. For other
    /// kinds, this is the ARN.
    ///
    /// > For IAM roles, the request context returns the ARN of the role, not the ARN of the user that
    /// > assumed the role.
    ///
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalarn>
    pub fn condition_arn(&self) -> &str {
        &self.condition_arn
    }

    /// Returns the twelve digits of the account ID.
    pub fn account_id(&self) -> &str {
        &self.account_id
    }

    /// Returns the kind of the principal.
    pub fn kind(&self) -> PrincipalKind {
        self.kind
    }

    /// Returns the policies of the principal.
    pub(crate) fn policies(&self) -> &[Policy] {
        &self.policies
    }

    /// Returns the rate limit of the principal.
    pub(crate) fn rate(&self) -> &Rate {
        &self.rate
    }

    /// Returns the name of a user, without the path. Returns `None` for other kinds.
    pub fn user_name(&self) -> Option<&str> {
        self.user_name.as_deref()
    }
}

/// Returns the ARN of the role in `assumed-role/NAME/SESSION`.
fn role_arn(partition: &str, account_id: &str, resource: &str) -> Option<String> {
    let (_, session) = resource.split_once('/')?;
    let role = session.split('/').next().filter(|role| !role.is_empty())?;
    Some(format!("arn:{partition}:iam::{account_id}:role/{role}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_arns_of_principals() {
        use PrincipalKind::*;
        for (resource, kind, user_name) in [
            ("iam::123456789012:root", Root, None),
            ("iam::123456789012:user/alice", IamUser, Some("alice")),
            ("iam::123456789012:user/division/team/alice", IamUser, Some("alice")),
            ("iam::123456789012:role/wallet", Role, None),
            ("sts::123456789012:assumed-role/wallet/session", AssumedRole, None),
            ("sts::123456789012:federated-user/alice", FederatedUser, None),
        ] {
            for partition in ["aws", "aws-cn", "aws-us-gov"] {
                let arn = format!("arn:{partition}:{resource}");
                let principal = Principal::new(&arn).unwrap();
                assert_eq!((principal.kind(), principal.user_name()), (kind, user_name), "{arn}");
                assert_eq!((principal.arn(), principal.account_id()), (&*arn, "123456789012"));
            }
        }
    }

    #[test]
    fn condition_arn_of_a_session_is_its_role() {
        for (resource, seen) in [
            ("iam::123456789012:root", "iam::123456789012:root"),
            ("iam::123456789012:user/team/alice", "iam::123456789012:user/team/alice"),
            ("iam::123456789012:role/path/wallet", "iam::123456789012:role/path/wallet"),
            ("sts::123456789012:assumed-role/wallet/a:session", "iam::123456789012:role/wallet"),
            ("sts::123456789012:assumed-role/wallet", "iam::123456789012:role/wallet"),
            ("sts::123456789012:federated-user/alice", "sts::123456789012:federated-user/alice"),
        ] {
            for partition in ["aws", "aws-cn", "aws-us-gov"] {
                let principal = Principal::new(&format!("arn:{partition}:{resource}")).unwrap();
                assert_eq!(principal.arn(), format!("arn:{partition}:{resource}"));
                assert_eq!(principal.condition_arn(), format!("arn:{partition}:{seen}"));
            }
        }
    }

    #[test]
    fn rejects_arns_that_name_no_principal() {
        let long = format!("arn:aws:iam::123456789012:role/{}", "a".repeat(MAX_ARN_LENGTH));
        for arn in [
            "",
            "wallet",
            "arn:aws:iam::123456789012",
            "arn:aws:iam::123456789012:wallet",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:sts::123456789012:assumed-role//session",
            "arn:aws:iam::12345678901:role/wallet",
            "arn:aws:iam::12345678901x:role/wallet",
            "arn:aws:iam:eu-west-1:123456789012:role/wallet",
            "arn:aws:kms::123456789012:role/wallet",
            "arn:other:iam::123456789012:role/wallet",
            "urn:aws:iam::123456789012:role/wallet",
            "arn:aws:iam::123456789012:role/a b",
            "arn:aws:iam::123456789012:role/a\nb",
            "arn:aws:iam::123456789012:role/é",
            &long,
        ] {
            assert_eq!(Principal::new(arn).unwrap_err(), InvalidPrincipal, "{arn}");
        }
    }
}
