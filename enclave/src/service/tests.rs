use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::clock::PauseDetector;
use crate::platform::test_platform::{self, TestPlatform};
use crate::request::{ConnectionKey, RequestId, TransportSecurity};
use http_body_util::BodyExt;
use hyper::Request;

async fn send(service: &Service<TestPlatform>, method: Method, path: &str) -> (u16, String) {
    send_body(service, method, path, r#"{"NumberOfBytes":1}"#).await
}

async fn send_body(
    service: &Service<TestPlatform>,
    method: Method,
    path: &str,
    body: &str,
) -> (u16, String) {
    let (status, body) = send_bytes(service, method, path, body, None).await;
    (status, String::from_utf8(body).unwrap())
}

async fn send_bytes(
    service: &Service<TestPlatform>,
    method: Method,
    path: &str,
    body: &str,
    nonce: Option<&str>,
) -> (u16, Vec<u8>) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", "TrentService.GenerateRandom");
    let request = match nonce {
        Some(nonce) => request.header("x-attested-random-nonce", nonce),
        None => request,
    };
    let (head, ()) = request.body(()).unwrap().into_parts();
    let id = RequestId::random();
    let (transport_security, body) = (TransportSecurity::NoTls, body.as_bytes());
    let received = RequestContext {
        id,
        connection: ConnectionKey::new(0, None),
        transport_security,
        client_addr: None,
        head: &head,
        body,
    };
    let response = service.respond(received).await;
    let response = response.into_hyper(id, service.now());
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, body.to_vec())
}

