//! Tests of verified connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ::enclave::clock::{Clock, SystemClock};
use attestation::TrustAnchors;
use attestation::receipt::AllowedSources;
use attested_recipient::Expectations;
use attested_recipient::verified_connection::{
    ConnectionError, ErrorKind, FramingError, InvalidRequest, Proof, Request, Upstream,
    VerifiedConnection, Verifier, VerifierClock,
};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::enclave::{
    RANDOM, Settings, TestEnclave, expectations, expectations_until, pcrs, pki, response, verifier,
};
use crate::relay::Relay;

const BODY: &[u8] = br#"{"NumberOfBytes":32}"#;

/// Returns a request for random bytes.
pub(crate) fn request() -> Request {
    Request::new([("X-Amz-Target", RANDOM)], BODY.to_vec()).unwrap()
}

/// Returns the error of a connection that must not open.
async fn open_error(verifier: &Verifier) -> ConnectionError {
    verifier.open().await.map(drop).unwrap_err()
}

#[tokio::test]
async fn returns_response_with_its_receipt() {
    let pki = pki();
    let enclave = TestEnclave::start(Settings::new(&pki)).await;
    let mut connection = verifier("http", &enclave.address, &pki).open().await.unwrap();
    let mut nonces = Vec::new();
    for _ in 0..2 {
        let response = connection.send(&request()).await.unwrap();
        assert_eq!((response.status(), response.proof()), (200, Proof::Receipt));
        assert!(response.receipt().is_some() && response.body().starts_with(b"{\"Plaintext"));
        assert!(connection.is_open());
        nonces.push(
            enclave.requests().last().unwrap().value("x-attested-random-nonce").unwrap().to_owned(),
        );
    }
    assert_ne!(nonces[0], nonces[1]);
    assert_eq!(enclave.requests()[0].value("host"), Some(enclave.address.as_str()));
    assert_eq!(enclave.documents(), 1);
}

#[tokio::test]
async fn attested_tls_needs_no_receipt() {
    let pki = pki();
    let enclave = TestEnclave::start(Settings { has_tls: true, ..Settings::new(&pki) }).await;
    let mut connection = verifier("https", &enclave.address, &pki).open().await.unwrap();
    let encrypt = Request::new([("x-amz-target", "TrentService.Encrypt")], b"{}".to_vec()).unwrap();
    for request in [request(), encrypt] {
        let response = connection.send(&request).await.unwrap();
        assert_eq!((response.proof(), response.receipt()), (Proof::AttestedTls, None));
    }
    assert!(connection.identity().identity().tls_key.is_some());
}

#[tokio::test]
async fn https_to_a_service_without_tls_names_the_mistake() {
    let pki = pki();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        stream
    });
    let error = open_error(&verifier("https", &address, &pki)).await;
    assert!(matches!(error, ConnectionError::NotTls), "{error}");
    assert_eq!(error.kind(), ErrorKind::Transport);
    server.await.unwrap();
}

#[tokio::test]
async fn rejects_tls_that_ends_at_another_key() {
    let pki = pki();
    let settings =
        Settings { has_tls: true, attested_tls_key: Some([7; 32]), ..Settings::new(&pki) };
    let enclave = TestEnclave::start(settings).await;
    let error = open_error(&verifier("https", &enclave.address, &pki)).await;
    assert!(matches!(error, ConnectionError::OtherTlsKey), "{error}");
    assert_eq!((error.kind(), error.rejecting_rule()), (ErrorKind::Rejection, Some("tls")));
}

#[tokio::test]
async fn rejects_other_measurements_and_old_documents() {
    let pki = pki();
    let mut other = pcrs();
    other.insert(16, [9; 48]);
    let settings = Settings { pcrs: other, ..Settings::new(&pki) };
    let enclave = TestEnclave::start(settings).await;
    let error = open_error(&verifier("http", &enclave.address, &pki)).await;
    assert_eq!(error.rejecting_rule(), Some("measurements"), "{error}");

    let settings = Settings { document_age: 301, ..Settings::new(&pki) };
    let enclave = TestEnclave::start(settings).await;
    let error = open_error(&verifier("http", &enclave.address, &pki)).await;
    assert_eq!(error.rejecting_rule(), Some("freshness"), "{error}");
}

