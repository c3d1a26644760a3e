//! Authorizes requests.

use std::net::IpAddr;

use attestation::time::UnixMillis;
use attestation::{DebugMode, MaxAge, Trust};
use kms_api::Operation;

use super::authorization_error::{AuthorizationError, DenialReason};
use super::authorized::Authorized;
use super::recipient::{DocumentRules, RecipientPolicy};
use super::request::{PlainRequest, VerifiedRequest};
use crate::auth::Caller;
use crate::iam::{self, Context, Decision, Measurements};
use crate::request::TransportSecurity;

/// The caller of a request, and the attributes of the request that policies can read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AuthContext<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) now: UnixMillis,
    pub(crate) transport_security: TransportSecurity,
    /// The address of the client, as the relay reports it.
    pub(crate) client_addr: Option<IpAddr>,
}

/// The policy that authorizes requests.
#[derive(Debug)]
pub struct Policy {
    recipient: RecipientPolicy,
}

impl Policy {
    /// Creates a policy with these rules for Recipients. The IAM policies of a caller are not part of this
    /// policy, but of the principal.
    pub fn new(recipient: RecipientPolicy) -> Self {
        Self { recipient }
    }

    /// Logs the rules for Recipients.
    pub(crate) fn announce(&self) {
        let RecipientPolicy { require, plaintext, max_age, debug, measurements } = &self.recipient;
        if *debug == DebugMode::Allow {
            tracing::warn!(
                "[recipient] allow_debug is true: accepts enclaves in debug mode, which their parent \
                 instances can inspect"
            );
        }
        let (plaintext, measurements) = (plaintext.as_str(), measurements.len());
        let max_age = match max_age {
            MaxAge::Seconds(seconds) => format!("{seconds} s"),
            MaxAge::Chain => "chain".to_owned(),
        };
        tracing::info!(require, plaintext, max_age, measurements, "[recipient]");
    }

    /// Returns the rules for attestation documents.
    pub(crate) fn document_rules(&self) -> DocumentRules {
        DocumentRules { max_age: self.recipient.max_age, debug: self.recipient.debug }
    }

    /// Authorizes the caller to list custom key stores.
    ///
    /// # Errors
    /// If the caller's policies do not allow the action.
    pub(crate) fn authorize_describe(&self, context: &AuthContext<'_>) -> Result<(), DenialReason> {
        evaluate_policies(Operation::DescribeCustomKeyStores, context, None)
    }

    /// Authorizes a request without a Recipient.
    ///
    /// # Errors
    /// If the rules for Recipients or the policies of the caller do not allow the request.
    pub(crate) fn authorize_plain(
        &self,
        context: &AuthContext<'_>,
        request: PlainRequest,
    ) -> Result<Authorized, AuthorizationError> {
        self.recipient.check_plaintext(context.transport_security)?;
        evaluate_policies(Operation::GenerateRandom, context, None)?;
        Ok(Authorized::plain(request))
    }

    /// Authorizes a request whose document was verified.
    ///
    /// # Errors
    /// If the rules for Recipients or the policies of the caller do not allow the request, or if the response
    /// cannot be sealed to the key in the document.
    pub(crate) fn authorize_attested<T: Trust>(
        &self,
        context: &AuthContext<'_>,
        request: VerifiedRequest<T>,
    ) -> Result<Authorized, AuthorizationError> {
        let pcrs = request.claims().pcrs();
        self.recipient.check_measurements(&pcrs)?;
        evaluate_policies(Operation::GenerateRandom, context, Some(&pcrs))?;
        Ok(Authorized::attested(request)?)
    }
}

/// Evaluates the IAM policies of the caller. Without authentication there is no principal, and this function allows
/// every action.
fn evaluate_policies(
    action: Operation,
    context: &AuthContext<'_>,
    measurements: Option<&dyn Measurements>,
) -> Result<(), DenialReason> {
    let AuthContext { caller, now, transport_security, client_addr } = *context;
    let Some(principal) = caller.principal() else { return Ok(()) };
    let context = Context {
        action,
        principal_arn: Some(principal.condition_arn()),
        now,
        // TLS that another host terminates does not count, because that host can read the response.
        secure_transport: Some(transport_security.is_tls()),
        source_ip: client_addr,
        measurements,
    };
    match iam::evaluate(principal.policies(), &context) {
        Decision::Allowed(_) => Ok(()),
        Decision::Denied(by) => Err(DenialReason::ExplicitDeny { statement: by.to_string() }),
        Decision::NotAllowed => Err(DenialReason::ImplicitDeny),
    }
}
