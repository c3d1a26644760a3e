//! What whoever watches the service may ask in plain: health, readiness and metrics, and nothing else.

use std::convert::Infallible;

use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite};
use transport::limits::ADMIN_HEADER_READ_TIMEOUT;

use super::connection::Server;
use super::http1::{Manner, serve_requests};
use super::{Answer, Application, Content};
use crate::request::RequestId;

const NOTHING_ELSE: &str = "nothing else is here than GET /healthz, /readyz and /metrics\n";

impl<A: Application> Server<A> {
    /// Serves one who watches: one request a connection, so that nobody holds one for long.
    pub(super) async fn serve_admin<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        drain: impl Future<Output = ()>,
    ) {
        let answer = service_fn(async |request| self.tell(&request));
        let manner = Manner { header_timeout: ADMIN_HEADER_READ_TIMEOUT, keep_alive: false };
        serve_requests(stream, answer, manner, drain).await;
    }

    /// What is asked for is in the head.
    fn tell(&self, request: &Request<Incoming>) -> Result<Response<Full<Content>>, Infallible> {
        let answer = self.application().diagnostics(request.method(), request.uri().path());
        let answer = answer.unwrap_or(Answer::text(StatusCode::NOT_FOUND, NOTHING_ELSE));
        Ok(answer.into_response(RequestId::random(), self.application().now()))
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::io::{AsyncReadExt, duplex};
    use tokio::time::{Instant, pause};
    use transport::limits::HEADER_READ_TIMEOUT;

    use super::*;
    use crate::http::entrance::Peer;
    use crate::platform::fake;

    #[tokio::test]
    async fn who_asks_for_nothing_has_its_connection_for_less_time_than_a_client() {
        let server = Server::new(fake::service().await);
        // The module's thread, which the start waits for, knows no such time.
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
