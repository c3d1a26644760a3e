//! Handles one request to the KMS API, and returns the response.

use std::sync::Arc;

use attestation::Trust;
#[cfg(feature = "simulator")]
use attestation::UnverifiedDocument;
use attestation::time::UnixMillis;
use kms_api::Operation;
#[cfg(feature = "simulator")]
use kms_api::{KmsError, NumberOfBytes};
#[cfg(feature = "simulator")]
use zeroize::Zeroizing;

use super::api_error::ApiError;
use super::handler::{Handler, Success};
use super::metrics::ApiMetrics;
use super::{describe_custom_key_stores, generate_random, headers};
use crate::auth::Authenticator;
use crate::clock::{Clock, ClockFault, TrustedClock};
use crate::crypto_pool::CryptoPool;
use crate::http::Response;
use crate::key_store::KeyStoreMetrics;
#[cfg(feature = "simulator")]
use crate::policy::AttestedRequest;
use crate::policy::AuthContext;
use crate::receipts::{Nonce, ReceiptSigner, SignedExchange};
use crate::request::RequestContext;
#[cfg(feature = "simulator")]
use crate::request::TransportSecurity;
use crate::request_log::{Reason, RequestLog, RequestLogger};
use crate::throttle::Throttle;

/// The KMS API, with the components that its operations need.
#[derive(Debug)]
pub(crate) struct Api<T: Trust, C: Clock> {
    pub(crate) authenticator: Authenticator,
    pub(crate) throttle: Throttle,
    pub(crate) handler: Arc<Handler<T>>,
    pub(crate) crypto_pool: CryptoPool,
    pub(crate) clock: Arc<TrustedClock<C>>,
    pub(crate) logger: RequestLogger,
    pub(crate) receipts: ReceiptSigner,
    pub(crate) metrics: ApiMetrics,
    pub(crate) key_store_metrics: Arc<KeyStoreMetrics>,
}

impl<T: Trust, C: Clock> Api<T, C> {
    /// Handles an awsJson1_1 request, and logs the request.
    pub(crate) async fn respond(&self, request: RequestContext<'_>) -> Response {
        // The time must be confirmed before it is read. Signatures, credentials and documents are checked against it.
        let confirmed = self.confirm_clock().await;
        let mut log = self.logger.begin(request, self.now());
        let result = match confirmed {
            Ok(()) => self.handle(request, &mut log).await,
            Err(fault) => Err(fault.into()),
        };
        match result {
            Ok((success, nonce)) => {
                self.respond_with_success(success, nonce.as_ref(), request, log)
            }
            Err(error) => self.respond_with_error(&error, request, log),
        }
    }

    async fn handle(
        &self,
        request: RequestContext<'_>,
        log: &mut RequestLog<'_>,
    ) -> Result<(Success, Option<Nonce>), ApiError> {
        let RequestContext { transport_security, client_addr, head, body, .. } = request;
        let Self { authenticator, throttle, handler, crypto_pool, metrics, .. } = self;
        let now = log.time();
        // The signature covers the raw request, so the signature is verified before the body is parsed.
        let caller = authenticator.authenticate(head, body, now)?;
        log.set_caller(&caller);
        let operation = headers::operation(head);
        log.set_operation(operation.as_ref().ok().copied());
        if !throttle.allows(&caller) {
            return Err(ApiError::Throttled { caller: caller.to_string() });
        }
        let operation = operation?;
        headers::check_content_type(head)?;
        let nonce = self.receipts.nonce(&head.headers)?;
        let context = AuthContext { caller: &caller, now, transport_security, client_addr };
        let success = match operation {
            Operation::GenerateRandom => {
                let request = generate_random::parse(body, log)?;
                let result = generate_random::handle(handler, crypto_pool, &context, request);
                generate_random::log_result(result.await, log, metrics)
            }
            Operation::DescribeCustomKeyStores => {
                let Handler { policy, key_stores, .. } = &**handler;
                describe_custom_key_stores::handle(policy, key_stores.as_slice(), &context, body)
            }
        };
        let success = success?;
        if self.receipts.has_receipt(nonce.as_ref()) {
            // The receipt contains the time. A pause of this process during the work makes the time unconfirmed again.
            self.confirm_clock().await?;
        }
        Ok((success, nonce))
    }

