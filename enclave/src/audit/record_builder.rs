//! What is recorded of one request. It never holds a random byte, a key, a signature, a token or a document.

use std::net::IpAddr;
use std::sync::Arc;

use attestation::time::UnixMillis;
use attestation::{Claims, PcrFamily, PcrValue};
use hyper::header::{HOST, HeaderValue, USER_AGENT};
use kms_api::{GenerateRandom, KmsError, Operation};

use crate::auth::Caller;
use crate::request::{Outcome, RequestContext, RequestId, TlsDetails};

/// Bytes of a text that came from outside; CloudTrail's own limit for a user agent and a message.
const MAX_TEXT_LENGTH: usize = 1024;
/// Bytes of a header that an unauthenticated caller sent. An error's message is the service's own text,
/// and keeps [`MAX_TEXT_LENGTH`].
const MAX_UNAUTHENTICATED_LENGTH: usize = 128;

/// The registers that AWS KMS records of an enclave; PCR0 is the image's digest.
const ENCLAVE_PCRS: [usize; 6] = [0, 1, 2, 3, 4, 8];
/// The registers that AWS KMS records of an instance with a NitroTPM.
const NITRO_TPM_PCRS: [usize; 6] = [4, 7, 8, 9, 16, 23];

/// What is known of a request. It grows as the request is understood, and nothing enters it that
/// was only claimed: no principal without its signature, no measurement without its proof.
#[derive(Debug)]
pub struct RecordBuilder {
    pub(super) request_id: RequestId,
    pub(super) time: UnixMillis,
    pub(super) region: Option<Arc<str>>,
    /// By the word of the parent's relay.
    pub(super) client_addr: Option<IpAddr>,
    pub(super) user_agent: Option<String>,
    pub(super) tls: Option<Tls>,
    pub(super) operation: Option<Operation>,
    pub(super) caller: Option<Caller>,
    pub(super) parameters: Option<Parameters>,
    pub(super) recipient: Option<Recipient>,
    pub(super) outcome: Outcome,
    /// The message of the error that the caller received.
    pub(super) error_message: Option<String>,
}

/// The TLS that ended here, and the name that the client has for this service.
#[derive(Debug)]
pub(super) struct Tls {
    pub(super) details: TlsDetails,
    pub(super) host: Option<String>,
}

/// What was asked for, once it is known to be within the API's limits.
#[derive(Debug)]
pub(super) struct Parameters {
    pub(super) number_of_bytes: usize,
    pub(super) custom_key_store_id: Option<String>,
}

/// Who can read the answer, by a document that was verified.
#[derive(Debug)]
pub(crate) struct Recipient {
    pub(super) module_id: String,
    pub(super) family: PcrFamily,
    /// Those that are recorded, by index.
    pub(super) pcrs: Vec<(usize, PcrValue)>,
}

impl RecordBuilder {
    /// Of a request that has just arrived.
    pub(crate) fn new(
        request: RequestContext<'_>,
        time: UnixMillis,
        region: Option<Arc<str>>,
    ) -> Self {
        let RequestContext { id: request_id, transport_security, client_addr, head, .. } = request;
        let header = |name| {
            let value = head.headers.get(name).map(HeaderValue::as_bytes);
            value.map(|value| clip(&String::from_utf8_lossy(value), MAX_TEXT_LENGTH).to_owned())
        };
        Self {
            request_id,
            time,
            region,
            client_addr,
            user_agent: header(USER_AGENT),
            tls: transport_security
                .tls_details()
                .map(|details| Tls { details, host: header(HOST) }),
            operation: None,
            caller: None,
            parameters: None,
            recipient: None,
            outcome: Outcome::ClientDisconnected,
            error_message: None,
        }
    }

    /// One that holds nothing of it but its name.
    pub(crate) fn without_content(&self) -> Self {
        Self {
            request_id: self.request_id,
            time: self.time,
            region: None,
            client_addr: None,
            user_agent: None,
            tls: None,
            operation: None,
            caller: None,
            parameters: None,
            recipient: None,
            outcome: Outcome::ClientDisconnected,
            error_message: None,
        }
    }

