//! Health, readiness and metrics over plain HTTP. Each connection has one request.

use std::io;
use std::sync::Arc;

use httparse::{EMPTY_HEADER, Request, Status};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use transport::Stream;
use transport::limits::ADMIN_HEADER_READ_TIMEOUT;

use super::server::Server;

/// Maximum length of a request head, in bytes.
const MAX_HEAD_LENGTH: usize = 8 * 1024;

/// Maximum number of fields of a request.
const MAX_FIELDS: usize = 32;

const TEXT: &str = "text/plain; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves one request, within a time limit.
pub(super) async fn serve(stream: Stream, server: Arc<Server>) {
    // A timeout or an I/O error affects only this client.
    let _ = timeout(2 * ADMIN_HEADER_READ_TIMEOUT, exchange(stream, &server)).await;
}

async fn exchange(mut stream: Stream, server: &Server) -> io::Result<()> {
    let mut received = Vec::new();
    let target = loop {
        if received.len() >= MAX_HEAD_LENGTH || stream.read_buf(&mut received).await? == 0 {
            return Ok(());
        }
        let mut headers = [EMPTY_HEADER; MAX_FIELDS];
        let mut request = Request::new(&mut headers);
        match request.parse(&received) {
            Ok(Status::Partial) => {}
            Ok(Status::Complete(_)) => {
                let (method, target) = (request.method, request.path);
                break method.filter(|method| *method == "GET").and(target).map(str::to_owned);
            }
            Err(_) => break None,
        }
    };
    let (status, content_type, body) = respond(target.as_deref(), server);
    let length = body.len();
    let response = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    );
    stream.write_all(response.as_bytes()).await?;
    stream.shutdown().await
}

fn respond(target: Option<&str>, server: &Server) -> (&'static str, &'static str, String) {
    match target {
        Some("/healthz") => ("200 OK", TEXT, "ok\n".to_owned()),
        Some("/readyz") => match server.not_ready_reason() {
            None => ("200 OK", TEXT, "ready\n".to_owned()),
            Some(reason) => ("503 Service Unavailable", TEXT, format!("not ready: {reason}\n")),
        },
        Some("/metrics") => ("200 OK", OPEN_METRICS, Arc::clone(server.metrics()).to_text()),
        _ => {
            let text = "not found: only GET /healthz, /readyz and /metrics are served\n";
            ("404 Not Found", TEXT, text.to_owned())
        }
    }
}