#[tokio::test]
async fn simulator_is_accepted_only_by_consent() {
    let (pki, stranger) = (pki(), pki());
    let enclave = TestEnclave::start(Settings::new(&pki)).await;
    let upstream: Upstream = format!("http://{}", enclave.address).parse().unwrap();
    let open = async |expectations| {
        let clock = VerifierClock::given(|| SystemClock.now());
        Verifier::new(upstream.clone(), expectations, clock).open().await.map(drop)
    };
    let sets = || {
        use attestation::{MeasurementSet, MeasurementSets};
        MeasurementSets::new(vec![MeasurementSet::new("set", pcrs())]).unwrap()
    };
    let aws = TrustAnchors::aws_nitro;
    open(Expectations::simulator()).await.unwrap();
    open(Expectations::new(sets()).accept_simulators()).await.unwrap();
    // A root of the user may be a simulator's.
    let mut anchors = aws();
    anchors.add_pem(pki.root_certificate_pem().as_bytes()).unwrap();
    let error = open(Expectations::new(sets()).with_anchors(anchors)).await.unwrap_err();
    assert!(matches!(error, ConnectionError::Simulator), "{error}");
    let mut anchors = aws();
    anchors.add_pem(stranger.root_certificate_pem().as_bytes()).unwrap();
    let error = open(Expectations::new(sets()).with_anchors(anchors)).await.unwrap_err();
    assert!(matches!(error, ConnectionError::Simulator), "{error}");
}

#[tokio::test]
async fn errors_of_the_service_have_no_proof() {
    let pki = pki();
    for status in [400, 500] {
        let enclave = TestEnclave::start(Settings { status, ..Settings::new(&pki) }).await;
        let mut connection = verifier("http", &enclave.address, &pki).open().await.unwrap();
        let response = connection.send(&request()).await.unwrap();
        assert_eq!((response.status(), response.proof()), (status, Proof::None));
        assert!(connection.is_open());
    }
}

#[tokio::test]
async fn reports_a_service_without_a_document() {
    let pki = pki();
    let enclave = TestEnclave::start(Settings::new(&pki)).await;
    let relay = Relay::start(&enclave.address).await;
    relay.forge_documents(|_| response(404, "text/plain", b"not\nfound".to_vec(), "").to_bytes());
    let error = open_error(&verifier("http", &relay.address, &pki)).await;
    assert!(error.to_string().contains("HTTP 404: not\\nfound"), "{error}");
    assert_eq!(error.kind(), ErrorKind::Transport);
}

#[tokio::test]
async fn rejects_operations_without_receipts_before_sending() {
    let pki = pki();
    let enclave = TestEnclave::start(Settings::new(&pki)).await;
    let mut connection = verifier("http", &enclave.address, &pki).open().await.unwrap();
    let encrypt = Request::new([("x-amz-target", "TrentService.Encrypt")], b"{}".to_vec()).unwrap();
    let error = connection.send(&encrypt).await.unwrap_err();
    assert!(matches!(error, ConnectionError::Request(InvalidRequest::NotCovered)), "{error}");
    assert!(connection.is_open() && enclave.requests().is_empty());
}

#[tokio::test]
async fn fetches_new_document_after_an_hour() {
    let pki = pki();
    let enclave = TestEnclave::start(Settings::new(&pki)).await;
    let upstream: Upstream = format!("http://{}", enclave.address).parse().unwrap();
    let ahead = Arc::new(AtomicU64::new(0));
    let clock = Arc::clone(&ahead);
    let now = move || SystemClock.now().plus_secs(clock.load(Ordering::Relaxed));
    let verifier = Verifier::new(upstream, expectations(&pki), VerifierClock::given(now));
    let mut connection = verifier.open().await.unwrap();
    // The document is not an hour old, but the receipt is of another time.
    ahead.store(3500, Ordering::Relaxed);
    let error = connection.send(&request()).await.unwrap_err();
    assert_eq!((error.rejecting_rule(), enclave.documents()), (Some("time"), 1), "{error}");
    ahead.store(0, Ordering::Relaxed);
    let mut connection = verifier.open().await.unwrap();
    // The enclave's new document is an hour old as well, by this clock.
    ahead.store(3700, Ordering::Relaxed);
    let error = connection.send(&request()).await.unwrap_err();
    assert_eq!((error.rejecting_rule(), enclave.documents()), (Some("freshness"), 3), "{error}");
    assert!(!connection.is_open());
}

