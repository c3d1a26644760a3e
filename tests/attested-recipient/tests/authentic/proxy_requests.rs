//! The requests that the proxy accepts, and the parts of messages that it passes on.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::{Duration, SystemTime};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use crate::enclave::{Settings, TestEnclave, pki, verifier};
use crate::http::Message;
use crate::proxy::{TestProxy, error, random_request, request, settings};
use crate::relay::Relay;

const NONCE: &str = "x-attested-random-nonce";

#[tokio::test]
async fn passes_the_request_on_unchanged_with_a_nonce() {
    let pki = pki();
    let enclave = TestEnclave::start(Settings::new(&pki)).await;
    let proxy = TestProxy::start(verifier("http", &enclave.address, &pki)).await;
    let lines = "AUTHORIZATION: AWS4-HMAC-SHA256 Credential=a, Signature=b\r\nx-Twice: 1\r\n\
                 Connection: keep-alive\r\nx-twice: 2\r\n";
    let sent = random_request(lines);
    let response = proxy.exchange(&sent.to_bytes()).await;
    assert!(response.start_line() == "HTTP/1.1 200 OK", "{}", response.head);
    let received = enclave.requests().pop().unwrap();
    let nonce = received.value(NONCE).unwrap().to_owned();
    let expected = sent.without("connection").with_lines(&format!("{NONCE}: {nonce}\r\n"));
    assert_eq!(received, expected);
}

#[tokio::test]
async fn passes_only_four_kinds_of_response_fields_on() {
    let pki = pki();
    let enclave = TestEnclave::start(Settings::new(&pki)).await;
    let proxy = TestProxy::start(verifier("http", &enclave.address, &pki)).await;
    let response = proxy.random().await;
    let fields = response.head.lines().skip(1).filter_map(|line| line.split_once(": "));
    let names: Vec<_> = fields.map(|(name, _)| name.to_ascii_lowercase()).collect();
    let expected =
        ["content-type", "x-amzn-requestid", "x-attested-random-receipt", "content-length", "date"];
    assert_eq!(names, expected);
    // SDKs correct their clock by this date. The enclave's date is in 1970.
    let date = httpdate::parse_http_date(response.value("date").unwrap()).unwrap();
    #[expect(clippy::disallowed_methods, reason = "the proxy sends the system's time")]
    let now = SystemTime::now();
    assert!(now.duration_since(date).unwrap() < Duration::from_secs(60));
}

