//! An enclave of the test's own: it signs documents with a simulated NSM, and responses with receipts.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use ::enclave::clock::{Clock, SystemClock};
use ::enclave::tls::{Authority, tls_provider};
use attestation::crypto::{Es256Key, Sha256, fill_random};
use attestation::receipt::{NSM_SOURCE, Receipt, ReceiptOperation};
use attestation::time::UnixMillis;
use attestation::{Identity, MeasurementSet, MeasurementSets, PcrFamily, PcrValue, TrustAnchors};
use attested_recipient::Expectations;
use attested_recipient::verified_connection::{Upstream, Verifier, VerifierClock};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rustls::ServerConfig;
use rustls::pki_types::ServerName;
use rustls::server::ParsedCertificate;
use rustls::sign::SingleCertAndKey;
use simulator::{DocumentRequest, SimulatedPki};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::http::Message;

pub(crate) const RANDOM: &str = "TrentService.GenerateRandom";

/// Returns the PCRs of every test enclave.
pub(crate) fn pcrs() -> BTreeMap<u8, PcrValue> {
    BTreeMap::from([(0, [1; 48]), (1, [2; 48]), (2, [3; 48]), (16, [4; 48])])
}

/// Creates a signer of documents. Two enclaves can share one.
pub(crate) fn pki() -> Arc<SimulatedPki> {
    Arc::new(SimulatedPki::new(Arc::new(|| SystemClock.now())).unwrap())
}

/// The settings of an enclave.
pub(crate) struct Settings {
    pub(crate) pki: Arc<SimulatedPki>,
    pub(crate) pcrs: BTreeMap<u8, PcrValue>,
    pub(crate) has_tls: bool,
    /// The key in the document instead of the key of TLS.
    pub(crate) attested_tls_key: Option<[u8; 32]>,
    /// Age of the document, in seconds.
    pub(crate) document_age: u64,
    /// The `src` of the receipts.
    pub(crate) source: String,
    /// The status of the responses to KMS requests.
    pub(crate) status: u16,
}

impl Settings {
    pub(crate) fn new(pki: &Arc<SimulatedPki>) -> Self {
        Self {
            pki: Arc::clone(pki),
            pcrs: pcrs(),
            has_tls: false,
            attested_tls_key: None,
            document_age: 0,
            source: NSM_SOURCE.to_owned(),
            status: 200,
        }
    }
}

/// A running enclave. It ends when it is dropped.
pub(crate) struct TestEnclave {
    pub(crate) address: String,
    state: Arc<State>,
    tasks: JoinSet<()>,
}

struct State {
    settings: Settings,
    key: Es256Key,
    tls: Option<(TlsAcceptor, [u8; 32])>,
    sequence: AtomicU64,
    requests: Mutex<Vec<Message>>,
    documents: AtomicUsize,
}

impl TestEnclave {
    pub(crate) async fn start(settings: Settings) -> Self {
        Self::start_at("127.0.0.1:0", settings).await
    }

    /// Starts an enclave at an address, such as that of an enclave that ended.
    pub(crate) async fn start_at(address: &str, settings: Settings) -> Self {
        let tls = settings.has_tls.then(tls);
        let key = Es256Key::generate().unwrap();
        let state = State {
            settings,
            key,
            tls,
            sequence: AtomicU64::new(1),
            requests: Mutex::default(),
            documents: AtomicUsize::new(0),
        };
        let state = Arc::new(state);
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&state)));
        Self { address, state, tasks }
    }

    /// Ends the enclave with all its connections, and waits for the end.
    pub(crate) async fn kill(mut self) -> String {
        self.tasks.shutdown().await;
        self.address.clone()
    }

    /// Returns the KMS requests that arrived.
    pub(crate) fn requests(&self) -> Vec<Message> {
        self.state.requests.lock().unwrap().clone()
    }

    /// Returns the number of documents that were fetched.
    pub(crate) fn documents(&self) -> usize {
        self.state.documents.load(Ordering::Relaxed)
    }

    /// Returns the response to a request, as this enclave sends it.
    pub(crate) fn respond(&self, request: &Message) -> Message {
        self.state.respond(request)
    }
}

/// Returns expectations that the enclaves of `pki` meet.
pub(crate) fn expectations(pki: &SimulatedPki) -> Expectations {
    expectations_until(pki, None)
}

/// Returns expectations that the enclaves of `pki` meet until `not_after`.
pub(crate) fn expectations_until(
    pki: &SimulatedPki,
    not_after: Option<UnixMillis>,
) -> Expectations {
    let mut anchors = TrustAnchors::aws_nitro();
    anchors.add_pem(pki.root_certificate_pem().as_bytes()).unwrap();
    let set = MeasurementSet::new("set", BTreeMap::from([(0, [1; 48]), (16, [4; 48])]))
        .with_not_after(not_after);
    let sets = MeasurementSets::new(vec![set]).unwrap();
    Expectations::new(sets).accept_simulators().with_anchors(anchors)
}

