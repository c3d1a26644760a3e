//! The KMS operations: steps 2 to 8 of a request.

mod describe_custom_key_stores;
mod error;
mod generate_random;
mod generator;
mod refusal_log;
mod request;

use attestation::UnverifiedDocument;
use hyper::header;
use hyper::http::request::Parts;
use kms_api::{CONTENT_TYPE, KmsError, NumberOfBytes, Operation, TARGET_HEADER};
use zeroize::Zeroizing;

use self::error::Refusal;
pub(crate) use self::error::internal;
pub(crate) use self::generator::Generator;
pub(crate) use self::refusal_log::RefusalLog;
use self::request::AttestedRequest;
pub use self::request::{PlainRequest, ProvenRequest};
use crate::audit::Record;
use crate::config::Settings;
use crate::http::Answer;
use crate::platform::Platform;
use crate::policy::Asker;
use crate::request::{Channel, Received};
use crate::service::Service;

/// A request of somebody who was let in.
struct Call<'a> {
    asker: Asker<'a>,
    body: &'a [u8],
}

/// Steps 4 to 7 for who is not authenticated.
pub(crate) async fn generate_attested<P: Platform>(
    service: &Service<P>,
    number_of_bytes: NumberOfBytes,
    document: UnverifiedDocument,
) -> Result<Zeroizing<Vec<u8>>, KmsError> {
    let (head, ()) = hyper::Request::new(()).into_parts();
    let now = service.now();
    let caller = service.settings.authenticator.authenticate(&head, &[], now);
    let caller = caller.map_err(|error| Refusal::from(error).to_kms())?;
    let asker = Asker { caller: &caller, now, channel: Channel::Plain, source_ip: None };
    let request = AttestedRequest::new(number_of_bytes, document);
    let (_, outcome) = service.generator.attested(&asker, request, None).await;
    outcome.map_err(|refusal| refusal.to_kms())
}

/// Answers an awsJson1_1 request, and records that it did.
pub(crate) async fn answer<P: Platform>(service: &Service<P>, request: Received<'_>) -> Answer {
    // Before the time is read by which signatures, credentials and documents are judged.
    let confirmed = service.clock_confirmed().await;
    let mut account = service.open_account(request);
    let result = match confirmed {
        Ok(()) => perform(service, request, &mut account).await,
        Err(fault) => Err(fault.into()),
    };
    match result {
        Ok(body) => {
            account.grant();
            Answer::kms(body)
        }
        Err(refusal) => {
            let error = refusal.to_kms();
            account.refuse(&error);
            let authenticator = &service.settings.authenticator;
            let is_unauthenticated = account.is_unauthenticated();
            let (log, error_type) = (&service.refusal_log, error.error_type);
            if !log.log(&refusal, error_type, &request, authenticator, is_unauthenticated) {
                account.make_quiet();
            }
            Answer::error(&error)
        }
    }
}

async fn perform<P: Platform>(
    service: &Service<P>,
    request: Received<'_>,
    record: &mut Record,
) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    let Received { channel, source: source_ip, head, body, .. } = request;
    let Settings { authenticator, throttle, .. } = &service.settings;
    let now = record.time();
    // Over the request as it came, before a byte of its body is understood.
    let caller = authenticator.authenticate(head, body, now)?;
    record.set_caller(&caller);
    let operation = operation(head);
    record.set_operation(operation);
    if !throttle.admits(&caller) {
        return Err(Refusal::Throttled { caller: caller.to_string() });
    }
    let operation = operation.ok_or(Refusal::UnknownOperation)?;
    check_content_type(head)?;
    let asker = Asker { caller: &caller, now, channel, source_ip };
    let call = Call { asker, body };
    match operation {
        Operation::GenerateRandom => generate_random::perform(service, &call, record).await,
        Operation::DescribeCustomKeyStores => describe_custom_key_stores::perform(service, &call),
    }
}

/// From the one header that names it.
fn operation(head: &Parts) -> Option<Operation> {
    let mut targets = head.headers.get_all(TARGET_HEADER).iter();
    match (targets.next(), targets.next()) {
        (Some(target), None) => target.to_str().ok().and_then(Operation::from_target),
        _ => None,
    }
}

/// awsJson1_1 names one media type; parameters such as a charset do no harm.
fn check_content_type(head: &Parts) -> Result<(), Refusal> {
    let mut content_types = head.headers.get_all(header::CONTENT_TYPE).iter();
    let content_type = match (content_types.next(), content_types.next()) {
        (Some(content_type), None) => content_type.to_str().ok(),
        _ => None,
    };
    let media_type = content_type.and_then(|value| value.split(';').next()).map(str::trim);
    match media_type {
        Some(media_type) if media_type.eq_ignore_ascii_case(CONTENT_TYPE) => Ok(()),
        _ => Err(Refusal::ContentType),
    }
}
