//! Collects the data of an audit record. A record never contains random bytes, keys, signatures, tokens or documents.

use std::net::IpAddr;
use std::sync::Arc;

use attestation::time::UnixMillis;
use attestation::{Claims, PcrFamily, PcrValue};
use hyper::header::{HOST, HeaderValue, USER_AGENT};
use kms_api::{GenerateRandom, KmsError, Operation};

use crate::auth::Caller;
use crate::request::{Outcome, RequestContext, RequestId, TlsDetails};

/// Maximum length of a text from a client, in bytes. CloudTrail has the same limit for user agents and error
/// messages.
const MAX_TEXT_LENGTH: usize = 1024;
/// Maximum length of a header from an unauthenticated caller, in bytes. The limit for error messages is always
/// [`MAX_TEXT_LENGTH`], because the service writes them.
const MAX_UNAUTHENTICATED_LENGTH: usize = 128;

/// The registers of an enclave that AWS KMS records. PCR0 is the digest of the image.
const ENCLAVE_PCRS: [usize; 6] = [0, 1, 2, 3, 4, 8];
/// The registers of a NitroTPM that AWS KMS records.
const NITRO_TPM_PCRS: [usize; 6] = [4, 7, 8, 9, 16, 23];

/// A builder of an audit record. The handler of the request adds data step by step. The builder contains a
/// principal only after its signature was verified, and measurements only after their document was verified.
#[derive(Debug)]
pub struct RecordBuilder {
    pub(super) request_id: RequestId,
    pub(super) time: UnixMillis,
    pub(super) region: Option<Arc<str>>,
    /// The address of the client, as the relay reports it.
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

/// The TLS parameters of the connection, and the Host header.
#[derive(Debug)]
pub(super) struct Tls {
    pub(super) details: TlsDetails,
    pub(super) host: Option<String>,
}

/// The parameters of the request, which are within the limits of the API.
#[derive(Debug)]
pub(super) struct Parameters {
    pub(super) number_of_bytes: usize,
    pub(super) custom_key_store_id: Option<String>,
}

/// The recipient of the response, from a verified document.
#[derive(Debug)]
pub(crate) struct Recipient {
    pub(super) module_id: String,
    pub(super) family: PcrFamily,
    /// The recorded registers, by index.
    pub(super) pcrs: Vec<(usize, PcrValue)>,
}

impl RecordBuilder {
    /// Creates a builder for a request that has arrived.
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

    /// Returns a builder with only the identifier and the time.
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

    /// Returns whether the limits on unauthenticated callers apply to the record. They apply if all of these are
    /// true:
    ///
    /// - No signature was verified. With `[auth] mode = "none"`, this is true for all requests.
    /// - No document was verified.
    /// - The request failed.
    pub(crate) fn is_unauthenticated(&self) -> bool {
        let is_anonymous = |caller: &Caller| caller.principal().is_none();
        self.caller.as_ref().is_none_or(is_anonymous)
            && self.recipient.is_none()
            && !matches!(self.outcome, Outcome::Success)
    }

    /// Returns the recorded part of the User-Agent header.
    pub(super) fn user_agent(&self) -> Option<&str> {
        self.user_agent.as_deref().map(|text| clip(text, self.max_header_length()))
    }

    /// Returns the recorded part of the Host header that the client sent over TLS.
    pub(super) fn tls_host(&self) -> Option<&str> {
        let host = self.tls.as_ref().and_then(|tls| tls.host.as_deref());
        host.map(|text| clip(text, self.max_header_length()))
    }

    fn max_header_length(&self) -> usize {
        if self.is_unauthenticated() { MAX_UNAUTHENTICATED_LENGTH } else { MAX_TEXT_LENGTH }
    }

    /// Returns the address of the client, as the relay reports it.
    pub(crate) fn client_addr(&self) -> Option<IpAddr> {
        self.client_addr
    }

    /// Returns the identifier of the request.
    pub(crate) fn request_id(&self) -> RequestId {
        self.request_id
    }

    /// Returns the operation, or `None` if it is unknown.
    pub(crate) fn operation(&self) -> Option<Operation> {
        self.operation
    }

    /// Returns the current outcome. Before the request is completed, the outcome is
    /// [`Outcome::ClientDisconnected`].
    pub(crate) fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Returns the time at which the request arrived.
    pub(crate) fn time(&self) -> UnixMillis {
        self.time
    }

    /// Sets the authenticated caller.
    pub(crate) fn set_caller(&mut self, caller: &Caller) {
        self.caller = Some(caller.clone());
    }

    /// Sets the operation. `None` is an unknown operation.
    pub(crate) fn set_operation(&mut self, operation: Option<Operation>) {
        self.operation = operation;
    }

    /// Sets the parameters, which are within the limits of the API.
    pub(crate) fn set_parameters(&mut self, request: &GenerateRandom) {
        self.parameters = Some(Parameters {
            number_of_bytes: request.number_of_bytes.get(),
            custom_key_store_id: request.custom_key_store_id.clone(),
        });
    }

    /// Sets the recipient, whose document was verified.
    pub(crate) fn set_recipient(&mut self, recipient: Recipient) {
        self.recipient = Some(recipient);
    }

    /// Sets the outcome to success.
    pub(crate) fn set_success(&mut self) {
        self.outcome = Outcome::Success;
    }

    /// Sets the outcome to `error`.
    pub(crate) fn set_error(&mut self, error: &KmsError) {
        let message = error.message.as_deref();
        self.error_message = message.map(|message| clip(message, MAX_TEXT_LENGTH).to_owned());
        self.outcome = Outcome::Error(error.error_type);
    }
}

impl Recipient {
    /// Creates a recipient from the claims of a verified document.
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

/// Returns at most `length` bytes of `text`, truncated at a character boundary.
fn clip(text: &str, length: usize) -> &str {
    text.get(..text.floor_char_boundary(length)).unwrap_or_default()
}