/// Returns a verifier for `scheme` and `address`, with the system's time.
pub(crate) fn verifier(scheme: &str, address: &str, pki: &SimulatedPki) -> Verifier {
    let upstream: Upstream = format!("{scheme}://{address}").parse().unwrap();
    Verifier::new(upstream, expectations(pki), VerifierClock::given(|| SystemClock.now()))
}

fn tls() -> (TlsAcceptor, [u8; 32]) {
    let name = ServerName::try_from("enclave.example").unwrap();
    let now = SystemClock.now();
    let issued = Authority::generate(&[name], now).unwrap().issue(now).unwrap().certified;
    let certificate = ParsedCertificate::try_from(&issued.cert[0]).unwrap();
    let digest = Sha256::digest(&certificate.subject_public_key_info());
    let certified = (*issued).clone();
    let config = ServerConfig::builder_with_provider(tls_provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    (TlsAcceptor::from(Arc::new(config)), digest)
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let state = Arc::clone(&state);
        connections.spawn(async move {
            match &state.tls {
                None => state.serve(stream).await,
                Some((acceptor, _)) => {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        state.serve(stream).await;
                    }
                }
            }
        });
    }
}

impl State {
    async fn serve(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        while let Some(request) = Message::read(&mut stream).await {
            let response = self.respond(&request).to_bytes();
            if stream.write_all(&response).await.is_err() || stream.flush().await.is_err() {
                return;
            }
        }
    }

    fn respond(&self, request: &Message) -> Message {
        match request.start_line() {
            "GET /attestation HTTP/1.1" => {
                self.documents.fetch_add(1, Ordering::Relaxed);
                response(200, "application/octet-stream", self.document(), "")
            }
            "GET /simulator/root.pem HTTP/1.1" => {
                let pem = self.settings.pki.root_certificate_pem().into_bytes();
                response(200, "application/x-pem-file", pem, "")
            }
            "POST / HTTP/1.1" => self.kms(request),
            line => panic!("unexpected request: {line}"),
        }
    }

    fn document(&self) -> Vec<u8> {
        let Settings { pki, pcrs, attested_tls_key, document_age, .. } = &self.settings;
        let tls_key = attested_tls_key.or(self.tls.as_ref().map(|(_, digest)| *digest));
        let receipt_key = *self.key.public_key();
        let identity = Identity { receipt_key, tls_key, tls_ca: None, config: None };
        let request = DocumentRequest {
            family: PcrFamily::NitroEnclave,
            pcrs: pcrs.clone(),
            public_key: None,
            user_data: Some(identity.to_user_data()),
            nonce: None,
            age_seconds: *document_age,
        };
        pki.document(request).unwrap()
    }

    fn kms(&self, request: &Message) -> Message {
        self.requests.lock().unwrap().push(request.clone());
        let Settings { status, source, .. } = &self.settings;
        let request_id = request_id();
        let lines = format!("x-amzn-RequestId: {request_id}\r\nx-secret: internal\r\n");
        let content_type = "application/x-amz-json-1.1";
        if *status != 200 {
            let body = br#"{"__type":"ThrottlingException","message":"slow"}"#.to_vec();
            return response(*status, content_type, body, &lines);
        }
        let mut random = [0; 32];
        fill_random(&mut random).unwrap();
        let body = format!(r#"{{"Plaintext":"{}"}}"#, STANDARD.encode(random)).into_bytes();
        let Some(nonce) = request.value("x-attested-random-nonce") else {
            return response(200, content_type, body, &lines);
        };
        let receipt = Receipt {
            request_id: &request_id,
            operation: ReceiptOperation::GenerateRandom,
            content_key_digest: None,
            request_digest: Sha256::digest(&request.body),
            response_digest: Sha256::digest(&body),
            sequence: self.sequence.fetch_add(1, Ordering::Relaxed),
            source: Some(source),
            time: UnixMillis::new(SystemClock.now().as_millis()),
            nonce: &URL_SAFE_NO_PAD.decode(nonce).unwrap(),
        };
        let receipt = receipt.sign(&self.key).unwrap();
        let lines = format!("{lines}x-attested-random-receipt: {receipt}\r\n");
        response(200, content_type, body, &lines)
    }
}

fn request_id() -> String {
    let mut bytes = [0; 18];
    fill_random(&mut bytes).unwrap();
    const_hex::encode(bytes)
}

/// Returns a response with further lines in its head.
pub(crate) fn response(status: u16, content_type: &str, body: Vec<u8>, lines: &str) -> Message {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} Status\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\
         Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n{lines}\r\n"
    );
    Message { head, body }
}