#[tokio::test]
async fn connection_ends_with_its_set_of_measurements() {
    let pki = pki();
    for (scheme, has_tls) in [("http", false), ("https", true)] {
        let enclave = TestEnclave::start(Settings { has_tls, ..Settings::new(&pki) }).await;
        let upstream: Upstream = format!("{scheme}://{}", enclave.address).parse().unwrap();
        let (now, ahead) = (SystemClock.now(), Arc::new(AtomicU64::new(0)));
        let clock = Arc::clone(&ahead);
        let clock = VerifierClock::given(move || now.plus_secs(clock.load(Ordering::Relaxed)));
        let expectations = expectations_until(&pki, Some(now.plus_secs(60)));
        let verifier = Verifier::new(upstream, expectations, clock);
        let mut connection = verifier.open().await.unwrap();
        connection.send(&request()).await.unwrap();
        ahead.store(61, Ordering::Relaxed);
        let error = connection.send(&request()).await.unwrap_err();
        assert_eq!(error.rejecting_rule(), Some("measurements"), "{scheme}: {error}");
        assert_eq!((connection.is_open(), enclave.requests().len()), (false, 1), "{scheme}");
        let error = open_error(&verifier).await;
        assert_eq!(error.rejecting_rule(), Some("measurements"), "{scheme}: {error}");
    }
}

#[tokio::test]
async fn rejects_sources_that_are_not_allowed() {
    let pki = pki();
    let settings = Settings { source: "cks-1".to_owned(), ..Settings::new(&pki) };
    let enclave = TestEnclave::start(settings).await;
    let mut connection = verifier("http", &enclave.address, &pki).open().await.unwrap();
    let error = connection.send(&request()).await.unwrap_err();
    assert_eq!(error.rejecting_rule(), Some("content"), "{error}");
    let upstream: Upstream = format!("http://{}", enclave.address).parse().unwrap();
    let sources = AllowedSources::nsm().with_key_store("cks-1");
    let clock = VerifierClock::given(|| SystemClock.now());
    let verifier = Verifier::new(upstream, expectations(&pki).with_sources(sources), clock);
    verifier.open().await.unwrap().send(&request()).await.unwrap();
}

#[tokio::test]
async fn bytes_on_an_idle_connection_close_it() {
    let pki = pki();
    let enclave = TestEnclave::start(Settings::new(&pki)).await;
    let mut relay = Relay::start(&enclave.address).await;
    let mut connection = verifier("http", &relay.address, &pki).open().await.unwrap();
    relay.send_on_all(b"HTTP/1.1 200 OK\r\n");
    let error = until_closed(&mut connection).await;
    assert!(matches!(error, ConnectionError::Framing(FramingError::BytesOnIdle)), "{error}");
    assert!(!connection.is_open());
    assert_eq!(relay.closed.recv().await, Some(0));
}

#[tokio::test]
async fn closed_idle_connection_is_a_transport_fault() {
    let pki = pki();
    let enclave = TestEnclave::start(Settings::new(&pki)).await;
    let mut connection = verifier("http", &enclave.address, &pki).open().await.unwrap();
    enclave.kill().await;
    let error = until_closed(&mut connection).await;
    assert_eq!(error.kind(), ErrorKind::Transport, "{error}");
    let error = connection.send(&request()).await.unwrap_err();
    assert!(matches!(error, ConnectionError::Closed), "{error}");
}

/// Waits until an idle connection is closed.
async fn until_closed(connection: &mut VerifiedConnection) -> ConnectionError {
    loop {
        match connection.check_idle() {
            Ok(()) => tokio::task::yield_now().await,
            Err(error) => return error,
        }
    }
}

#[tokio::test]
async fn dropped_request_closes_its_connection() {
    let pki = pki();
    let enclave = TestEnclave::start(Settings::new(&pki)).await;
    let mut connection = verifier("http", &enclave.address, &pki).open().await.unwrap();
    let request = request();
    let sent = async {
        while enclave.requests().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        () = sent => {}
        response = connection.send(&request) => panic!("{response:?}"),
    }
    assert!(!connection.is_open());
}

#[tokio::test]
async fn truncated_response_is_a_transport_fault() {
    let pki = pki();
    let enclave = TestEnclave::start(Settings::new(&pki)).await;
    let relay = Relay::start(&enclave.address).await;
    relay.forge(|_, _| None);
    let mut connection = verifier("http", &relay.address, &pki).open().await.unwrap();
    let error = connection.send(&request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transport, "{error}");
}
