//! Tests of the service without a network: draws of entropy, errors and attestation documents.

#![expect(clippy::unwrap_used, reason = "a failure here is a test's failure")]

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use attestation::{
    ClockReading, DebugMode, Identity, MaxAge, PcrFamily, Simulated, TrustAnchors,
    UnverifiedDocument,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use enclave::audit::Audit;
use enclave::clock::{Clock, SystemClock};
use enclave::config::{Config, ConfigBundle, Profile, Settings};
use enclave::platform::{Platform, PlatformError, PlatformSettings};
use enclave::request::{ConnectionKey, RequestContext, RequestId, TransportSecurity};
use enclave::{Service, StartError};
use http_body_util::BodyExt;
use hyper::http::request::Parts;
use hyper::{Method, Request, StatusCode};
use nsm_device::{ErrorCode, Nsm, NsmError, Request as NsmRequest, Response as NsmResponse};
use simulator::{DocumentRequest, SimulatedNsm, SimulatedPki, default_pcrs};

/// An NSM that returns `blocks` blocks of entropy after the start of the service, and then errors. It counts
/// the calls after the start.
struct FiniteNsm {
    nsm: SimulatedNsm,
    blocks: usize,
    /// The value of PCR0. `None` is the value of the simulator.
    pcr0: Option<Vec<u8>>,
    in_service: Arc<AtomicBool>,
    calls: Arc<AtomicUsize>,
}

impl Nsm for FiniteNsm {
    fn process(&mut self, request: NsmRequest) -> Result<NsmResponse, NsmError> {
        let counts = matches!(request, NsmRequest::GetRandom);
        if counts
            && self.in_service.load(Ordering::SeqCst)
            && self.calls.fetch_add(1, Ordering::SeqCst) >= self.blocks
        {
            return Ok(NsmResponse::Error(ErrorCode::InternalError));
        }
        match (&self.pcr0, &request) {
            (Some(pcr0), NsmRequest::DescribePCR { .. }) => {
                Ok(NsmResponse::DescribePCR { lock: true, data: pcr0.clone() })
            }
            _ => self.nsm.process(request),
        }
    }
}

#[derive(Default)]
struct TestPlatform {
    in_service: Arc<AtomicBool>,
    /// True if the platform check fails.
    is_rejected: bool,
}

impl Platform for TestPlatform {
    type Trust = Simulated;
    type Nsm = FiniteNsm;
    type Clock = SystemClock;

    fn clock(&self) -> SystemClock {
        SystemClock
    }

    fn check_machine(&self, _: &PlatformSettings) -> Result<(), PlatformError> {
        match self.is_rejected {
            true => Err(PlatformError::Rng { found: "none".to_owned() }),
            false => Ok(()),
        }
    }

    fn on_ready(&self) {
        self.in_service.store(true, Ordering::SeqCst);
    }
}

struct Fixture {
    service: Service<TestPlatform>,
    pki: Arc<SimulatedPki>,
    calls: Arc<AtomicUsize>,
}

fn pki() -> Arc<SimulatedPki> {
    Arc::new(SimulatedPki::new(Arc::new(|| SystemClock.now())).unwrap())
}

async fn start(blocks: usize) -> Result<Fixture, StartError> {
    let pki = pki();
    let anchors = TrustAnchors::simulator_root(pki.root_certificate());
    start_in(pki, anchors, blocks).await
}

async fn start_in(
    pki: Arc<SimulatedPki>,
    anchors: TrustAnchors<Simulated>,
    blocks: usize,
) -> Result<Fixture, StartError> {
    let (in_service, calls) = (Arc::default(), Arc::default());
    let nsm = FiniteNsm {
        nsm: SimulatedNsm::new(Arc::clone(&pki)),
        blocks,
        pcr0: None,
        in_service: Arc::clone(&in_service),
        calls: Arc::clone(&calls),
    };
    // There is no prefetching, so each call of the NSM belongs to one request.
    let settings = settings("[entropy]\nprefetch = 0\n");
    let platform = TestPlatform { in_service, is_rejected: false };
    let service = Service::start(platform, nsm, anchors, settings, Audit::disabled()).await?;
    Ok(Fixture { service, pki, calls })
}

fn settings(text: &str) -> Settings {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(&file, text).unwrap();
    Config::load(Some(file.path())).unwrap().settings(Profile::Development).unwrap()
}

/// Starts the service in an enclave with this value of PCR0.
async fn start_measured(
    platform: TestPlatform,
    pcr0: Vec<u8>,
    text: &str,
) -> Result<Service<TestPlatform>, StartError> {
    let pki = pki();
    let anchors = TrustAnchors::simulator_root(pki.root_certificate());
    let nsm = FiniteNsm {
        nsm: SimulatedNsm::new(pki),
        blocks: usize::MAX,
        pcr0: Some(pcr0),
        in_service: Arc::clone(&platform.in_service),
        calls: Arc::default(),
    };
    Service::start(platform, nsm, anchors, settings(text), Audit::disabled()).await
}

fn head(method: Method, path: &str) -> Parts {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", "TrentService.GenerateRandom")
        .body(());
    request.unwrap().into_parts().0
}

impl Fixture {
    async fn send(&self, method: Method, path: &str, body: &str) -> (StatusCode, String) {
        let id = RequestId::random();
        let (head, body) = (head(method, path), body.as_bytes());
        let transport_security = TransportSecurity::NoTls;
        let request = RequestContext {
            id,
            connection: ConnectionKey::new(0, None),
            transport_security,
            client_addr: None,
            head: &head,
            body,
        };
        let response = self.service.respond(request).await;
        let response = response.into_hyper(id, SystemClock.now());
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn generate(&self, body: &str) -> (StatusCode, String) {
        self.send(Method::POST, "/", body).await
    }

    /// Returns the number of NSM calls since the start.
    fn draws(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    fn attested(&self, number_of_bytes: usize, spki: &[u8]) -> String {
        let document = self
            .pki
            .document(DocumentRequest {
                family: PcrFamily::NitroEnclave,
                pcrs: default_pcrs(PcrFamily::NitroEnclave),
                public_key: Some(spki.to_vec()),
                user_data: None,
                nonce: None,
                age_seconds: 0,
            })
            .unwrap();
        let document = STANDARD.encode(document);
        format!(
            r#"{{"NumberOfBytes":{number_of_bytes},"Recipient":{{"KeyEncryptionAlgorithm":"RSAES_OAEP_SHA_256","AttestationDocument":"{document}"}}}}"#
        )
    }
}

fn spki() -> Vec<u8> {
    let pem = include_str!("../../tests/suite/keys/rsa-2048.pem");
    let key = attestation::cms::RecipientPrivateKey::from_pem(pem).unwrap();
    key.public_key_der().to_vec()
}

#[tokio::test]
async fn draws_no_entropy_for_rejected_requests() {
    let fixture = start(1).await.unwrap();
    let bad_key = fixture.attested(1, b"no key");
    // The base64 of the last bytes of the signature is followed by `"}}`.
    let mut bad_signature = fixture.attested(1, &spki());
    let end = bad_signature.len() - "\"}}".len();
    bad_signature.replace_range(end - 12..end - 8, "AAAA");
    for body in ["{}", r#"{"NumberOfBytes":0}"#, "x", &bad_key, &bad_signature] {
        let (status, _) = fixture.generate(body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body:.100}");
    }
    let key_store = r#"{"NumberOfBytes":1,"CustomKeyStoreId":"cks-1"}"#;
    assert_eq!(fixture.generate(key_store).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(fixture.draws(), 0);
}

#[tokio::test]
async fn each_response_uses_its_own_block() {
    let fixture = start(6).await.unwrap();
    for (number_of_bytes, draws) in [(1, 1), (256, 2), (1024, 3)] {
        let body = format!(r#"{{"NumberOfBytes":{number_of_bytes}}}"#);
        assert_eq!(fixture.generate(&body).await.0, StatusCode::OK);
        assert_eq!(fixture.draws(), draws, "{number_of_bytes}");
    }
    for (number_of_bytes, draws) in [(1, 4), (1024, 5)] {
        let body = fixture.attested(number_of_bytes, &spki());
        assert_eq!(fixture.generate(&body).await.0, StatusCode::OK);
        assert_eq!(fixture.draws(), draws, "{number_of_bytes}");
    }
}

#[tokio::test]
async fn counts_verified_documents_by_cache_hit() {
    let fixture = start(8).await.unwrap();
    let [first, second] = [fixture.attested(1, &spki()), fixture.attested(2, &spki())];
    for body in [&first, &first, &second] {
        assert_eq!(fixture.generate(body).await.0, StatusCode::OK);
    }
    let (_, metrics) = fixture.send(Method::GET, "/metrics", "").await;
    for (cache, count) in [("miss", 1), ("chain", 0), ("leaf", 1), ("document", 1)] {
        let name = "attested_random_documents_verified_total";
        let line = format!("{name}{{cache=\"{cache}\"}} {count}");
        assert!(metrics.lines().any(|found| found == line), "{line} in\n{metrics}");
    }
}

#[tokio::test]
async fn nsm_fault_returns_500_and_ends_readiness() {
    let fixture = start(1).await.unwrap();
    assert_eq!(fixture.generate(r#"{"NumberOfBytes":512}"#).await.0, StatusCode::OK);
    let (status, body) = fixture.send(Method::GET, "/readyz", "").await;
    assert_eq!(status, StatusCode::OK);
    let tls = body.strip_prefix("ready\n").unwrap();
    assert!(tls.starts_with("tls: off: the relay and the network can read"), "{body}");
    let (status, body) = fixture.generate(r#"{"NumberOfBytes":512}"#).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(
        body,
        r#"{"__type":"KMSInternalException","message":"An internal error prevented the request from being fulfilled. Try again."}"#
    );
    let (status, body) = fixture.send(Method::GET, "/readyz", "").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(body, format!("not ready: the NSM returned error InternalError\n{tls}"));
    assert_eq!(fixture.send(Method::GET, "/healthz", "").await.0, StatusCode::OK);
    let (status, metrics) = fixture.send(Method::GET, "/metrics", "").await;
    assert_eq!(status, StatusCode::OK);
    for line in [
        "attested_random_ready 0",
        "attested_random_entropy_failures_total{cause=\"error_code\"} 1",
        "attested_random_entropy_failures_total{cause=\"timed_out\"} 0",
        "attested_random_drbg_reseeds_total 1",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} in\n{metrics}");
    }
    assert!(metrics.ends_with("# EOF\n"));
}

#[tokio::test]
async fn does_not_start_in_debug_mode_unless_allowed() {
    let start = |pcr0: Vec<u8>, text| start_measured(TestPlatform::default(), pcr0, text);
    let error = start(vec![0; 48], "").await.err().unwrap();
    assert!(matches!(error, StartError::Platform(PlatformError::DebugMode)), "{error}");
    assert!(error.to_string().contains("--debug-mode"), "{error}");
    start(vec![0; 48], "[recipient]\nallow_debug = true\n").await.unwrap();
    start(vec![1; 48], "").await.unwrap();
    let error = start(Vec::new(), "").await.err().unwrap();
    assert!(matches!(error, StartError::Platform(PlatformError::PcrLength { length: 0 })));
}

#[tokio::test]
async fn does_not_start_if_the_platform_check_fails() {
    let platform = TestPlatform { is_rejected: true, ..TestPlatform::default() };
    let error = start_measured(platform, vec![1; 48], "").await.err().unwrap();
    assert!(matches!(error, StartError::Platform(PlatformError::Rng { .. })), "{error}");
}

#[tokio::test]
async fn trusts_configured_roots_and_the_platform_root_only() {
    let folder = tempfile::tempdir().unwrap();
    let (platform, configured, unknown) = (pki(), pki(), pki());
    fs::write(folder.path().join("root.pem"), configured.root_certificate_pem()).unwrap();
    let path = folder.path().join("enclave.toml");
    fs::write(&path, "[trust]\nanchors = [\"root.pem\"]\n").unwrap();
    let platform_root = platform.root_certificate().to_vec();
    for (pki, expected) in [
        (platform, StatusCode::OK),
        (configured, StatusCode::OK),
        (unknown, StatusCode::BAD_REQUEST),
    ] {
        let mut anchors = TrustAnchors::simulator_root(&platform_root);
        Config::load(Some(&path)).unwrap().add_anchors(&mut anchors).unwrap();
        let fixture = start_in(pki, anchors, 2).await.unwrap();
        let (status, body) = fixture.generate(&fixture.attested(1, &spki())).await;
        assert_eq!(status, expected, "{body}");
    }
}

/// Sends a GET request for `path` to the service.
async fn get(service: &Service<TestPlatform>, path: &str, accept: &str) -> (u16, Vec<u8>) {
    let request = Request::builder().uri(path).header("accept", accept).body(()).unwrap();
    let (head, ()) = request.into_parts();
    let id = RequestId::random();
    let transport_security = TransportSecurity::NoTls;
    let request = RequestContext {
        id,
        connection: ConnectionKey::new(0, None),
        transport_security,
        client_addr: None,
        head: &head,
        body: b"",
    };
    let response = service.respond(request).await;
    let response = response.into_hyper(id, SystemClock.now());
    let status = response.status().as_u16();
    (status, response.into_body().collect().await.unwrap().to_bytes().to_vec())
}

#[tokio::test]
async fn attestation_contains_nonce_and_configuration_pcrs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("enclave.toml");
    fs::write(&path, "[recipient]\nrequire = true\n").unwrap();
    fs::write(folder.path().join("salt"), [7; 32]).unwrap();
    let measured = ConfigBundle::load(&path).unwrap().measure(&[0; 32]).unwrap();
    let settings = Config::load(Some(&path)).unwrap().settings(Profile::Development).unwrap();
    let pki = pki();
    let anchors = TrustAnchors::simulator_root(pki.root_certificate());
    let nsm = FiniteNsm {
        nsm: SimulatedNsm::new(Arc::clone(&pki)),
        blocks: usize::MAX,
        pcr0: None,
        in_service: Arc::default(),
        calls: Arc::default(),
    };
    let platform = TestPlatform::default();
    let service =
        Service::start(platform, nsm, anchors, settings, Audit::disabled()).await.unwrap();

    let get_document = async |accept| {
        let nonce = "0123456789abcdef0123456789ABCDEF";
        get(&service, &format!("/attestation?nonce={nonce}"), accept).await
    };
    let (status, document) = get_document("*/*").await;
    assert_eq!(status, 200);
    let verify = |document: Vec<u8>| {
        let anchors = TrustAnchors::simulator_root(pki.root_certificate());
        let document = UnverifiedDocument::parse(document).unwrap();
        let live = document.verify_live(
            &anchors,
            ClockReading::this_machine(SystemClock.now()),
            MaxAge::Seconds(60),
            DebugMode::Reject,
        );
        live.unwrap()
    };
    let verified = verify(document);
    let nonce = const_hex::decode("0123456789abcdef0123456789abcdef").unwrap();
    let claims = verified.claims();
    assert_eq!(claims.nonce(), Some(&nonce[..]));
    let identity = Identity::from_user_data(claims.user_data().unwrap()).unwrap();
    assert_eq!((identity.tls_key, identity.tls_ca, claims.public_key()), (None, None, None));
    assert_eq!(claims.pcrs().value(16), Some(&measured.configuration_pcr()));
    assert_eq!(claims.pcrs().value(17), Some(&measured.secrets_pcr()));

    let (status, json) = get_document("application/json").await;
    assert_eq!(status, 200);
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let document = STANDARD.decode(json["attestation_document"].as_str().unwrap()).unwrap();
    assert_eq!(verify(document).claims().nonce(), Some(&nonce[..]));

    for path in ["/attestation?", "/attestation?nonce=00", "/attestation?nonce="] {
        let (status, text) = get(&service, path, "*/*").await;
        assert_eq!(status, 400);
        assert!(String::from_utf8(text).unwrap().starts_with("write /attestation?nonce=HEX"));
    }
    // The number of requests exceeds the burst. The requests wait in the queue, and all succeed.
    for _ in 0..25 {
        assert_eq!(get_document("*/*").await.0, 200);
    }
}

#[tokio::test]
async fn returns_attestation_without_entropy() {
    let fixture = start(0).await.unwrap();
    let (status, _) = get(&fixture.service, &format!("/attestation?nonce={:032}", 0), "*/*").await;
    assert_eq!(status, 200, "the fault only affects random bytes");
}
