//! GenerateRandom.

use std::sync::Arc;

use kms_api::GenerateRandom;

use super::Call;
use super::generator::Outcome;
use super::request::Request;
use crate::audit::Record;
use crate::crypto_pool::NotWorked;
use crate::platform::Platform;
use crate::policy::Asker;
use crate::service::Service;

/// Cheap before dear. What is cheap is done here, between other requests of the same thread; signatures
/// and seals are for workers.
pub(super) async fn perform<P: Platform>(
    service: &Service<P>,
    call: &Call<'_>,
    record: &mut Record,
) -> Outcome {
    let request = GenerateRandom::parse(call.body)?;
    record.set_parameters(&request);
    let (request, custom_key_store_id) = Request::new(request)?;
    let generator = &service.generator;
    let request = match request {
        Request::Plain(request) => {
            return generator.plain(&call.asker, request, custom_key_store_id).await;
        }
        Request::Attested(request) => *request,
    };
    let Asker { caller, now, channel, source_ip } = call.asker;
    let (generator, caller) = (Arc::clone(generator), caller.clone());
    let work = async move {
        let asker = Asker { caller: &caller, now, channel, source_ip };
        generator.attested(&asker, request, custom_key_store_id).await
    };
    let (recipient, outcome) = service.workers.run(work).await.inspect_err(|error| {
        if *error == NotWorked::Full {
            service.metrics.workers_full.inc();
        }
    })?;
    if let Some(recipient) = recipient {
        record.set_recipient(recipient);
    }
    outcome
}
