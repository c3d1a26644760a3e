//! A baseline server: hyper with a constant response. No service on hyper can be faster, so the rate of
//! this server is the upper limit.

use std::env;
use std::io::{Write, stdout};
use std::process::Command;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::load::BoxError;
use crate::process::Process;

/// Environment variable that makes a process of this program the server.
const ROLE: &str = "BARE_HYPER_SERVER";

/// A response body with the length of a response with 32 random bytes.
const BODY: &[u8] = br#"{"Plaintext":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}"#;

/// The headers of a KMS response, except Content-Length.
const HEADERS: [(&str, &str); 6] = [
    ("content-type", "application/x-amz-json-1.1"),
    ("x-amzn-requestid", "00000000-0000-4000-8000-000000000000"),
    ("date", "Thu, 01 Jan 1970 00:00:00 GMT"),
    ("cache-control", "no-cache, no-store, must-revalidate, private"),
    ("pragma", "no-cache"),
    ("expires", "0"),
];

/// Starts the server in a separate process.
pub(crate) fn start() -> Result<Process, BoxError> {
    Process::spawn_announced(Command::new(env::current_exe()?).env(ROLE, "1"))
}

/// Returns whether this process is the server. `main` must check this first and then call [`serve`].
pub(crate) fn is_server_process() -> bool {
    env::var_os(ROLE).is_some()
}

/// Serves until the process is killed.
pub(crate) fn serve() -> Result<(), BoxError> {
    Runtime::new()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        writeln!(stdout(), "baseline server listening on tcp:{}", listener.local_addr()?)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let connection = http1::Builder::new()
                .auto_date_header(false)
                .serve_connection(TokioIo::new(stream), service_fn(respond));
            tokio::spawn(connection);
        }
    })
}

async fn respond(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    request.into_body().collect().await?;
    let mut response = Response::new(Full::new(Bytes::from_static(BODY)));
    for (name, value) in HEADERS {
        let (name, value) = (HeaderName::from_static(name), HeaderValue::from_static(value));
        response.headers_mut().insert(name, value);
    }
    Ok(response)
}
