//! The interface between the HTTP server and the application.

use std::future::Future;

use attestation::time::UnixMillis;
use hyper::Method;

use super::error::HttpError;
use super::metrics::ConnectionMetrics;
use super::peer_policy::PeerPolicy;
use super::response::Response;
use crate::request::RequestContext;
use crate::tls::Tls;

/// An application behind the HTTP server. It handles requests, and configures which connections the server accepts.
pub trait Application: Send + Sync + 'static {
    /// Handles a request whose body has been read completely.
    fn handle(&self, request: RequestContext<'_>) -> impl Future<Output = Response> + Send;

    /// Returns the response to a request that the HTTP server rejects.
    fn reject(&self, request: RequestContext<'_>, error: HttpError) -> Response;

    /// Returns the response to a request whose handler panicked.
    fn handler_panicked(&self) -> Response;

    /// Returns the response to a request for health, readiness or metrics, or `None` for other requests.
    fn diagnostics(&self, method: &Method, path: &str) -> Option<Response>;

    /// Returns the current time, for `Date` headers.
    fn now(&self) -> UnixMillis;

    /// Returns the policy for peers and PROXY headers.
    fn peer_policy(&self) -> PeerPolicy;

    /// Returns the TLS server, or `None` if clients connect without TLS.
    fn tls(&self) -> Option<&Tls>;

    /// Returns the metrics of client connections.
    fn connection_metrics(&self) -> &ConnectionMetrics;
}