/// Waits until `/readyz` returns this status and first line.
async fn wait_until_readiness(service: &Service<TestPlatform>, status: u16, text: &str) {
    let ready = async {
        loop {
            let (current, body) = send(service, Method::GET, "/readyz").await;
            if current == status && body.lines().next() == Some(text) {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    let bound = std::time::Duration::from_secs(60);
    tokio::time::timeout(bound, ready).await.unwrap_or_else(|_| panic!("never {text}"));
}

#[tokio::test]
async fn returns_500_while_the_time_is_unconfirmed() {
    for (expired, why) in [(true, "for over 60 s"), (false, "since this process was paused")] {
        let service = test_platform::service_with_failing_clock_sync().await;
        assert_eq!(send(&service, Method::POST, "/").await.0, 200);
        match expired {
            true => service.api.clock.expire(),
            false => PauseDetector::global().simulate_pause(),
        }
        let (status, body) = send(&service, Method::POST, "/").await;
        assert!(status == 500 && body.contains("KMSInternalException"), "{body}");
        let unready = format!("not ready: the NSM has not confirmed the time {why}");
        wait_until_readiness(&service, 503, &unready).await;
        let (_, metrics) = send(&service, Method::GET, "/metrics").await;
        let counted = "attested_random_clock_failures_total 1";
        assert!(metrics.lines().any(|line| line == counted), "{metrics}");
    }
}

#[tokio::test]
async fn responds_after_a_pause_once_the_time_is_confirmed() {
    let service = test_platform::service().await;
    let confirmed = service.api.handler.entropy.nsm().metrics().calls.attestation.get();
    PauseDetector::global().simulate_pause();
    assert_eq!(send(&service, Method::POST, "/").await.0, 200);
    assert_eq!(service.api.handler.entropy.nsm().metrics().calls.attestation.get(), confirmed + 1);
    wait_until_readiness(&service, 200, "ready").await;
    let (_, metrics) = send(&service, Method::GET, "/metrics").await;
    let counted = "attested_random_clock_failures_total 0";
    assert!(metrics.lines().any(|line| line == counted), "{metrics}");
}

#[tokio::test]
async fn receipt_needs_a_time_that_is_confirmed_after_the_work() {
    let is_pausing = Arc::new(AtomicBool::new(false));
    let service = test_platform::service_that_pauses(Arc::clone(&is_pausing)).await;
    let body = r#"{"NumberOfBytes":1}"#;
    for (pauses, nonce, status) in [
        (false, Some("AAAAAAAAAAAAAAAAAAAAAA"), 200),
        (true, None, 200),
        (false, None, 200),
        (true, Some("AAAAAAAAAAAAAAAAAAAAAA"), 500),
    ] {
        is_pausing.store(pauses, Ordering::Relaxed);
        let response = send_bytes(&service, Method::POST, "/", body, nonce).await;
        assert_eq!(response.0, status, "{pauses} {nonce:?}");
        is_pausing.store(false, Ordering::Relaxed);
        wait_until_readiness(&service, 200, "ready").await;
    }
}

#[tokio::test]
async fn returns_the_current_document_without_a_call_of_the_nsm() {
    let service = test_platform::service().await;
    let calls = || service.api.handler.entropy.nsm().metrics().calls.attestation.get();
    let made = calls();
    let current = service.api.handler.entropy.nsm().current_document().unwrap();
    for _ in 0..100 {
        let (status, body) = send_bytes(&service, Method::GET, "/attestation", "", None).await;
        assert_eq!((status, &body[..]), (200, &current[..]));
    }
    assert_eq!(calls(), made);
    for path in ["/attestation?", "/attestation?a=b", "/attestation?nonce="] {
        assert_eq!(send_bytes(&service, Method::GET, path, "", None).await.0, 400, "{path}");
    }
    let (_, metrics) = send(&service, Method::GET, "/metrics").await;
    for (outcome, count) in [("from_memory", 100), ("success", 0), ("throttled", 0), ("failed", 0)]
    {
        let line =
            format!("attested_random_attestation_requests_total{{outcome=\"{outcome}\"}} {count}");
        assert!(metrics.lines().any(|found| found == line), "{line}: {metrics}");
    }
}

#[tokio::test]
async fn returns_no_old_document_while_the_time_is_unconfirmed() {
    let service = test_platform::service_with_failing_clock_sync().await;
    assert_eq!(send_bytes(&service, Method::GET, "/attestation", "", None).await.0, 200);
    service.api.clock.expire();
    let (status, body) = send(&service, Method::GET, "/attestation").await;
    let text =
        "cannot get an attestation document: the NSM has not confirmed the time for over 60 s\n";
    assert_eq!((status, body.as_str()), (503, text));
}

#[cfg(feature = "simulator")]
#[tokio::test]
async fn full_crypto_pool_throttles_attested_requests_only() {
    use std::future::pending;
    use std::sync::Arc;

    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use simulator::DocumentBuilder;

    let service = Arc::new(test_platform::service().await);
    let document = STANDARD.encode(DocumentBuilder::new(4, service.now()).unwrap().sign().unwrap());
    let attested = format!(
        r#"{{"NumberOfBytes":1,"Recipient":{{"KeyEncryptionAlgorithm":"RSAES_OAEP_SHA_256",
            "AttestationDocument":"{document}"}}}}"#
    );
    // The service does not trust the root of the document, so the request fails on the crypto pool.
    let untrusted = send_body(&service, Method::POST, "/", &attested).await.1;
    assert!(untrusted.contains("trust anchor"), "{untrusted}");

    let places = service.api.crypto_pool.free_permits();
    let mut works = tokio::task::JoinSet::new();
    for _ in 0..places {
        let service = Arc::clone(&service);
        works.spawn(async move { service.api.crypto_pool.run(pending::<()>()).await });
    }
    while !service.api.crypto_pool.is_full() {
        tokio::task::yield_now().await;
    }
    let (status, body) = send_body(&service, Method::POST, "/", &attested).await;
    assert!(status == 400 && body.contains(r#""__type":"ThrottlingException""#), "{body}");
    assert_eq!(send(&service, Method::POST, "/").await.0, 200);
    let (_, metrics) = send(&service, Method::GET, "/metrics").await;
    let counted = "attested_random_verification_rejected_total{reason=\"queue_full\"} 1";
    assert!(metrics.lines().any(|line| line == counted), "{metrics}");

    works.shutdown().await;
    while service.api.crypto_pool.is_full() {
        tokio::task::yield_now().await;
    }
    assert_eq!(send_body(&service, Method::POST, "/", &attested).await.1, untrusted);
}
