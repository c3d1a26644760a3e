//! The audit record as JSON. It has the fields of a CloudTrail record, with the values that AWS KMS writes
//! for attested requests:
//! <https://docs.aws.amazon.com/kms/latest/developerguide/ct-nitro-enclave.html>,
//! <https://docs.aws.amazon.com/kms/latest/developerguide/ct-nitro-tpm.html>.
//!
//! As in CloudTrail, the name of an unknown operation is null, and so is an unknown client address.

use std::io;
use std::net::IpAddr;

use attestation::PcrFamily;
use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::ascii;
use super::record_builder::{Parameters, Recipient, RecordBuilder, Tls};
use crate::auth::Caller;
use crate::principal::Principal;
use crate::request::RequestId;

/// The version of the CloudTrail record format.
const EVENT_VERSION: &str = "1.08";

/// An audit record. The members are serialized in this order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    event_version: &'static str,
    user_identity: UserIdentity<'a>,
    event_time: &'a str,
    event_source: &'static str,
    event_name: Option<&'static str>,
    aws_region: Option<&'a str>,
    #[serde(rename = "sourceIPAddress")]
    source_ip_address: Option<IpAddr>,
    user_agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message: Option<&'a str>,
    request_parameters: Option<RequestParameters<'a>>,
    response_elements: (),
    #[serde(skip_serializing_if = "Option::is_none")]
    additional_event_data: Option<AdditionalEventData<'a>>,
    #[serde(rename = "requestID", serialize_with = "display")]
    request_id: RequestId,
    #[serde(rename = "eventID", serialize_with = "display")]
    event_id: RequestId,
    read_only: bool,
    resources: [(); 0],
    event_type: &'static str,
    management_event: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    recipient_account_id: Option<&'a str>,
    event_category: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_details: Option<TlsDetails<'a>>,
    stream: &'a str,
    sequence: u64,
}

/// The place of a record in the trail.
#[derive(Clone, Copy, Debug)]
pub(super) struct StreamPosition<'a> {
    /// The name of the stream.
    pub(super) stream: &'a str,
    /// The number of the record in its stream, from 1.
    pub(super) sequence: u64,
    /// The time of the record, in whole seconds as in CloudTrail.
    pub(super) event_time: &'a str,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    recipient: Option<&'a Recipient>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unauthenticated_records_omitted: Option<u64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TlsDetails<'a> {
    tls_version: &'static str,
    cipher_suite: &'static str,
    client_provided_host_header: Option<&'a str>,
}

/// Appends the record and a line feed to `line`. `omitted` is the number of records of unauthenticated callers that
/// were omitted since the last written record.
pub(super) fn append_line(
    builder: &RecordBuilder,
    omitted: u64,
    position: StreamPosition<'_>,
    line: &mut Vec<u8>,
) -> io::Result<()> {
    ascii::append_line(&Record::new(builder, omitted, position), line)
}

impl<'a> Record<'a> {
    fn new(builder: &'a RecordBuilder, omitted: u64, position: StreamPosition<'a>) -> Self {
        let caller = builder.caller.as_ref();
        let principal = caller.and_then(Caller::principal);
        let omitted = (omitted > 0).then_some(omitted);
        let recipient = builder.recipient.as_ref();
        Self {
            event_version: EVENT_VERSION,
            user_identity: principal.map_or(UserIdentity::ANONYMOUS, |principal| {
                UserIdentity::from_principal(principal, caller.and_then(Caller::access_key_id))
            }),
            event_time: position.event_time,
            event_source: "kms.amazonaws.com",
            event_name: builder.operation.map(|operation| operation.name()),
            aws_region: builder.region.as_deref(),
            source_ip_address: builder.client_addr,
            user_agent: builder.user_agent(),
            error_code: builder.outcome.error_code(),
            error_message: builder.error_message.as_deref(),
            request_parameters: builder.parameters.as_ref().map(RequestParameters::new),
            response_elements: (),
            additional_event_data: (recipient.is_some() || omitted.is_some()).then_some(
                AdditionalEventData { recipient, unauthenticated_records_omitted: omitted },
            ),
            request_id: builder.request_id,
            event_id: RequestId::random(),
            read_only: true,
            resources: [],
            event_type: "AwsApiCall",
            management_event: true,
            recipient_account_id: principal.map(Principal::account_id),
            event_category: "Management",
            tls_details: builder.tls.as_ref().map(|tls| TlsDetails::new(tls, builder.tls_host())),
            stream: position.stream,
            sequence: position.sequence,
        }
    }
}

impl<'a> UserIdentity<'a> {
    /// The identity of an unauthenticated caller in CloudTrail.
    const ANONYMOUS: Self = Self {
        r#type: "AWSAccount",
        arn: None,
        account_id: "ANONYMOUS_PRINCIPAL",
        access_key_id: None,
        user_name: None,
    };

    fn from_principal(principal: &'a Principal, access_key_id: Option<&'a str>) -> Self {
        Self {
            r#type: principal.kind().name(),
            arn: Some(principal.arn()),
            account_id: principal.account_id(),
            access_key_id,
            user_name: principal.user_name(),
        }
    }
}

impl<'a> RequestParameters<'a> {
    fn new(parameters: &'a Parameters) -> Self {
        Self {
            number_of_bytes: parameters.number_of_bytes,
            custom_key_store_id: parameters.custom_key_store_id.as_deref(),
        }
    }
}

impl<'a> TlsDetails<'a> {
    fn new(tls: &Tls, host: Option<&'a str>) -> Self {
        Self {
            tls_version: tls.details.version,
            cipher_suite: tls.details.cipher_suite,
            client_provided_host_header: host,
        }
    }
}

impl Serialize for Recipient {
    /// Serializes the members whose names begin with `attestationDocument`. Measurements are in base64, as in
    /// CloudTrail records.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        members.serialize_entry("attestationDocumentModuleId", &self.module_id)?;
        for (index, value) in &self.pcrs {
            let name = match (self.family, index) {
                (PcrFamily::NitroEnclave, 0) => "attestationDocumentEnclaveImageDigest".to_owned(),
                (PcrFamily::NitroEnclave, index) => format!("attestationDocumentEnclavePCR{index}"),
                (PcrFamily::NitroTpm, index) => format!("attestationDocumentNitroTPMPCR{index}"),
            };
            let value = Base64Display::new(value, &STANDARD);
            members.serialize_entry(&name, &format_args!("{value}"))?;
        }
        members.end()
    }
}

fn display<S: Serializer>(
    value: &impl std::fmt::Display,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}
