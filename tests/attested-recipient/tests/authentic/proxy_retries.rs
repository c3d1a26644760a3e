//! The attempts of a request, and the connections that the proxy uses for them.

use std::collections::BTreeSet;
use std::time::Duration;

use attested_recipient::proxy::ProxySettings;
use tokio::net::TcpListener;

use crate::enclave::{Settings, TestEnclave, pcrs, pki, verifier};
use crate::proxy::{TestProxy, error, random_request, settings};
use crate::relay::Relay;

const NONCE: &str = "x-attested-random-nonce";
const RECEIPT: &str = "x-attested-random-receipt";
const BAD_GATEWAY: &str = "HTTP/1.1 502 Bad Gateway";

#[tokio::test]
async fn repeats_a_rejected_request_twice_with_new_nonces() {
    let pki = pki();
    let enclave = TestEnclave::start(Settings::new(&pki)).await;
    let relay = Relay::start(&enclave.address).await;
    let mut forgeries = 2;
    relay.forge(move |_, response| {
        let is_forged = forgeries > 0;
        forgeries -= i32::from(is_forged);
        let response = if is_forged { response.without(RECEIPT) } else { response };
        Some(response.to_bytes())
    });
    let proxy = TestProxy::start(verifier("http", &relay.address, &pki)).await;
    assert_eq!(proxy.random().await.start_line(), "HTTP/1.1 200 OK");
    let requests = enclave.requests();
    let nonces: BTreeSet<_> = requests.iter().map(|request| request.value(NONCE)).collect();
    assert_eq!((requests.len(), nonces.len()), (3, 3));
    // Each attempt had a connection of its own.
    assert_eq!(enclave.documents(), 3);
    proxy.assert_metric("attempts_total 3").await;
    proxy.assert_metric(r#"rejections_total{step="status"} 2"#).await;
    proxy.assert_metric(r#"requests_total{outcome="verified"} 1"#).await;
}

#[tokio::test]
async fn returns_502_with_the_reason_after_three_rejections() {
    let pki = pki();
    let enclave = TestEnclave::start(Settings::new(&pki)).await;
    let relay = Relay::start(&enclave.address).await;
    relay.forge(|_, response| Some(response.without(RECEIPT).to_bytes()));
    let proxy = TestProxy::start(verifier("http", &relay.address, &pki)).await;
    let response = proxy.random().await;
    assert_eq!(response.start_line(), BAD_GATEWAY);
    let (error_type, message) = error(&response);
    assert_eq!(error_type, "KMSInternalException");
    assert!(message.contains("after 3 attempts: step 1 (status)"), "{message}");
    assert!(!String::from_utf8_lossy(&response.body).contains("Plaintext"));
    assert_eq!(enclave.requests().len(), 3);
    proxy.assert_metric(r#"requests_total{outcome="rejected"} 1"#).await;
}

#[tokio::test]
async fn repeats_after_a_transport_fault() {
    let pki = pki();
    let enclave = TestEnclave::start(Settings::new(&pki)).await;
    let relay = Relay::start(&enclave.address).await;
    let mut faults = 0;
    relay.forge(move |_, response| {
        faults += 1;
        (faults > 1).then(|| response.to_bytes())
    });
    let proxy = TestProxy::start(verifier("http", &relay.address, &pki)).await;
    assert_eq!(proxy.random().await.start_line(), "HTTP/1.1 200 OK");
    proxy.assert_metric("attempts_total 2").await;
}

#[tokio::test]
async fn request_with_own_nonce_is_sent_once() {
    let pki = pki();
    let enclave = TestEnclave::start(Settings::new(&pki)).await;
    let relay = Relay::start(&enclave.address).await;
    let proxy = TestProxy::start(verifier("http", &relay.address, &pki)).await;
    let line = format!("{NONCE}: {}\r\n", "A".repeat(22));
    let own = random_request(&line);
    assert_eq!(proxy.exchange(&own.to_bytes()).await.start_line(), "HTTP/1.1 200 OK");
    assert_eq!(enclave.requests(), std::slice::from_ref(&own));
    relay.forge(|_, _| None);
    let response = proxy.exchange(&own.to_bytes()).await;
    assert_eq!(response.start_line(), BAD_GATEWAY);
    assert!(error(&response).1.contains("after 1 attempts"), "{:?}", error(&response));
    assert_eq!(enclave.requests().len(), 2);
    let malformed = random_request(&format!("{NONCE}: short\r\n"));
    let response = proxy.exchange(&malformed.to_bytes()).await;
    assert_eq!(error(&response).0, "ValidationException");
    assert_eq!(enclave.requests().len(), 2);
}

#[tokio::test]
async fn errors_of_the_upstream_are_passed_on_once() {
    let pki = pki();
    for (status, scheme) in [(400, "http"), (500, "http"), (503, "https")] {
        let settings = Settings { status, has_tls: scheme == "https", ..Settings::new(&pki) };
        let enclave = TestEnclave::start(settings).await;
        let proxy = TestProxy::start(verifier(scheme, &enclave.address, &pki)).await;
        let response = proxy.random().await;
        assert!(response.head.starts_with(&format!("HTTP/1.1 {status} ")), "{}", response.head);
        assert_eq!(error(&response).0, "ThrottlingException");
        assert_eq!(enclave.requests().len(), 1);
        proxy.assert_metric(r#"requests_total{outcome="error"} 1"#).await;
    }
}

#[tokio::test]
async fn restarted_upstream_needs_no_other_configuration() {
    let pki = pki();
    for scheme in ["http", "https"] {
        let settings = || Settings { has_tls: scheme == "https", ..Settings::new(&pki) };
        let mut enclave = TestEnclave::start(settings()).await;
        let proxy = TestProxy::start(verifier(scheme, &enclave.address, &pki)).await;
        assert_eq!(proxy.random().await.start_line(), "HTTP/1.1 200 OK");
        for _ in 0..3 {
            // Each enclave has a new receipt key, a new TLS key and a new authority.
            let address = enclave.kill().await;
            assert_eq!(proxy.random().await.start_line(), BAD_GATEWAY);
            enclave = TestEnclave::start_at(&address, settings()).await;
            assert_eq!(proxy.random().await.start_line(), "HTTP/1.1 200 OK");
        }
    }
}

#[tokio::test]
async fn rejected_enclave_receives_no_request() {
    let pki = pki();
    let mut other = pcrs();
    other.insert(0, [9; 48]);
    let enclave = TestEnclave::start(Settings { pcrs: other, ..Settings::new(&pki) }).await;
    let settings = ProxySettings { idle_connections: 1, ..settings() };
    let proxy = TestProxy::start_with(settings, verifier("http", &enclave.address, &pki)).await;
    let response = proxy.random().await;
    assert_eq!(response.start_line(), BAD_GATEWAY);
    assert!(error(&response).1.contains("step 5 (measurements)"), "{:?}", error(&response));
    assert!(enclave.requests().is_empty());
    let (status, body) = proxy.admin("/readyz").await;
    assert_eq!(status, "HTTP/1.1 503 Service Unavailable");
    assert!(body.contains("PCR0 is 0909"), "{body}");
    assert_eq!(proxy.admin("/healthz").await.0, "HTTP/1.1 200 OK");
    assert_eq!(proxy.admin("/other").await.0, "HTTP/1.1 404 Not Found");
}

#[tokio::test]
async fn opens_and_verifies_connections_ahead() {
    let pki = pki();
    let enclave = TestEnclave::start(Settings::new(&pki)).await;
    let mut relay = Relay::start(&enclave.address).await;
    let settings = ProxySettings { idle_connections: 2, ..settings() };
    let proxy = TestProxy::start_with(settings, verifier("http", &relay.address, &pki)).await;
    while enclave.documents() < 2 || proxy.admin("/readyz").await.1 != "ready\n" {
        tokio::task::yield_now().await;
    }
    assert_eq!(proxy.random().await.start_line(), "HTTP/1.1 200 OK");
    assert_eq!(enclave.documents(), 2);
    // Bytes on an idle connection close it, and the proxy opens another one.
    relay.send_on_all(b"HTTP/1.1 200 OK\r\n\r\n");
    assert!(relay.closed.recv().await.is_some() && relay.closed.recv().await.is_some());
    while enclave.documents() < 4 {
        tokio::task::yield_now().await;
    }
    proxy.assert_metric(r#"rejections_total{step="framing"} 2"#).await;
}

#[tokio::test]
async fn opens_no_more_connections_ahead_than_may_be_idle() {
    let pki = pki();
    let enclave = TestEnclave::start(Settings::new(&pki)).await;
    let settings = ProxySettings { idle_connections: 2, max_connections: 1, ..settings() };
    let proxy = TestProxy::start_with(settings, verifier("http", &enclave.address, &pki)).await;
    for _ in 0..50 {
        assert_eq!(proxy.random().await.start_line(), "HTTP/1.1 200 OK");
    }
    // Each check, once a second, may open one connection while the idle one is in use.
    assert!(enclave.documents() < 10, "{}", enclave.documents());
}

#[tokio::test]
async fn silent_upstream_gives_502_at_the_deadline() {
    let pki = pki();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let settings = ProxySettings { timeout: Duration::from_millis(300), ..settings() };
    let proxy = TestProxy::start_with(settings, verifier("https", &address, &pki)).await;
    let response = proxy.random().await;
    assert_eq!(response.start_line(), BAD_GATEWAY);
    assert_eq!(error(&response).0, "KMSInternalException");
    proxy.assert_metric(r#"requests_total{outcome="timed_out"} 1"#).await;
}

#[tokio::test]
async fn tls_at_another_key_gives_502() {
    let pki = pki();
    let settings =
        Settings { has_tls: true, attested_tls_key: Some([7; 32]), ..Settings::new(&pki) };
    let enclave = TestEnclave::start(settings).await;
    let proxy = TestProxy::start(verifier("https", &enclave.address, &pki)).await;
    let response = proxy.random().await;
    assert_eq!(response.start_line(), BAD_GATEWAY);
    assert!(error(&response).1.contains("man in the middle"));
    assert!(enclave.requests().is_empty());
    proxy.assert_metric(r#"rejections_total{step="tls"} 3"#).await;
}
