//! The service: its start, and the routes to the KMS API, to diagnostics, and to the platform.

mod metrics;
mod start;
#[cfg(test)]
mod tests;

use std::fmt;

#[cfg(feature = "simulator")]
use attestation::UnverifiedDocument;
use attestation::time::UnixMillis;
use hyper::{Method, StatusCode};
#[cfg(feature = "simulator")]
use kms_api::{KmsError, NumberOfBytes};
#[cfg(feature = "simulator")]
use zeroize::Zeroizing;

use self::metrics::ServiceMetrics;
pub use self::start::StartError;
use crate::attestation_endpoint::{self, AttestationEndpoint};
use crate::http::{Answer, Application, ConnectionMetrics, Entrance, HttpError};
use crate::kms::{Api, Refusal};
use crate::metrics::CONTENT_TYPE;
use crate::platform::Platform;
use crate::request::Received;
use crate::tls::Tls;

/// The path of the KMS API.
const KMS_PATH: &str = "/";

/// The service on a platform.
#[derive(Debug)]
pub struct Service<P: Platform> {
    platform: P,
    pub(crate) entrance: Entrance,
    api: Api<P::Trust, P::Clock>,
    attestation_endpoint: AttestationEndpoint,
    tls: Option<Tls>,
    connections: ConnectionMetrics,
    metrics: ServiceMetrics,
}

impl<P: Platform> Service<P> {
    /// Returns whether clients must speak TLS to it.
    pub fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Returns the certificate, in PEM, of the authority that was generated in this service and that all of
    /// its TLS ends at: `[tls] mode = "attested"`.
    pub fn certificate_authority_pem(&self) -> Option<&str> {
        self.tls.as_ref().and_then(Tls::certificate_pem)
    }

    /// Does what the crypto pool does for a request with a Recipient, on the calling task: steps 4 to 7 of
    /// a request, for benchmarks.
    ///
    /// # Errors
    /// What the caller would receive; also where callers must be authenticated, as there is no caller.
    #[cfg(feature = "simulator")]
    pub async fn generate_attested(
        &self,
        number_of_bytes: NumberOfBytes,
        document: UnverifiedDocument,
    ) -> Result<Zeroizing<Vec<u8>>, KmsError> {
        self.api.generate_attested(number_of_bytes, document).await
    }

    /// Answers one request.
    pub async fn answer(&self, request: Received<'_>) -> Answer {
        let Received { connection, head, body, .. } = request;
        match (&head.method, head.uri.path()) {
            (&Method::POST, KMS_PATH) => self.close_if_unready(self.api.answer(request).await),
            (&Method::GET, attestation_endpoint::PATH) => {
                let nsm = self.api.generator.entropy.nsm();
                self.attestation_endpoint.answer(nsm, connection, head).await
            }
            (method, path) => {
                let answer = self.diagnostics(method, path).map(Ok);
                let answer = answer.or_else(|| self.platform.answer(head, body));
                match answer {
                    Some(answer) => answer.unwrap_or_else(|error| Refusal::from(error).answer()),
                    None => Refusal::UnknownOperation.answer(),
                }
            }
        }
    }

    /// Closes the connection of a fault that the next request would meet again: a client that keeps it alive
    /// and tries again would stay here, while a new one may lead to an enclave that is ready.
    fn close_if_unready(&self, answer: Answer) -> Answer {
        match answer.is_fault() && self.api.fault().is_some() {
            true => answer.and_close(),
            false => answer,
        }
    }

    fn readiness(&self) -> Answer {
        match self.api.fault() {
            None => Answer::text(StatusCode::OK, "ready\n"),
            Some(reason) => Answer::new(
                StatusCode::SERVICE_UNAVAILABLE,
                Answer::TEXT,
                format!("not ready: {reason}\n").into_bytes(),
            ),
        }
    }

    fn metrics_answer(&self) -> Answer {
        match self.metrics_text() {
            Ok(text) => Answer::new(StatusCode::OK, CONTENT_TYPE, text.into_bytes()),
            Err(error) => Refusal::from(error).answer(),
        }
    }

    /// Returns what `GET /metrics` shows.
    pub(crate) fn metrics_text(&self) -> Result<String, fmt::Error> {
        self.api.refresh_metrics();
        self.metrics.encode(self.api.fault().is_none())
    }
}

#[cfg(test)]
impl<P: Platform> Service<P> {
    /// Makes the clock expire, as if the NSM had not confirmed the time for too long.
    pub(crate) fn expire_clock(&self) {
        self.api.clock.expire();
    }
}

impl<P: Platform> Application for Service<P> {
    async fn handle(&self, request: Received<'_>) -> Answer {
        self.answer(request).await
    }

    /// A request to KMS is logged all the same.
    fn reject(&self, request: Received<'_>, error: HttpError) -> Answer {
        let (refusal, head) = (Refusal::from(error), request.head);
        match (&head.method, head.uri.path()) {
            (&Method::POST, KMS_PATH) => self.api.reject(request, &refusal),
            _ => refusal.answer(),
        }
    }

    fn handler_panicked(&self) -> Answer {
        Refusal::Panicked.answer()
    }

    fn diagnostics(&self, method: &Method, path: &str) -> Option<Answer> {
        match (method, path) {
            (&Method::GET, "/healthz") => Some(Answer::text(StatusCode::OK, "ok\n")),
            (&Method::GET, "/readyz") => Some(self.readiness()),
            (&Method::GET, "/metrics") => Some(self.metrics_answer()),
            _ => None,
        }
    }

    fn now(&self) -> UnixMillis {
        self.api.now()
    }

    fn entrance(&self) -> Entrance {
        self.entrance
    }

    fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    fn connections(&self) -> &ConnectionMetrics {
        &self.connections
    }
}
