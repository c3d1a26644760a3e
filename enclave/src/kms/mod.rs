//! The KMS operations: steps 3 to 8 of a request.

mod describe_custom_key_stores;
mod error;
mod generate_random;
mod request;

use hyper::header;
use hyper::http::request::Parts;
use shared::kms::{CONTENT_TYPE, Operation};
use zeroize::Zeroizing;

use self::error::Refusal;
pub use self::request::{PlainRequest, ProvenRequest};
use crate::http::Answer;
use crate::platform::Platform;
use crate::service::Service;

const TARGET: &str = "x-amz-target";

/// Answers an awsJson1_1 request.
pub(crate) async fn answer<P: Platform>(service: &Service<P>, head: &Parts, body: &[u8]) -> Answer {
    match perform(service, head, body).await {
        Ok(body) => Answer::kms(body),
        Err(refusal) => Answer::error(&refusal.to_kms()),
    }
}

async fn perform<P: Platform>(
    service: &Service<P>,
    head: &Parts,
    body: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    let operation = operation(head)?;
    check_content_type(head)?;
    let result = match operation {
        Operation::GenerateRandom => generate_random::perform(service, body).await,
        Operation::DescribeCustomKeyStores => describe_custom_key_stores::perform(body),
    };
    if let Err(refusal) = &result {
        refusal.log(operation);
    }
    result
}

/// From the one header that names it.
fn operation(head: &Parts) -> Result<Operation, Refusal> {
    let mut targets = head.headers.get_all(TARGET).iter();
    match (targets.next(), targets.next()) {
        (Some(target), None) => target.to_str().ok().and_then(Operation::from_target),
        _ => None,
    }
    .ok_or(Refusal::UnknownOperation)
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