    /// Finishes the log, and then signs the receipt, which contains the number of the audit record. If the receipt
    /// cannot be signed, the caller receives an error, although the record contains a success.
    fn respond_with_success(
        &self,
        Success { body, facts }: Success,
        nonce: Option<&Nonce>,
        request: RequestContext<'_>,
        log: RequestLog<'_>,
    ) -> Response {
        let receipt = self.receipts.sign(SignedExchange {
            request_id: request.id,
            request_body: request.body,
            response_body: &body,
            facts: &facts,
            sequence: log.finish_success(),
            now: self.now(),
            nonce,
        });
        match receipt {
            Ok(receipt) => Response::kms(body, receipt),
            Err(error) => {
                tracing::error!(request_id = %request.id, %error, "request failed");
                ApiError::from(error).to_response()
            }
        }
    }

    fn respond_with_error(
        &self,
        cause: &ApiError,
        request: RequestContext<'_>,
        mut log: RequestLog<'_>,
    ) -> Response {
        let error = cause.to_kms_error();
        log.set_error(&error);
        log.write_reason(error.error_type, || Reason {
            text: cause.to_string(),
            is_internal: cause.is_internal(),
            access_key_id: match cause {
                ApiError::Authentication(_) => {
                    self.authenticator.loggable_access_key_id(request.head)
                }
                _ => None,
            },
        });
        Response::error(&error)
    }

    /// Returns the response to a request that the HTTP server rejected before it had received the whole request. Also
    /// logs the request.
    pub(crate) fn reject(&self, request: RequestContext<'_>, cause: &ApiError) -> Response {
        let error = cause.to_kms_error();
        self.logger.begin(request, self.now()).set_error(&error);
        Response::error(&error)
    }

    /// Runs steps 4 to 7 of a request with a Recipient, for benchmarks. Runs on the calling task, not on the
    /// crypto pool.
    ///
    /// # Errors
    /// The error that the caller would receive. If the configuration requires authentication, there is always an
    /// error, because the request has no signature.
    #[cfg(feature = "simulator")]
    pub(crate) async fn generate_attested(
        &self,
        number_of_bytes: NumberOfBytes,
        document: UnverifiedDocument,
    ) -> Result<Zeroizing<Vec<u8>>, KmsError> {
        let (head, ()) = hyper::Request::new(()).into_parts();
        let now = self.now();
        let caller = self.authenticator.authenticate(&head, &[], now);
        let caller = caller.map_err(|error| ApiError::from(error).to_kms_error())?;
        let context = AuthContext {
            caller: &caller,
            now,
            transport_security: TransportSecurity::NoTls,
            client_addr: None,
        };
        let request = AttestedRequest::new(number_of_bytes, document);
        let (_, outcome) = self.handler.handle_attested(&context, request, None).await;
        outcome.map(|success| success.body).map_err(|cause| cause.to_kms_error())
    }

    /// Returns the trusted time.
    pub(crate) fn now(&self) -> UnixMillis {
        self.clock.now()
    }

    /// Waits until the NSM has confirmed the time, and counts a failure.
    async fn confirm_clock(&self) -> Result<(), ClockFault> {
        let confirmed = self.clock_confirmed().await;
        confirmed.inspect_err(|_| {
            self.metrics.clock_failures.inc();
        })
    }

    /// Waits until the NSM has confirmed the time that [`now`](Self::now) returns. After a pause of this process,
    /// the NSM must confirm the time again.
    ///
    /// # Errors
    /// If the NSM does not confirm the time.
    pub(crate) async fn clock_confirmed(&self) -> Result<(), ClockFault> {
        let Self { clock, handler, .. } = self;
        match clock.check() {
            // A latched NSM receives no more calls until the service is restarted.
            Err(fault) if handler.entropy.nsm().is_latched() => Err(fault),
            Err(_) => clock.wait_until_trusted().await,
            checked => checked,
        }
    }

    /// Returns the known fault of the entropy source or of the clock, if there is one. Such a fault makes requests
    /// fail. The readiness check calls this function. It therefore reports a fault before the first request fails,
    /// and also reports the end of a fault.
    pub(crate) fn fault(&self) -> Option<String> {
        let entropy = self.handler.entropy.fault().map(|fault| fault.to_string());
        entropy.or_else(|| self.clock.check().err().map(|fault| fault.to_string()))
    }

    /// Updates the metrics that are computed only when they are read.
    pub(crate) fn refresh_metrics(&self) {
        let Self { handler, logger, metrics, key_store_metrics, .. } = self;
        logger.refresh_metrics();
        metrics.set_verified(&handler.verifier);
        handler.entropy.nsm().refresh_metrics();
        handler.key_stores.refresh_metrics(key_store_metrics);
    }
}
