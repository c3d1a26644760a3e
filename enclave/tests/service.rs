//! The service without a network: what it draws, and what it says when it cannot.

#![expect(clippy::unwrap_used, reason = "a failure here is a test's failure")]

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use enclave::audit::Audit;
use enclave::clock::{Clock, SystemClock};
use enclave::config::{Config, Posture};
use enclave::http::RequestId;
use enclave::platform::Platform;
use enclave::{Service, StartError};
use http_body_util::BodyExt;
use hyper::http::request::Parts;
use hyper::{Method, Request, StatusCode};
use shared::attestation::{PcrFamily, Simulated, TrustAnchors};
use shared::nsm::{ErrorCode, Nsm, Request as NsmRequest, Response as NsmResponse};
use shared::simulator::{DocumentRequest, World, default_pcrs};

/// Gives `blocks` blocks of entropy, then errors; counts its calls.
struct FiniteNsm {
    blocks: usize,
    calls: Arc<AtomicUsize>,
}

impl Nsm for FiniteNsm {
    fn process(&mut self, request: NsmRequest) -> NsmResponse {
        assert!(matches!(request, NsmRequest::GetRandom));
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        if call < self.blocks {
            NsmResponse::GetRandom { random: vec![7; 256] }
        } else {
            NsmResponse::Error(ErrorCode::InternalError)
        }
    }
}

struct TestPlatform;

impl Platform for TestPlatform {
    type Trust = Simulated;
    type Nsm = FiniteNsm;
    type Clock = SystemClock;

    fn clock(&self) -> &SystemClock {
        &SystemClock
    }
}

struct Fixture {
    service: Service<TestPlatform>,
    world: World,
    calls: Arc<AtomicUsize>,
}

fn world() -> World {
    World::new(Arc::new(|| SystemClock.now())).unwrap()
}

async fn start(blocks: usize) -> Result<Fixture, StartError> {
    let world = world();
    let anchors = TrustAnchors::simulator_root(world.root_certificate());
    start_in(world, anchors, blocks).await
}

async fn start_in(
    world: World,
    anchors: TrustAnchors<Simulated>,
    blocks: usize,
) -> Result<Fixture, StartError> {
    let calls = Arc::new(AtomicUsize::new(0));
    let nsm = FiniteNsm { blocks, calls: Arc::clone(&calls) };
    let settings = Config::default().settings(Posture::Laptop).unwrap();
    let service = Service::start(TestPlatform, nsm, anchors, settings, Audit::none()).await?;
    Ok(Fixture { service, world, calls })
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
    async fn answer(&self, method: Method, path: &str, body: &str) -> (StatusCode, String) {
        let id = RequestId::random();
        let answer = self.service.answer(id, &head(method, path), body.as_bytes()).await;
        let response = answer.into_response(id, SystemClock.now());
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn generate(&self, body: &str) -> (StatusCode, String) {
        self.answer(Method::POST, "/", body).await
    }

    /// Draws since the start, which takes one.
    fn draws(&self) -> usize {
        self.calls.load(Ordering::SeqCst) - 1
    }

    fn attested(&self, number_of_bytes: usize, spki: &[u8]) -> String {
        let document = self
            .world
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
    let pem = include_str!("../../tests/keys/rsa-2048.pem");
    let key = shared::cms::RecipientPrivateKey::from_pem(pem).unwrap();
    key.public_key_der().to_vec()
}

#[tokio::test]
async fn draws_no_entropy_for_a_request_that_is_refused() {
    let fixture = start(1).await.unwrap();
    let bad_key = fixture.attested(1, b"no key");
    // The base64 of the signature's last bytes stands before `"}}`.
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
async fn draws_what_the_answer_needs_in_blocks_of_256_bytes() {
    for (body, draws) in [
        (r#"{"NumberOfBytes":256}"#.to_owned(), 1),
        (r#"{"NumberOfBytes":257}"#.to_owned(), 2),
        (r#"{"NumberOfBytes":1024}"#.to_owned(), 4),
    ] {
        let fixture = start(5).await.unwrap();
        assert_eq!(fixture.generate(&body).await.0, StatusCode::OK);
        assert_eq!(fixture.draws(), draws, "{body}");
    }
    // The content key and the IV take 48 bytes more.
    for (number_of_bytes, draws) in [(208, 1), (209, 2), (1024, 5)] {
        let fixture = start(6).await.unwrap();
        let body = fixture.attested(number_of_bytes, &spki());
        assert_eq!(fixture.generate(&body).await.0, StatusCode::OK);
        assert_eq!(fixture.draws(), draws, "{number_of_bytes}");
    }
}

#[tokio::test]
async fn a_fault_of_the_nsm_is_an_internal_error_and_ends_readiness() {
    // One block for the start, one to be ready, one for the first half of the answer.
    let fixture = start(3).await.unwrap();
    assert_eq!(fixture.answer(Method::GET, "/readyz", "").await.0, StatusCode::OK);
    let (status, body) = fixture.generate(r#"{"NumberOfBytes":512}"#).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(
        body,
        r#"{"__type":"KMSInternalException","message":"An internal error prevented the request from being fulfilled. Try again."}"#
    );
    let (status, body) = fixture.answer(Method::GET, "/readyz", "").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(body, "not ready: the NSM gives no entropy\n");
    assert_eq!(fixture.answer(Method::GET, "/healthz", "").await.0, StatusCode::OK);
}

#[tokio::test]
async fn does_not_start_without_entropy() {
    let error = start(0).await.err().expect("there is none");
    assert_eq!(
        error.to_string(),
        "the NSM answered with error InternalError; without entropy there is nothing to serve"
    );
}

#[tokio::test]
async fn a_configured_root_is_trusted_beside_the_platforms_own_and_no_other_is() {
    let folder = tempfile::tempdir().unwrap();
    let (own, configured, stranger) = (world(), world(), world());
    fs::write(folder.path().join("root.pem"), configured.root_certificate_pem()).unwrap();
    let path = folder.path().join("enclave.toml");
    fs::write(&path, "[trust]\nanchors = [\"root.pem\"]\n").unwrap();
    let own_root = own.root_certificate().to_vec();
    for (world, expected) in
        [(own, StatusCode::OK), (configured, StatusCode::OK), (stranger, StatusCode::BAD_REQUEST)]
    {
        let mut anchors = TrustAnchors::simulator_root(&own_root);
        Config::load(Some(&path)).unwrap().add_anchors(&mut anchors).unwrap();
        let fixture = start_in(world, anchors, 2).await.unwrap();
        let (status, body) = fixture.generate(&fixture.attested(1, &spki())).await;
        assert_eq!(status, expected, "{body}");
    }
}
