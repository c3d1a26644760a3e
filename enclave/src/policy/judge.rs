//! The judge of all requests.

use std::net::IpAddr;

use attestation::time::UnixMillis;
use attestation::{DebugMode, Trust};
use kms_api::Operation;

use super::admitted::Admitted;
use super::denied::{Denied, NotAdmitted};
use super::recipient::{DocumentRules, RecipientPolicy};
use super::request::{PlainRequest, ProvenRequest};
use crate::auth::Caller;
use crate::iam::{self, Context, Decision, Measurements};
use crate::request::Channel;

/// The caller of a request, and the circumstances that policies read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) now: UnixMillis,
    pub(crate) channel: Channel,
    /// From where, by the word of the parent's relay.
    pub(crate) source_ip: Option<IpAddr>,
}

/// The judge of all requests.
#[derive(Debug)]
pub struct Policy {
    recipient: RecipientPolicy,
}

impl Policy {
    /// With what is asked of Recipients; what callers may do, their principals know.
    pub fn new(recipient: RecipientPolicy) -> Self {
        Self { recipient }
    }

    /// Says what is asked of Recipients, where it is not what one would expect.
    pub(crate) fn announce(&self) {
        let RecipientPolicy { require, plaintext, max_age, debug, measurements } = &self.recipient;
        if *debug == DebugMode::Allow {
            tracing::warn!(
                "[recipient] allow_debug: enclaves that their parents can read are answered"
            );
        }
        let (plaintext, measurements) = (plaintext.word(), measurements.len());
        tracing::info!(require, plaintext, ?max_age, measurements, "[recipient]");
    }

    /// Returns the rules for attestation documents.
    pub(crate) fn document_rules(&self) -> DocumentRules {
        DocumentRules { max_age: self.recipient.max_age, debug: self.recipient.debug }
    }

    /// Whether `asker` may list custom key stores.
    ///
    /// # Errors
    /// If not.
    pub(crate) fn admit_describe(&self, asker: &Asker<'_>) -> Result<(), Denied> {
        allowed(Operation::DescribeCustomKeyStores, asker, None)
    }

    /// Admits a request without a Recipient.
    ///
    /// # Errors
    /// If the caller may not send it.
    pub(crate) fn admit_plain(
        &self,
        asker: &Asker<'_>,
        request: PlainRequest,
    ) -> Result<Admitted, NotAdmitted> {
        self.recipient.admit_plain(asker.channel)?;
        allowed(Operation::GenerateRandom, asker, None)?;
        Ok(Admitted::plain(request))
    }

    /// Admits a request whose document was verified.
    ///
    /// # Errors
    /// If the caller may not send it, or nothing can be sealed to the document's key.
    pub(crate) fn admit_attested<T: Trust>(
        &self,
        asker: &Asker<'_>,
        request: ProvenRequest<T>,
    ) -> Result<Admitted, NotAdmitted> {
        let pcrs = request.claims().pcrs();
        self.recipient.admit(&pcrs)?;
        allowed(Operation::GenerateRandom, asker, Some(&pcrs))?;
        Ok(Admitted::attested(request)?)
    }
}

/// Evaluates the caller's own policies. Callers that are not authenticated have none, and are allowed.
fn allowed(
    action: Operation,
    asker: &Asker<'_>,
    measurements: Option<&dyn Measurements>,
) -> Result<(), Denied> {
    let Asker { caller, now, channel, source_ip } = *asker;
    let Some(principal) = caller.principal() else { return Ok(()) };
    let context = Context {
        action,
        principal_arn: Some(principal.condition_arn()),
        now,
        // TLS that ends before the enclave does not count: its endpoint reads the answer.
        secure_transport: Some(channel.is_tls()),
        source_ip,
        measurements,
    };
    match iam::evaluate(principal.policies(), &context) {
        Decision::Allowed(_) => Ok(()),
        Decision::Denied(by) => Err(Denied::Explicitly { statement: by.to_string() }),
        Decision::NotAllowed => Err(Denied::Implicitly),
    }
}
