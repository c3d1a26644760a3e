//! GenerateRandom.

use shared::attestation::{DebugMode, MaxAge, UnverifiedDocument};
use shared::kms::GenerateRandom;
use zeroize::Zeroizing;

use super::error::Refusal;
use crate::clock::Clock;
use crate::platform::Platform;
use crate::policy::{Admitted, admit};
use crate::service::Service;

pub(super) async fn perform<P: Platform>(
    service: &Service<P>,
    body: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    let admitted = consider(service, body)?;
    let random = service.nsm.draw(admitted.draw_length()).await?;
    Ok(admitted.deliver(random)?)
}

/// Everything before entropy is drawn: cheap before dear, and no entropy for who will be refused.
fn consider<P: Platform>(service: &Service<P>, body: &[u8]) -> Result<Admitted, Refusal> {
    let request = GenerateRandom::parse(body)?;
    let document = request.attestation_document.map(UnverifiedDocument::parse).transpose()?;
    let now = service.platform.clock().now();
    let verified = document
        .map(|document| {
            document.verify_live(&service.anchors, now, MaxAge::default(), DebugMode::Refuse)
        })
        .transpose()?;
    let admitted = admit(request.number_of_bytes, verified.as_ref())?;
    match request.custom_key_store_id {
        Some(id) => Err(Refusal::CustomKeyStoreNotFound { id }),
        None => Ok(admitted),
    }
}
