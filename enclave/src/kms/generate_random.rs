//! GenerateRandom.

use std::sync::Arc;

use attestation::Trust;
use kms_api::GenerateRandom;

use super::error::Refusal;
use super::generator::{Generator, Outcome};
use super::metrics::ApiMetrics;
use crate::audit::Recipient;
use crate::crypto_pool::{CryptoPool, NotWorked};
use crate::policy::{Asker, Request};
use crate::request_log::RequestLog;

/// A request, and the id of the custom key store that it names.
pub(super) type Parsed = (Request, Option<String>);

/// The outcome, and the recipient whose document was verified.
pub(super) type Answered = Result<(Option<Recipient>, Outcome), NotWorked>;

/// Parses the body, and the document in it.
pub(super) fn parse(body: &[u8], log: &mut RequestLog<'_>) -> Result<Parsed, Refusal> {
    let request = GenerateRandom::parse(body)?;
    log.set_parameters(&request);
    Ok(Request::new(request)?)
}

/// Answers a request: without a Recipient here, between other requests of the same thread, which is cheap;
/// with one on the crypto pool, as signatures and seals are expensive.
pub(super) async fn answer<T: Trust>(
    generator: &Arc<Generator<T>>,
    crypto_pool: &CryptoPool,
    asker: &Asker<'_>,
    (request, custom_key_store_id): Parsed,
) -> Answered {
    let request = match request {
        Request::Plain(request) => {
            return Ok((None, generator.plain(asker, request, custom_key_store_id).await));
        }
        Request::Attested(request) => *request,
    };
    let Asker { caller, now, channel, source_ip } = *asker;
    let (generator, caller) = (Arc::clone(generator), caller.clone());
    let work = async move {
        let asker = Asker { caller: &caller, now, channel, source_ip };
        generator.attested(&asker, request, custom_key_store_id).await
    };
    crypto_pool.run(work).await
}

/// Logs the recipient, and counts a request for which the crypto pool had no place.
pub(super) fn finish(
    answered: Answered,
    log: &mut RequestLog<'_>,
    metrics: &ApiMetrics,
) -> Outcome {
    let (recipient, outcome) = answered.inspect_err(|error| {
        if *error == NotWorked::Full {
            metrics.rejected_queue_full.inc();
        }
    })?;
    if let Some(recipient) = recipient {
        log.set_recipient(recipient);
    }
    outcome
}
