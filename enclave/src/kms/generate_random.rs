//! GenerateRandom.

use shared::kms::{GenerateRandom, Operation};
use zeroize::Zeroizing;

use super::Call;
use super::error::Refusal;
use super::request::Request;
use crate::audit::Record;
use crate::entropy::{Drawn, Wanted};
use crate::platform::Platform;
use crate::policy::{Admitted, NotAdmitted};
use crate::service::Service;

pub(super) async fn perform<P: Platform>(
    service: &Service<P>,
    call: &Call<'_>,
    record: &mut Record,
) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    let (admitted, custom_key_store_id) = consider(service, call, record)?;
    let drawn = match custom_key_store_id {
        None => service.entropy.draw(admitted.wanted()).await?,
        Some(id) => draw_from_key_store(service, id, admitted.wanted()).await?,
    };
    Ok(admitted.deliver(drawn)?)
}

/// Everything before entropy is drawn: cheap before dear, and no entropy for who will be refused.
/// Beside what is admitted, the key store that it names: who is not admitted learns nothing of which
/// there are.
fn consider<P: Platform>(
    service: &Service<P>,
    call: &Call<'_>,
    record: &mut Record,
) -> Result<(Admitted, Option<String>), Refusal> {
    let request = GenerateRandom::parse(call.body)?;
    record.set_parameters(&request);
    let (request, custom_key_store_id) = Request::new(request)?;
    let policy = &service.settings.policy;
    let admitted = match request {
        Request::Plain(request) => policy.admit_plain(&call.asker, request),
        Request::Attested(request) => {
            let proven =
                request.verify(&service.verifier, call.asker.now, policy.of_documents())?;
            record.set_recipient(&proven.claims());
            policy.admit_attested(&call.asker, proven)
        }
    };
    let admitted = admitted.map_err(|error| match error {
        NotAdmitted::Denied(denied) => call.denied(Operation::GenerateRandom, denied),
        NotAdmitted::RecipientKey(error) => Refusal::RecipientKey(error),
    })?;
    Ok((admitted, custom_key_store_id))
}

/// The random bytes are the HSM's, as they are. What they are sealed with is this service's own, and
/// drawn only once they are there.
async fn draw_from_key_store<P: Platform>(
    service: &Service<P>,
    id: String,
    wanted: Wanted,
) -> Result<Drawn, Refusal> {
    let Some(store) = service.key_stores.find(&id) else {
        return Err(Refusal::CustomKeyStoreNotFound { name: id });
    };
    let random = store.draw(wanted.number_of_bytes).await;
    let random = random.map_err(|fault| Refusal::CustomKeyStore { id, fault })?;
    let encryption = match wanted.sealed {
        true => Some(service.entropy.draw_encryption().await?),
        false => None,
    };
    Ok(Drawn { random, encryption })
}
