//! The operation GenerateRandom.

use std::sync::Arc;

use attestation::Trust;
use kms_api::GenerateRandom;

use super::api_error::ApiError;
use super::handler::{Handler, HandlerResult};
use super::metrics::ApiMetrics;
use crate::audit::Recipient;
use crate::crypto_pool::{CryptoPool, CryptoPoolError};
use crate::policy::{AuthContext, Request};
use crate::request_log::RequestLog;

/// A request, and the ID of the custom key store that the request names.
pub(super) type ParsedRequest = (Request, Option<String>);

/// The result of the handler, with the recipient if its document was verified. The error is an error of the
/// crypto pool.
pub(super) type PoolResult = Result<(Option<Recipient>, HandlerResult), CryptoPoolError>;

/// Parses the body, and the attestation document in the body.
pub(super) fn parse(body: &[u8], log: &mut RequestLog<'_>) -> Result<ParsedRequest, ApiError> {
    let request = GenerateRandom::parse(body)?;
    log.set_parameters(&request);
    Ok(Request::new(request)?)
}

/// Handles a request. A request without a Recipient is handled on the current thread. A request with a Recipient is
/// handled on the crypto pool, because the verification of signatures and the sealing are expensive.
pub(super) async fn handle<T: Trust>(
    handler: &Arc<Handler<T>>,
    crypto_pool: &CryptoPool,
    context: &AuthContext<'_>,
    (request, custom_key_store_id): ParsedRequest,
) -> PoolResult {
    let request = match request {
        Request::Plain(request) => {
            return Ok((None, handler.handle_plain(context, request, custom_key_store_id).await));
        }
        Request::Attested(request) => *request,
    };
    let AuthContext { caller, now, transport_security, client_addr } = *context;
    let (handler, caller) = (Arc::clone(handler), caller.clone());
    let work = async move {
        let context = AuthContext { caller: &caller, now, transport_security, client_addr };
        handler.handle_attested(&context, request, custom_key_store_id).await
    };
    crypto_pool.run(work).await
}

/// Logs the recipient. Counts the request if the crypto pool was full and rejected the request.
pub(super) fn log_result(
    result: PoolResult,
    log: &mut RequestLog<'_>,
    metrics: &ApiMetrics,
) -> HandlerResult {
    let (recipient, outcome) = result.inspect_err(|error| {
        if *error == CryptoPoolError::Full {
            metrics.rejected_queue_full.inc();
        }
    })?;
    if let Some(recipient) = recipient {
        log.set_recipient(recipient);
    }
    outcome
}
