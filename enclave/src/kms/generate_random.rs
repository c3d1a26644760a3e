//! GenerateRandom.

use shared::kms::{GenerateRandom, Operation};
use zeroize::Zeroizing;

use super::Call;
use super::error::Refusal;
use super::request::Request;
use crate::audit::Record;
use crate::platform::Platform;
use crate::policy::{Admitted, NotAdmitted};
use crate::service::Service;

pub(super) async fn perform<P: Platform>(
    service: &Service<P>,
    call: &Call<'_>,
    record: &mut Record,
) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    let admitted = consider(service, call, record)?;
    let drawn = service.entropy.draw(admitted.wanted()).await?;
    Ok(admitted.deliver(drawn)?)
}

/// Everything before entropy is drawn: cheap before dear, and no entropy for who will be refused.
fn consider<P: Platform>(
    service: &Service<P>,
    call: &Call<'_>,
    record: &mut Record,
) -> Result<Admitted, Refusal> {
    let request = GenerateRandom::parse(call.body)?;
    record.set_parameters(&request);
    let (request, custom_key_store_id) = Request::new(request)?;
    let policy = &service.settings.policy;
    let admitted = match request {
        Request::Plain(request) => policy.admit_plain(&call.asker, request),
        Request::Attested(request) => {
            let proven = request.verify(&service.anchors, call.asker.now, policy.of_documents())?;
            record.set_recipient(&proven.claims());
            policy.admit_attested(&call.asker, proven)
        }
    };
    let admitted = admitted.map_err(|error| match error {
        NotAdmitted::Denied(denied) => call.denied(Operation::GenerateRandom, denied),
        NotAdmitted::RecipientKey(error) => Refusal::RecipientKey(error),
    })?;
    // Last: who is not admitted learns nothing of which stores there are.
    match custom_key_store_id {
        Some(id) => Err(Refusal::CustomKeyStoreNotFound { id }),
        None => Ok(admitted),
    }
}
