//! The service: its start, and the routes to the KMS API, the attestation endpoint, diagnostics and the
//! platform.

mod keys;
mod metrics;
mod start;
mod start_error;
#[cfg(test)]
mod tests;

use std::fmt;

#[cfg(feature = "simulator")]
use attestation::UnverifiedDocument;
use attestation::time::UnixMillis;
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
#[cfg(feature = "simulator")]
use kms_api::{KmsError, NumberOfBytes};
#[cfg(feature = "simulator")]
use zeroize::Zeroizing;

use self::metrics::ServiceMetrics;
pub use self::start_error::StartError;
use crate::attestation_endpoint::{self, AttestationEndpoint};
use crate::http::{Application, ConnectionMetrics, HttpError, PeerPolicy, Response};
use crate::kms::{Api, ApiError};
use crate::metrics::CONTENT_TYPE;
use crate::platform::Platform;
use crate::request::{ConnectionKey, RequestContext};
use crate::tls::{Tls, TlsMode};

/// The path of the KMS API.
const KMS_PATH: &str = "/";

/// The service on a platform.
#[derive(Debug)]
pub struct Service<P: Platform> {
    platform: P,
    pub(crate) peer_policy: PeerPolicy,
    api: Api<P::Trust, P::Clock>,
    attestation_endpoint: AttestationEndpoint,
    tls: Option<Tls>,
    connections: ConnectionMetrics,
    metrics: ServiceMetrics,
}

impl<P: Platform> Service<P> {
    /// Returns whether clients must use TLS.
    pub fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Returns the certificate, in PEM, of the certificate authority that the service generated for
    /// `[tls] mode = "attested"`. Returns `None` in other modes.
    pub fn certificate_authority_pem(&self) -> Option<&str> {
        self.tls.as_ref().and_then(Tls::certificate_pem)
    }

    /// Runs steps 4 to 7 of a request with a Recipient, for benchmarks. Runs on the calling task, not on the
    /// crypto pool.
    ///
    /// # Errors
    /// The error that the caller would receive. If the configuration requires authentication, there is always an
    /// error, because the request has no signature.
    #[cfg(feature = "simulator")]
    pub async fn generate_attested(
        &self,
        number_of_bytes: NumberOfBytes,
        document: UnverifiedDocument,
    ) -> Result<Zeroizing<Vec<u8>>, KmsError> {
        self.api.generate_attested(number_of_bytes, document).await
    }

    /// Handles one request.
    pub async fn respond(&self, request: RequestContext<'_>) -> Response {
        let RequestContext { connection, head, body, .. } = request;
        match (&head.method, head.uri.path()) {
            (&Method::POST, KMS_PATH) => self.close_if_unready(self.api.respond(request).await),
            (&Method::GET, attestation_endpoint::PATH) => self.attest(connection, head).await,
            (method, path) => {
                let response = self.diagnostics(method, path).map(Ok);
                let response = response.or_else(|| self.platform.handle(head, body));
                match response {
                    Some(response) => {
                        response.unwrap_or_else(|error| ApiError::from(error).to_response())
                    }
                    None => ApiError::UnknownRoute.to_response(),
                }
            }
        }
    }

    async fn attest(&self, connection: ConnectionKey, head: &Parts) -> Response {
        let (api, endpoint) = (&self.api, &self.attestation_endpoint);
        let nsm = api.handler.entropy.nsm();
        match head.uri.query() {
            None => endpoint.respond_from_memory(nsm, api.clock_confirmed().await, head),
            Some(query) => endpoint.respond(nsm, connection, head, query).await,
        }
    }

    /// Makes the connection close after a server error, if the service is not ready. To retry the request, the client
    /// opens a new connection, which the relay can forward to a ready enclave.
    fn close_if_unready(&self, response: Response) -> Response {
        match response.is_server_error() && self.api.fault().is_some() {
            true => response.with_connection_close(),
            false => response,
        }
    }

    /// Returns the response to `GET /readyz`. The first line is the readiness, and the second line the mode of TLS.
    fn readiness_response(&self) -> Response {
        let tls_mode = self.tls.as_ref().map_or(TlsMode::Off, Tls::mode);
        let (status, readiness) = match self.api.fault() {
            None => (StatusCode::OK, "ready".to_owned()),
            Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}")),
        };
        let body = format!("{readiness}\ntls: {tls_mode}\n");
        Response::new(status, Response::TEXT, body.into_bytes())
    }

    fn metrics_response(&self) -> Response {
        match self.metrics_text() {
            Ok(text) => Response::new(StatusCode::OK, CONTENT_TYPE, text.into_bytes()),
            Err(error) => ApiError::from(error).to_response(),
        }
    }

    /// Returns the body of `GET /metrics`.
    pub(crate) fn metrics_text(&self) -> Result<String, fmt::Error> {
        self.api.refresh_metrics();
        self.metrics.encode(self.api.fault().is_none())
    }
}

#[cfg(test)]
impl<P: Platform> Service<P> {
    /// Expires the clock, as if the NSM had not confirmed the time for too long.
    pub(crate) fn expire_clock(&self) {
        self.api.clock.expire();
    }
}

impl<P: Platform> Application for Service<P> {
    async fn handle(&self, request: RequestContext<'_>) -> Response {
        self.respond(request).await
    }

    /// Logs the request if it is for the KMS API.
    fn reject(&self, request: RequestContext<'_>, error: HttpError) -> Response {
        let (error, head) = (ApiError::from(error), request.head);
        match (&head.method, head.uri.path()) {
            (&Method::POST, KMS_PATH) => self.api.reject(request, &error),
            _ => error.to_response(),
        }
    }

    fn handler_panicked(&self) -> Response {
        ApiError::Panicked.to_response()
    }

    fn diagnostics(&self, method: &Method, path: &str) -> Option<Response> {
        match (method, path) {
            (&Method::GET, "/healthz") => Some(Response::text(StatusCode::OK, "ok\n")),
            (&Method::GET, "/readyz") => Some(self.readiness_response()),
            (&Method::GET, "/metrics") => Some(self.metrics_response()),
            _ => None,
        }
    }

    fn now(&self) -> UnixMillis {
        self.api.now()
    }

    fn peer_policy(&self) -> PeerPolicy {
        self.peer_policy
    }

    fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    fn connection_metrics(&self) -> &ConnectionMetrics {
        &self.connections
    }
}
