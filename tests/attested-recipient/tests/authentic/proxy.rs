//! A proxy inside the test's process.

use std::time::Duration;

use attested_recipient::proxy::{Proxy, ProxySettings};
use attested_recipient::verified_connection::Verifier;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use transport::Endpoint;

use crate::enclave::RANDOM;
use crate::http::Message;

/// A running proxy.
pub(crate) struct TestProxy {
    pub(crate) address: String,
    admin: String,
    stop: Option<oneshot::Sender<()>>,
    pub(crate) running: JoinHandle<()>,
}

/// Returns settings with listeners on free ports.
pub(crate) fn settings() -> ProxySettings {
    ProxySettings {
        listen: "127.0.0.1:0".parse().unwrap(),
        admin_listen: Some("127.0.0.1:0".parse().unwrap()),
        timeout: Duration::from_secs(30),
        max_connections: 16,
        idle_connections: 0,
        client_uids: Vec::new(),
    }
}

impl TestProxy {
    pub(crate) async fn start(verifier: Verifier) -> Self {
        Self::start_with(settings(), verifier).await
    }

    pub(crate) async fn start_with(settings: ProxySettings, verifier: Verifier) -> Self {
        let proxy = Proxy::bind(settings, verifier).await.unwrap();
        let address = tcp_address(proxy.endpoint());
        let admin = proxy.admin_endpoint().map(tcp_address).unwrap_or_default();
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(proxy.run(async { drop(stopped.await) }));
        Self { address, admin, stop: Some(stop), running }
    }

    /// Begins the drain.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
    }

    /// Sends bytes on a new connection, and returns the response.
    pub(crate) async fn exchange(&self, bytes: &[u8]) -> Message {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        Message::read(&mut stream).await.unwrap()
    }

    /// Requests random bytes on a new connection.
    pub(crate) async fn random(&self) -> Message {
        self.exchange(&random_request("").to_bytes()).await
    }

    /// Returns the status line and the body of a page of the admin listener.
    pub(crate) async fn admin(&self, path: &str) -> (String, String) {
        let mut stream = TcpStream::connect(&self.admin).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\n\r\n").as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (head.lines().next().unwrap().to_owned(), body.to_owned())
    }

    /// Asserts that the metrics contain a line.
    pub(crate) async fn assert_metric(&self, line: &str) {
        let (_, metrics) = self.admin("/metrics").await;
        let line = format!("attested_recipient_proxy_{line}");
        assert!(metrics.lines().any(|other| other == line), "no {line} in {metrics}");
    }
}

fn tcp_address(endpoint: &Endpoint) -> String {
    match endpoint {
        Endpoint::Tcp(address) => address.clone(),
        other => other.to_string(),
    }
}

/// Returns a request for random bytes with further lines in its head.
pub(crate) fn random_request(lines: &str) -> Message {
    request("POST / HTTP/1.1", RANDOM, br#"{"NumberOfBytes":32}"#, lines)
}

pub(crate) fn request(start_line: &str, target: &str, body: &[u8], lines: &str) -> Message {
    let length = body.len();
    let head = format!(
        "{start_line}\r\nHost: kms.example:1\r\nX-Amz-Target: {target}\r\nContent-Length: \
         {length}\r\n{lines}\r\n"
    );
    Message { head, body: body.to_vec() }
}

/// Returns the `__type` and the message of an error.
pub(crate) fn error(response: &Message) -> (String, String) {
    let body: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
    let member = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    (member("__type"), member("message"))
}
