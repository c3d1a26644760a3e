//! The interface between HTTP and the service behind it.

use std::future::Future;

use attestation::time::UnixMillis;
use hyper::Method;

use super::error::HttpError;
use super::metrics::ConnectionMetrics;
use super::peer_policy::PeerPolicy;
use super::response::Response;
use crate::request::RequestContext;
use crate::tls::Tls;

/// The service behind HTTP: it answers requests, and says how their connections are accepted.
pub trait Application: Send + Sync + 'static {
    /// Answers a request whose body was read in whole.
    fn handle(&self, request: RequestContext<'_>) -> impl Future<Output = Response> + Send;

    /// Answers a request that HTTP rejects.
    fn reject(&self, request: RequestContext<'_>, error: HttpError) -> Response;

    /// Answers a request whose handler panicked.
    fn handler_panicked(&self) -> Response;

    /// Answers a request for health, readiness or metrics; `None` if it is for something else.
    fn diagnostics(&self, method: &Method, path: &str) -> Option<Response>;

    /// Returns the time for `Date` headers.
    fn now(&self) -> UnixMillis;

    /// Returns which peers may connect, and what their connections begin with.
    fn peer_policy(&self) -> PeerPolicy;

    /// Returns the TLS that clients must speak, if any.
    fn tls(&self) -> Option<&Tls>;

    /// Returns the metrics of clients' connections.
    fn connection_metrics(&self) -> &ConnectionMetrics;
}