    /// Returns whether nothing proves the caller, so that the limits on unauthenticated callers hold for
    /// the record: no signature was verified. Where none is asked for (`[auth] mode = "none"`), a request
    /// that is answered counts as authenticated, and so does one with a verified document. What remains
    /// there are refusals that any client can cause.
    pub(crate) fn is_unauthenticated(&self) -> bool {
        let is_anonymous = |caller: &Caller| caller.principal().is_none();
        self.caller.as_ref().is_none_or(is_anonymous)
            && self.recipient.is_none()
            && !matches!(self.outcome, Outcome::Success)
    }

    /// Returns the User-Agent, as much as is recorded of it.
    pub(super) fn user_agent(&self) -> Option<&str> {
        self.user_agent.as_deref().map(|text| clip(text, self.max_header_length()))
    }

    /// Returns the Host that the client sent over TLS, as much as is recorded of it.
    pub(super) fn tls_host(&self) -> Option<&str> {
        let host = self.tls.as_ref().and_then(|tls| tls.host.as_deref());
        host.map(|text| clip(text, self.max_header_length()))
    }

    fn max_header_length(&self) -> usize {
        if self.is_unauthenticated() { MAX_UNAUTHENTICATED_LENGTH } else { MAX_TEXT_LENGTH }
    }

    /// Returns the address of the client, by the word of the parent's relay.
    pub(crate) fn client_addr(&self) -> Option<IpAddr> {
        self.client_addr
    }

    /// Its name.
    pub(crate) fn request_id(&self) -> RequestId {
        self.request_id
    }

    /// What it asks for, if it named an operation of ours.
    pub(crate) fn operation(&self) -> Option<Operation> {
        self.operation
    }

    /// Returns the outcome so far.
    pub(crate) fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// When it arrived.
    pub(crate) fn time(&self) -> UnixMillis {
        self.time
    }

    /// It is known who calls.
    pub(crate) fn set_caller(&mut self, caller: &Caller) {
        self.caller = Some(caller.clone());
    }

    /// It names an operation of ours, or none.
    pub(crate) fn set_operation(&mut self, operation: Option<Operation>) {
        self.operation = operation;
    }

    /// It keeps the API's limits.
    pub(crate) fn set_parameters(&mut self, request: &GenerateRandom) {
        self.parameters = Some(Parameters {
            number_of_bytes: request.number_of_bytes.get(),
            custom_key_store_id: request.custom_key_store_id.clone(),
        });
    }

    /// Its document was verified.
    pub(crate) fn set_recipient(&mut self, recipient: Recipient) {
        self.recipient = Some(recipient);
    }

    /// It is answered with what it asked for.
    pub(crate) fn set_success(&mut self) {
        self.outcome = Outcome::Success;
    }

    /// It is answered with `error`.
    pub(crate) fn set_error(&mut self, error: &KmsError) {
        let message = error.message.as_deref();
        self.error_message = message.map(|message| clip(message, MAX_TEXT_LENGTH).to_owned());
        self.outcome = Outcome::Error(error.error_type);
    }
}

impl Recipient {
    /// As a verified document says.
    pub(crate) fn from_claims(claims: &Claims<'_>) -> Self {
        let pcrs = claims.pcrs();
        let recorded = match pcrs.family() {
            PcrFamily::NitroEnclave => &ENCLAVE_PCRS,
            PcrFamily::NitroTpm => &NITRO_TPM_PCRS,
        };
        Self {
            module_id: claims.module_id().to_owned(),
            family: pcrs.family(),
            pcrs: recorded.iter().filter_map(|&index| Some((index, *pcrs.value(index)?))).collect(),
        }
    }
}

/// Returns at most `length` bytes of `text`, cut between characters.
fn clip(text: &str, length: usize) -> &str {
    text.get(..text.floor_char_boundary(length)).unwrap_or_default()
}