#[tokio::test]
async fn rejects_other_requests_with_a_json_error() {
    let pki = pki();
    let enclave = TestEnclave::start(Settings::new(&pki)).await;
    let proxy = TestProxy::start(verifier("http", &enclave.address, &pki)).await;
    let with = |lines: &str| random_request(lines).to_bytes();
    let start = |line: &str| request(line, "a", b"{}", "").to_bytes();
    let twice = [with(""), with("")].concat();
    let (unknown, invalid) = ("UnknownOperationException", "ValidationException");
    for (bytes, error_type, message) in [
        (start("CONNECT kms.example:443 HTTP/1.1"), unknown, "not CONNECT"),
        (start("POST http://kms.example/ HTTP/1.1"), unknown, "not the absolute form"),
        (start("POST /path HTTP/1.1"), unknown, "not another path"),
        (start("POST /?a=b HTTP/1.1"), unknown, "not another path or a query"),
        (start("GET / HTTP/1.1"), unknown, "not another method"),
        (start("OPTIONS * HTTP/1.1"), unknown, "not another method"),
        (start("POST / HTTP/1.0"), invalid, "not HTTP/1.1"),
        (with("Upgrade: h2c\r\n"), invalid, "upgrade is not supported"),
        (with("Expect: 100-continue\r\n"), invalid, "expect is not supported"),
        (with("Trailer: a\r\n"), invalid, "trailer is not supported"),
        (with("Transfer-Encoding: chunked\r\n"), invalid, "Transfer-Encoding"),
        (with("Transfer-Encoding: identity\r\n"), invalid, "Transfer-Encoding"),
        (with("Content-Length: 20\r\n"), invalid, "2 Content-Length fields"),
        (with("Content-Length: 21\r\n"), invalid, "2 Content-Length fields"),
        (with("Host: other\r\n"), invalid, "field host is missing, repeated"),
        (random_request("").without("host").to_bytes(), invalid, "field host is missing"),
        (with("a : b\r\n"), invalid, "not HTTP/1.1"),
        (with(&"a: b\r\n".repeat(100)), invalid, "too many fields"),
        (with(&format!("a: {}\r\n", "b".repeat(17_000))), invalid, "over 16384 bytes"),
        (twice, invalid, "bytes follow the message"),
    ] {
        let text = String::from_utf8_lossy(&bytes[..60.min(bytes.len())]).into_owned();
        let response = proxy.exchange(&bytes).await;
        assert_eq!(response.start_line(), "HTTP/1.1 400 Bad Request", "{text}");
        assert_eq!(response.value("connection"), Some("close"), "{text}");
        let (found, reason) = error(&response);
        assert_eq!(found, error_type, "{text}");
        assert!(reason.contains(message), "{text}: {reason}");
    }
    assert!(enclave.requests().is_empty());
    proxy.assert_metric(r#"requests_total{outcome="invalid"} 20"#).await;
}

#[tokio::test]
async fn rejects_a_request_before_the_response_to_another() {
    let pki = pki();
    let enclave = TestEnclave::start(Settings::new(&pki)).await;
    let relay = Relay::start(&enclave.address).await;
    let proxy = TestProxy::start(verifier("http", &relay.address, &pki)).await;
    let mut stream = TcpStream::connect(&proxy.address).await.unwrap();
    let held = relay.hold().await;
    stream.write_all(&random_request("").to_bytes()).await.unwrap();
    while enclave.requests().is_empty() {
        tokio::task::yield_now().await;
    }
    stream.write_all(&random_request("").to_bytes()).await.unwrap();
    drop(held);
    let response = Message::read(&mut stream).await.unwrap();
    assert!(error(&response).1.contains("bytes follow the message"), "{}", response.head);
    assert_eq!(stream.read_u8().await.unwrap_err().kind(), std::io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn body_limit_is_that_of_the_service() {
    let pki = pki();
    let enclave = TestEnclave::start(Settings::new(&pki)).await;
    let proxy = TestProxy::start(verifier("http", &enclave.address, &pki)).await;
    let limit = 512 * 1024;
    let body = |length: usize| {
        let body = format!("{{\"a\":\"{}\"}}", "b".repeat(length - 8)).into_bytes();
        request("POST / HTTP/1.1", crate::enclave::RANDOM, &body, "").to_bytes()
    };
    assert_eq!(proxy.exchange(&body(limit)).await.start_line(), "HTTP/1.1 200 OK");
    let response = proxy.exchange(&body(limit + 1)).await;
    assert_eq!(response.start_line(), "HTTP/1.1 413 Payload Too Large");
    assert_eq!(error(&response).0, "RequestEntityTooLargeException");
}

#[tokio::test]
async fn other_operations_need_https() {
    let pki = pki();
    let encrypt = request("POST / HTTP/1.1", "TrentService.Encrypt", b"{}", "").to_bytes();
    let plain = TestEnclave::start(Settings::new(&pki)).await;
    let proxy = TestProxy::start(verifier("http", &plain.address, &pki)).await;
    let response = proxy.exchange(&encrypt).await;
    assert_eq!(response.start_line(), "HTTP/1.1 400 Bad Request");
    let (error_type, message) = error(&response);
    assert_eq!(error_type, "UnsupportedOperationException");
    assert!(message.contains("no receipt covers this operation"), "{message}");
    assert!(plain.requests().is_empty());

    let enclave = TestEnclave::start(Settings { has_tls: true, ..Settings::new(&pki) }).await;
    let proxy = TestProxy::start(verifier("https", &enclave.address, &pki)).await;
    assert_eq!(proxy.exchange(&encrypt).await.start_line(), "HTTP/1.1 200 OK");
    let [received] = &enclave.requests()[..] else { panic!("one request") };
    assert_eq!(received.value(NONCE), None);
}

#[tokio::test]
async fn keeps_the_connection_open_for_further_requests() {
    let pki = pki();
    let enclave = TestEnclave::start(Settings::new(&pki)).await;
    let proxy = TestProxy::start(verifier("http", &enclave.address, &pki)).await;
    let mut stream = TcpStream::connect(&proxy.address).await.unwrap();
    for _ in 0..3 {
        stream.write_all(&random_request("").to_bytes()).await.unwrap();
        let response = Message::read(&mut stream).await.unwrap();
        assert_eq!(
            (response.start_line(), response.value("connection")),
            ("HTTP/1.1 200 OK", None)
        );
    }
    // All requests used one verified connection.
    assert_eq!(enclave.documents(), 1);
    proxy.assert_metric("upstream_connections_total 1").await;
    stream.write_all(&random_request("Connection: close\r\n").to_bytes()).await.unwrap();
    let response = Message::read(&mut stream).await.unwrap();
    assert_eq!(response.value("connection"), Some("close"));
}

#[tokio::test]
async fn unix_socket_accepts_only_its_users() {
    let pki = pki();
    let enclave = TestEnclave::start(Settings::new(&pki)).await;
    let folder = tempfile::tempdir().unwrap();
    let own_uid = std::fs::metadata(folder.path()).unwrap().uid();
    for (client_uids, is_accepted) in [(vec![], true), (vec![own_uid + 1], false)] {
        let path = folder.path().join(format!("{is_accepted}"));
        let listen = format!("unix:{}", path.display()).parse().unwrap();
        let settings =
            attested_recipient::proxy::ProxySettings { listen, client_uids, ..settings() };
        let proxy = TestProxy::start_with(settings, verifier("http", &enclave.address, &pki)).await;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        let mut stream = UnixStream::connect(&path).await.unwrap();
        // The proxy may close the connection before this write.
        let _ = stream.write_all(&random_request("").to_bytes()).await;
        let response = Message::read(&mut stream).await;
        assert_eq!(response.is_some(), is_accepted);
        drop(proxy);
    }
    assert_eq!(enclave.requests().len(), 1);
}

#[tokio::test]
async fn stop_waits_for_current_requests() {
    let pki = pki();
    let enclave = TestEnclave::start(Settings::new(&pki)).await;
    let relay = Relay::start(&enclave.address).await;
    let mut proxy = TestProxy::start(verifier("http", &relay.address, &pki)).await;
    let mut idle = TcpStream::connect(&proxy.address).await.unwrap();
    let mut busy = TcpStream::connect(&proxy.address).await.unwrap();
    let held = relay.hold().await;
    busy.write_all(&random_request("").to_bytes()).await.unwrap();
    while enclave.requests().is_empty() {
        tokio::task::yield_now().await;
    }
    proxy.stop();
    assert_eq!(idle.read_u8().await.unwrap_err().kind(), std::io::ErrorKind::UnexpectedEof);
    assert!(TcpStream::connect(&proxy.address).await.is_err());
    drop(held);
    let response = Message::read(&mut busy).await.unwrap();
    assert_eq!(response.start_line(), "HTTP/1.1 200 OK");
    assert_eq!(response.value("connection"), Some("close"));
    drop(busy);
    proxy.running.await.unwrap();
}
