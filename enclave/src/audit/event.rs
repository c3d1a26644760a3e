//! A record as JSON: CloudTrail's fields, as AWS KMS fills them for attested requests:
//! <https://docs.aws.amazon.com/kms/latest/developerguide/ct-nitro-enclave.html>,
//! <https://docs.aws.amazon.com/kms/latest/developerguide/ct-nitro-tpm.html>.
//!
//! What is not known is null, as CloudTrail has it: the name of an operation that is none of ours,
//! and the client's address where the parent's relay does not tell it.

use std::fmt::Write as _;
use std::io;

use attestation::PcrFamily;
use attestation::time::UnixMillis;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::json::{self, Object};
use super::record::{Parameters, Recipient, Record, Tls};
use crate::auth::Caller;
use crate::principal::Principal;
use crate::request::RequestId;

/// What all events have, by where it stands. The first names the form of CloudTrail's records that
/// these fields are of.
const FORM: &str = r#""eventVersion":"1.08""#;
const SOURCE: &str = r#""eventSource":"kms.amazonaws.com""#;
const NO_ELEMENTS: &str = r#""responseElements":null"#;
const KIND: &str =
    r#""readOnly":true,"resources":[],"eventType":"AwsApiCall","managementEvent":true"#;
const CATEGORY: &str = r#""eventCategory":"Management""#;

/// Writes the record at the end of `line`, with its line feed. `omitted` records of unauthenticated
/// callers were left out since the last one that was written.
pub(super) fn append(record: &Record, omitted: u64, line: &mut Vec<u8>) -> io::Result<()> {
    let principal = record.caller.as_ref().and_then(Caller::principal);
    json::line(line, |event| {
        event.constant(FORM);
        event.object("userIdentity", |identity| user_identity(record.caller.as_ref(), identity))?;
        let mut time = String::with_capacity(TIME_LENGTH);
        write!(time, "{}", UnixMillis::from_secs(record.time.as_secs()))
            .map_err(io::Error::other)?;
        event.text("eventTime", &time)?;
        event.constant(SOURCE);
        event.nullable("eventName", record.operation.map(|operation| operation.name()))?;
        event.nullable("awsRegion", record.region.as_deref())?;
        let source = record.source.map(|source| source.to_string());
        event.nullable("sourceIPAddress", source.as_deref())?;
        event.nullable("userAgent", record.user_agent())?;
        event.optional("errorCode", record.outcome.error_code())?;
        event.optional("errorMessage", record.error_message.as_deref())?;
        match &record.parameters {
            Some(asked) => event.object("requestParameters", |object| parameters(asked, object))?,
            None => event.null("requestParameters"),
        }
        event.constant(NO_ELEMENTS);
        if record.recipient.is_some() || omitted > 0 {
            event.object("additionalEventData", |data| additional(record, omitted, data))?;
        }
        event.text("requestID", record.request_id.encode(&mut [0; RequestId::LENGTH]))?;
        event.text("eventID", RequestId::random().encode(&mut [0; RequestId::LENGTH]))?;
        event.constant(KIND);
        event.optional("recipientAccountId", principal.map(Principal::account_id))?;
        event.constant(CATEGORY);
        match &record.tls {
            Some(tls) => {
                event.object("tlsDetails", |object| tls_details(tls, record.tls_host(), object))
            }
            None => Ok(()),
        }
    })
}

/// Bytes of a time such as `2026-02-03T10:12:02Z`, and some.
const TIME_LENGTH: usize = 32;

fn additional(record: &Record, omitted: u64, data: &mut Object<'_>) -> io::Result<()> {
    if let Some(proven) = &record.recipient {
        data.object("recipient", |object| recipient(proven, object))?;
    }
    match omitted {
        0 => Ok(()),
        _ => data.number("unauthenticatedRecordsOmitted", omitted),
    }
}

fn tls_details(tls: &Tls, host: Option<&str>, details: &mut Object<'_>) -> io::Result<()> {
    details.text("tlsVersion", tls.details.version)?;
    details.text("cipherSuite", tls.details.cipher_suite)?;
    details.nullable("clientProvidedHostHeader", host)
}

fn parameters(asked: &Parameters, parameters: &mut Object<'_>) -> io::Result<()> {
    parameters.number("numberOfBytes", u64::try_from(asked.number_of_bytes).unwrap_or(u64::MAX))?;
    parameters.optional("customKeyStoreId", asked.custom_key_store_id.as_deref())
}

fn user_identity(caller: Option<&Caller>, identity: &mut Object<'_>) -> io::Result<()> {
    let Some(principal) = caller.and_then(Caller::principal) else {
        // How CloudTrail names whom nothing proves.
        identity.constant(r#""type":"AWSAccount","accountId":"ANONYMOUS_PRINCIPAL""#);
        return Ok(());
    };
    identity.text("type", principal.kind().name())?;
    identity.text("arn", principal.arn())?;
    identity.text("accountId", principal.account_id())?;
    identity.optional("accessKeyId", caller.and_then(Caller::access_key_id))?;
    identity.optional("userName", principal.user_name())
}

/// `attestationDocument...`, each measurement in base64: so are the values in real records.
fn recipient(proven: &Recipient, recipient: &mut Object<'_>) -> io::Result<()> {
    recipient.text("attestationDocumentModuleId", &proven.module_id)?;
    for (index, value) in &proven.pcrs {
        let value = STANDARD.encode(value);
        let name = match (proven.family, index) {
            (PcrFamily::NitroEnclave, 0) => "attestationDocumentEnclaveImageDigest".to_owned(),
            (PcrFamily::NitroEnclave, index) => format!("attestationDocumentEnclavePCR{index}"),
            (PcrFamily::NitroTpm, index) => format!("attestationDocumentNitroTPMPCR{index}"),
        };
        recipient.text(&name, &value)?;
    }
    Ok(())
}
