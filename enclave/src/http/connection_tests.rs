use std::future::pending;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadBuf, duplex};

use tracing::Level;
use tracing::subscriber::DefaultGuard;
use transport::ConnectionId;

use super::*;
use crate::http::PeerPolicy;
use crate::platform::test_platform::{self, TestPlatform};
use crate::service::Service;

/// A stream that records each write. Like vsock, it has no vectored writes.
struct RecordingStream {
    stream: DuplexStream,
    writes: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl AsyncRead for RecordingStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for RecordingStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.writes.lock().unwrap().push(bytes.to_vec());
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// A valid request, after which the server closes the connection.
const PLAIN: &[u8] = b"POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\
    Content-Type: application/x-amz-json-1.1\r\n\
    X-Amz-Target: TrentService.GenerateRandom\r\n\
    Content-Length: 19\r\n\r\n{\"NumberOfBytes\":3}";

#[tokio::test]
async fn writes_the_body_from_its_own_buffer_without_vectored_io() {
    let server = Server::new(test_platform::service().await);
    let (mut client, stream) = duplex(64 * 1024);
    let writes = Arc::new(Mutex::new(Vec::new()));
    let stream = RecordingStream { stream, writes: Arc::clone(&writes) };
    client.write_all(PLAIN).await.unwrap();
    let mut response = Vec::new();
    let (read, ()) = tokio::join!(
        client.read_to_end(&mut response),
        server.serve_connection(stream, TransportSecurity::NoTls, pending())
    );
    read.unwrap();
    let head_end = response.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let body = &response[head_end + 4..];
    assert!(body.starts_with(br#"{"Plaintext":""#), "{body:?}");
    // The body is a separate write. Its bytes come from the buffer that is zeroized afterwards.
    assert!(writes.lock().unwrap().iter().any(|write| write == body));
}

/// Starts a server with the PROXY protocol.
async fn server_with_proxy_protocol() -> Server<Service<TestPlatform>> {
    with_proxy_protocol(test_platform::service().await)
}

fn with_proxy_protocol(mut service: Service<TestPlatform>) -> Server<Service<TestPlatform>> {
    service.peer_policy = PeerPolicy { parent_cid: Some(3), proxy_protocol: true };
    Server::new(service)
}

/// Sends `bytes` on one connection, and returns all bytes that the server sends.
async fn exchange(server: &Server<Service<TestPlatform>>, bytes: &[u8]) -> String {
    let (mut client, stream) = duplex(64 * 1024);
    client.write_all(bytes).await.unwrap();
    client.shutdown().await.unwrap();
    let mut response = String::new();
    let (read, ()) = tokio::join!(
        client.read_to_string(&mut response),
        server.serve(stream, Peer::Unix, pending())
    );
    read.unwrap();
    response
}

/// Returns the value of a metric in `GET /metrics`.
fn metric(server: &Server<Service<TestPlatform>>, name: &str) -> u64 {
    let text = server.application().metrics_text().unwrap();
    let value =
        text.lines().find_map(|line| line.strip_prefix(&format!("attested_random_{name} ")));
    value.unwrap_or_else(|| panic!("{name} in {text}")).parse().unwrap()
}

fn header(client: Option<&str>) -> Vec<u8> {
    let client_addr = client.map(|client| client.parse().unwrap());
    let connection_id = Some(ConnectionId([0x1b, 0x2c, 0x3d, 0x4e, 0x5f, 0x60]));
    ProxyHeader { client_addr, connection_id }.encode(Some("127.0.0.1:8000".parse().unwrap()))
}

#[tokio::test]
async fn request_id_starts_with_the_id_of_the_proxy_header() {
    let server = server_with_proxy_protocol().await;
    for client in [Some("192.0.2.7:50000"), Some("[2001:db8::7]:1"), None] {
        let response = exchange(&server, &[&header(client), PLAIN].concat()).await;
        assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
        assert!(response.contains("\r\nx-amzn-requestid: 1b2c3d4e-5f60-4"), "{response}");
    }
    assert_eq!(metric(&server, "connections_rejected_total{reason=\"proxy_header\"}"), 0);
}

#[tokio::test]
async fn closes_and_counts_connections_without_proxy_header() {
    let server = server_with_proxy_protocol().await;
    let mut cut = header(None);
    cut.pop();
    let version_1 = [b"PROXY TCP4 192.0.2.7 127.0.0.1 9 8\r\n", PLAIN].concat();
    for bytes in [PLAIN, &version_1, &cut, b""] {
        assert_eq!(exchange(&server, bytes).await, "");
    }
    assert_eq!(metric(&server, "connections_rejected_total{reason=\"proxy_header\"}"), 4);
    assert_eq!(metric(&server, "connections_open"), 0);
}

#[tokio::test]
async fn closes_and_counts_an_unexpected_proxy_header() {
    let plain = Server::new(test_platform::service().await);
    for client in [Some("192.0.2.7:50000"), None] {
        assert_eq!(exchange(&plain, &[&header(client), PLAIN].concat()).await, "");
    }
    assert_eq!(metric(&plain, "connections_rejected_total{reason=\"proxy_header\"}"), 2);
    // A header after the first bytes of a client is part of its HTTP stream.
    let response = exchange(&plain, &[PLAIN, &header(None)].concat()).await;
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    assert_eq!(metric(&plain, "connections_rejected_total{reason=\"proxy_header\"}"), 2);
}

#[tokio::test]
async fn f15_counts_rejected_peers_and_logs_the_first() {
    let server = server_with_proxy_protocol().await;
    let (output, _log) = capture_log();
    for listener in [Listener::Clients, Listener::Admin] {
        assert!(server.accepts_peer(listener, Peer::Vsock { cid: 3 }));
        for cid in [2, 16] {
            assert!(!server.accepts_peer(listener, Peer::Vsock { cid }));
        }
    }
    assert_eq!(metric(&server, "connections_rejected_total{reason=\"peer\"}"), 4);
    let text = output.text();
    assert_eq!(text.matches("the peer is not the parent instance").count(), 1, "{text}");
    assert!(text.contains("listener=clients peer=vsock:2"), "{text}");
}

#[tokio::test]
async fn drain_does_not_wait_for_a_missing_proxy_header() {
    let server = server_with_proxy_protocol().await;
    let (_client, stream) = duplex(64);
    server.serve(stream, Peer::Unix, async {}).await;
}

#[tokio::test]
async fn counts_connections_bytes_and_requests() {
    let server = Server::new(test_platform::service().await);
    let unknown = PLAIN.to_vec();
    let unknown = String::from_utf8(unknown).unwrap().replace("GenerateRandom", "Encrypt");
    let missing =
        String::from_utf8(PLAIN.to_vec()).unwrap().replace("NumberOfBytes", "numberOfBytes");
    let describe = "POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\
        Content-Type: application/x-amz-json-1.1\r\n\
        X-Amz-Target: TrentService.DescribeCustomKeyStores\r\nContent-Length: 2\r\n\r\n{}";
    let requests = [PLAIN, PLAIN, unknown.as_bytes(), missing.as_bytes(), describe.as_bytes()];
    let (mut received, mut sent) = (0, 0);
    for request in requests {
        let response = exchange(&server, request).await;
        received += request.len();
        sent += response.len();
    }
    for (name, value) in [
        ("requests_total{operation=\"GenerateRandom\",outcome=\"success\"}", 2),
        ("requests_total{operation=\"GenerateRandom\",outcome=\"ValidationException\"}", 1),
        ("requests_total{operation=\"GenerateRandom\",outcome=\"ClientDisconnected\"}", 0),
        ("requests_total{operation=\"DescribeCustomKeyStores\",outcome=\"success\"}", 1),
        ("requests_total{operation=\"unknown\",outcome=\"UnknownOperationException\"}", 1),
        ("request_duration_seconds_count{operation=\"GenerateRandom\"}", 3),
        ("request_duration_seconds_bucket{le=\"+Inf\",operation=\"unknown\"}", 1),
        ("connections_total", 5),
        ("connections_open", 0),
        ("received_bytes_total", u64::try_from(received).unwrap()),
        ("sent_bytes_total", u64::try_from(sent).unwrap()),
        ("audit_records_dropped_total", 0),
        ("audit_records_omitted_total{reason=\"rate\"}", 0),
        ("audit_records_omitted_total{reason=\"queue\"}", 0),
        ("log_lines_dropped_total", 0),
        (concat!("build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"}"), 1),
    ] {
        assert_eq!(metric(&server, name), value, "{name}");
    }
}

#[tokio::test]
async fn counts_open_connections_until_they_close() {
    let server = Server::new(test_platform::service().await);
    let (client, stream) = duplex(64);
    let mut serve = pin!(server.serve(stream, Peer::Unix, pending()));
    let turn = async { tokio::task::yield_now().await };
    tokio::select! {
        biased;
        () = serve.as_mut() => panic!("the connection is closed"),
        () = turn => {}
    }
    assert_eq!(metric(&server, "connections_open"), 1);
    drop(client);
    serve.await;
    assert_eq!(metric(&server, "connections_open"), 0);
}

#[tokio::test]
async fn pipelining_connection_queues_one_attestation_request() {
    let server = server_with_proxy_protocol().await;
    let get = format!("GET /attestation?nonce={} HTTP/1.1\r\nHost: h\r\n", "ab".repeat(16));
    let get = get + "Accept: application/json\r\n";
    let (next, last) = (format!("{get}\r\n"), format!("{get}Connection: close\r\n\r\n"));
    // The number of requests exceeds the burst, so some requests wait.
    let requests = next.repeat(24) + &last;
    let client = |port| header(Some(&format!("192.0.2.7:{port}")));
    let waiting = || metric(&server, "attestation_requests_waiting");
    let mut most = 0;
    let watch = async {
        loop {
            most = most.max(waiting());
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    };
    let (one, other) = (
        [&client(1)[..], requests.as_bytes()].concat(),
        [&client(2)[..], requests.as_bytes()].concat(),
    );
    let (one, other) = tokio::select! {
        responses = async { tokio::join!(exchange(&server, &one), exchange(&server, &other)) } => responses,
        () = watch => unreachable!("the loop never ends"),
    };
    for responses in [one, other] {
        assert_eq!(responses.matches("HTTP/1.1 200 OK").count(), 25, "{responses}");
    }
    // The queue contains at most one request of each connection.
    assert_eq!((most, waiting()), (2, 0));
    assert_eq!(metric(&server, "attestation_requests_total{outcome=\"success\"}"), 50);
}

/// A writer that collects the log.
#[derive(Clone, Default)]
struct LogOutput(Arc<Mutex<Vec<u8>>>);

impl io::Write for LogOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::Write::write(&mut *self.0.lock().unwrap(), bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl LogOutput {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// Captures the log of this thread until the guard is dropped.
fn capture_log() -> (LogOutput, DefaultGuard) {
    let output = LogOutput::default();
    let writer = output.clone();
    let log = tracing_subscriber::fmt().with_max_level(Level::DEBUG).with_ansi(false);
    let log = log.with_writer(move || writer.clone()).finish();
    (output, tracing::subscriber::set_default(log))
}

#[tokio::test]
async fn logs_each_request_once_with_its_outcome() {
    let server = with_proxy_protocol(test_platform::service_with_failing_clock_sync().await);
    let (output, _log) = capture_log();
    for expired in [false, true] {
        if expired {
            server.application().expire_clock();
        }
        exchange(&server, &[&header(None), PLAIN].concat()).await;
    }
    let text = output.text();
    let lines: Vec<_> = text.lines().filter(|line| line.contains("request completed")).collect();
    let [succeeded, failed] = &lines[..] else { panic!("{text}") };
    for (line, level, outcome, operation) in [
        (succeeded, "DEBUG", "success", "GenerateRandom"),
        (failed, " WARN", "KMSInternalException", "unknown"),
    ] {
        assert!(line.contains(level) && line.contains("request_id=1b2c3d4e-5f60-4"), "{line}");
        assert!(
            line.contains(&format!("operation=\"{operation}\" outcome=\"{outcome}\"")),
            "{line}"
        );
        let (_, duration) = line.rsplit_once("duration_seconds=").unwrap();
        assert!(duration.parse::<f64>().unwrap() > 0.0, "{line}");
    }
}

#[tokio::test]
async fn limits_log_lines_about_failures_and_counts_them() {
    let server = with_proxy_protocol(test_platform::service_with_failing_clock_sync().await);
    server.application().expire_clock();
    let (output, _log) = capture_log();
    for _ in 0..100 {
        exchange(&server, &[&header(Some("192.0.2.7:50000")), PLAIN].concat()).await;
    }
    let text = output.text();
    let lines = |part: &str| text.lines().filter(|line| line.contains(part)).count();
    let failed = lines("ERROR");
    assert_eq!(lines(" client_addr=192.0.2.7 "), failed, "{text}");
    // The burst is 20 lines. If time passes, there are more lines.
    assert!((20..100).contains(&failed), "{text}");
    assert_eq!((lines(" WARN"), lines("request completed")), (failed, 100), "{text}");
}
