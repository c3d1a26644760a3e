//! The admin listener: health, readiness and metrics over plain HTTP.

use std::convert::Infallible;

use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite};
use transport::limits::ADMIN_HEADER_READ_TIMEOUT;

use super::connection::Server;
use super::http1::{ConnectionOptions, serve_requests};
use super::{Application, Response, ZeroizingBody};
use crate::request::RequestId;

const NOTHING_ELSE: &str = "not found: only GET /healthz, /readyz and /metrics are served\n";

impl<A: Application> Server<A> {
    /// Serves one request on an admin connection. The limit of one request ensures that no client holds a
    /// connection for long.
    pub(super) async fn serve_admin<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        drain: impl Future<Output = ()>,
    ) {
        let service = service_fn(async |request| self.respond_to_admin(&request));
        let options =
            ConnectionOptions { header_timeout: ADMIN_HEADER_READ_TIMEOUT, keep_alive: false };
        serve_requests(stream, service, options, drain).await;
    }

    /// Returns the response to a request. Does not read the body of the request.
    fn respond_to_admin(
        &self,
        request: &Request<Incoming>,
    ) -> Result<hyper::Response<Full<ZeroizingBody>>, Infallible> {
        let response = self.application().diagnostics(request.method(), request.uri().path());
        let response = response.unwrap_or(Response::text(StatusCode::NOT_FOUND, NOTHING_ELSE));
        Ok(response.into_hyper(RequestId::random(), self.application().now()))
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::io::{AsyncReadExt, duplex};
    use tokio::time::{Instant, pause};

    use super::*;
    use crate::http::peer_policy::Peer;
    use crate::http::timeouts::HEADER_READ_TIMEOUT;
    use crate::platform::test_platform;

    #[tokio::test]
    async fn idle_admin_connection_times_out_before_a_client() {
        let server = Server::new(test_platform::service().await);
        // The clock is paused only after the start. The start waits for the NSM thread, which does not use tokio's
        // clock.
        pause();
        for (of_a_client, limit) in
            [(false, ADMIN_HEADER_READ_TIMEOUT), (true, HEADER_READ_TIMEOUT)]
        {
            let (mut client, stream) = duplex(1024);
            let start = Instant::now();
            let served = async {
                match of_a_client {
                    true => server.serve(stream, Peer::Unix, pending()).await,
                    false => server.serve_admin(stream, pending()).await,
                }
            };
            let (read, ()) = tokio::join!(client.read_u8(), served);
            read.unwrap_err();
            assert_eq!(start.elapsed().as_secs(), limit.as_secs());
        }
    }
}
