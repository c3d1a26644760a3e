//! A record as JSON: CloudTrail's fields, as AWS KMS fills them for attested requests:
//! <https://docs.aws.amazon.com/kms/latest/developerguide/ct-nitro-enclave.html>,
//! <https://docs.aws.amazon.com/kms/latest/developerguide/ct-nitro-tpm.html>.
//!
//! What is not known is null, as CloudTrail has it: the name of an operation that is none of ours,
//! and the client's address, which only whoever it connected to knows.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use shared::attestation::PcrFamily;
use shared::time::UnixMillis;

use super::record::{Outcome, Parameters, Recipient, Record, Tls};
use crate::auth::Caller;
use crate::http::RequestId;

/// The form of CloudTrail's records that these fields are of.
const EVENT_VERSION: &str = "1.08";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    event_version: &'static str,
    user_identity: UserIdentity<'a>,
    event_time: String,
    event_source: &'static str,
    event_name: Option<&'static str>,
    aws_region: Option<&'a str>,
    #[serde(rename = "sourceIPAddress")]
    source_ip_address: Option<&'a str>,
    user_agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message: Option<&'a str>,
    request_parameters: Option<RequestParameters<'a>>,
    response_elements: Option<()>,
    #[serde(skip_serializing_if = "Option::is_none")]
    additional_event_data: Option<AdditionalEventData<'a>>,
    #[serde(rename = "requestID")]
    request_id: String,
    #[serde(rename = "eventID")]
    event_id: String,
    read_only: bool,
    resources: [(); 0],
    event_type: &'static str,
    management_event: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    recipient_account_id: Option<&'a str>,
    event_category: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_details: Option<TlsDetails<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TlsDetails<'a> {
    tls_version: &'static str,
    cipher_suite: &'static str,
    client_provided_host_header: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestParameters<'a> {
    number_of_bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom_key_store_id: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AdditionalEventData<'a> {
    recipient: &'a Recipient,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UserIdentity<'a> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    arn: Option<&'a str>,
    account_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_key_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_name: Option<&'a str>,
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let user_identity = UserIdentity::of(self.caller.as_ref());
        let (error_code, error_message) = match &self.outcome {
            Outcome::Granted => (None, None),
            Outcome::Refused { error, message } => (Some(error.name()), message.as_deref()),
            Outcome::Abandoned => (Some("ClientDisconnected"), None),
        };
        let recipient = self.recipient.as_ref();
        Event {
            event_version: EVENT_VERSION,
            event_time: UnixMillis::from_secs(self.time.as_secs()).to_string(),
            event_source: "kms.amazonaws.com",
            event_name: self.operation.map(|operation| operation.name()),
            aws_region: self.region.as_deref(),
            source_ip_address: None,
            user_agent: self.user_agent.as_deref(),
            error_code,
            error_message,
            request_parameters: self.parameters.as_ref().map(RequestParameters::of),
            response_elements: None,
            additional_event_data: recipient.map(|recipient| AdditionalEventData { recipient }),
            request_id: self.request_id.to_string(),
            event_id: RequestId::random().to_string(),
            read_only: true,
            resources: [],
            event_type: "AwsApiCall",
            management_event: true,
            recipient_account_id: user_identity.arn.map(|_| user_identity.account_id),
            event_category: "Management",
            tls_details: self.tls.as_ref().map(TlsDetails::of),
            user_identity,
        }
        .serialize(serializer)
    }
}

impl<'a> TlsDetails<'a> {
    fn of(tls: &'a Tls) -> Self {
        Self {
            tls_version: tls.details.version,
            cipher_suite: tls.details.cipher_suite,
            client_provided_host_header: tls.host.as_deref(),
        }
    }
}

impl<'a> RequestParameters<'a> {
    fn of(parameters: &'a Parameters) -> Self {
        Self {
            number_of_bytes: parameters.number_of_bytes,
            custom_key_store_id: parameters.custom_key_store_id.as_deref(),
        }
    }
}

impl<'a> UserIdentity<'a> {
    fn of(caller: Option<&'a Caller>) -> Self {
        match caller.and_then(Caller::principal) {
            // How CloudTrail names whom nothing proves.
            None => Self {
                r#type: "AWSAccount",
                arn: None,
                account_id: "ANONYMOUS_PRINCIPAL",
                access_key_id: None,
                user_name: None,
            },
            Some(principal) => Self {
                r#type: principal.kind().name(),
                arn: Some(principal.arn()),
                account_id: principal.account_id(),
                access_key_id: caller.and_then(Caller::access_key_id),
                user_name: principal.user_name(),
            },
        }
    }
}

/// `attestationDocument...`, each measurement in base64: so are the values in real records.
impl Serialize for Recipient {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1 + self.pcrs.len()))?;
        map.serialize_entry("attestationDocumentModuleId", &self.module_id)?;
        for (index, value) in &self.pcrs {
            let value = STANDARD.encode(value);
            match (self.family, index) {
                (PcrFamily::NitroEnclave, 0) => {
                    map.serialize_entry("attestationDocumentEnclaveImageDigest", &value)?;
                }
                (PcrFamily::NitroEnclave, index) => {
                    let name = format!("attestationDocumentEnclavePCR{index}");
                    map.serialize_entry(&name, &value)?;
                }
                (PcrFamily::NitroTpm, index) => {
                    let name = format!("attestationDocumentNitroTPMPCR{index}");
                    map.serialize_entry(&name, &value)?;
                }
            }
        }
        map.end()
    }
}
