//! A whole service in this process. The service trusts the root of the rows' documents, and its
//! clock shows their time.

use std::future::pending;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use attestation::time::UnixMillis;
use attestation::{self, ClockReading, TrustAnchors, VerificationTime};
use attested_recipient::RecipientKey;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use enclave::Service;
use enclave::audit::Audit;
use enclave::config::Settings;
use enclave::http::Server;
use enclave::platform::Simulated;
use enclave::request::TransportSecurity;
use simulator::{CallCounter, DocumentBuilder, SimulatedNsm, SimulatedPki};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf, duplex, split};
use tokio::runtime::{Builder, Runtime};
use tokio::{task, time};

use crate::harness::configuration::Configuration;
use crate::harness::response::{Expected, Response};

/// The time at which every document of a row is signed, and the time of the service's clock.
pub(crate) const NOW: UnixMillis = UnixMillis::from_secs(1_800_000_000);
/// The index of the leaf in a chain that starts with the root. As in AWS's chains, three CAs are
/// between the root and the leaf.
pub(crate) const LEAF: usize = 4;

/// Default capacity of a pipe, in bytes.
pub(crate) const PIPE_LENGTH: usize = 64 * 1024;
/// Time limit of an exchange, shorter than every deadline of the service. An exchange that takes
/// longer waits for a deadline.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(8);
/// Time limit of an exchange in which the service must reach a deadline. The limit is longer than
/// every deadline of the service. The clock is paused, and jumps to the next timer.
const DEADLINE_TIMEOUT: Duration = Duration::from_secs(600);

/// Keys of 2048, 3072 and 4096 bits.
pub(crate) static RECIPIENTS: LazyLock<[RecipientKey; 3]> = LazyLock::new(|| {
    [
        include_str!("../../../keys/rsa-2048.pem"),
        include_str!("../../../keys/rsa-3072.pem"),
        include_str!("../../../keys/rsa-4096.pem"),
    ]
    .map(|pem| RecipientKey::from_pem(pem).unwrap())
});

static VALID_DOCUMENT: LazyLock<DocumentBuilder> = LazyLock::new(|| {
    let mut forgery = DocumentBuilder::new(LEAF, NOW).unwrap();
    forgery.document.public_key = Some(recipient().public_key_der().to_vec());
    forgery
});

/// Returns the default recipient of valid documents.
pub(crate) fn recipient() -> &'static RecipientKey {
    &RECIPIENTS[0]
}

/// Returns a builder of a valid document. A row can change the chain and the content before it
/// signs the document. All builders share the same keys and the same root.
pub(crate) fn valid_document() -> DocumentBuilder {
    VALID_DOCUMENT.clone()
}

/// A step of a client.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Sends bytes. The service may leave some of them unread.
    Send(Vec<u8>),
    /// Sends bytes. The service must read all of them.
    SendAll(Vec<u8>),
    /// Reads one response.
    Receive(Expected),
}

/// The side that closes a connection after the client has sent the last bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClosedBy {
    /// The client closes its sending half at once, and continues to read.
    Client,
    /// The client keeps its sending half open, and the service closes at once.
    Service,
    /// The client keeps its sending half open, and the service closes at its deadline on a paused
    /// clock. A case with random bytes cannot use this variant. Another thread draws the bytes, and
    /// the paused clock does not wait for that thread.
    Deadline,
}

/// A simulated platform with a fixed time.
type AtFixedTime = Simulated<fn() -> UnixMillis>;

/// A service that trusts the root of [`valid_document`].
pub(crate) struct TestService {
    runtime: Runtime,
    server: Server<Service<AtFixedTime>>,
    anchors: TrustAnchors<attestation::Simulated>,
    draws: CallCounter,
    drawn_to_start: u64,
}

fn now() -> UnixMillis {
    NOW
}

/// Returns the service's time for a document that was signed at `signed_at`.
pub(crate) fn verification_time(signed_at: UnixMillis) -> VerificationTime {
    VerificationTime { reading: ClockReading::enclave(NOW), signed_at }
}

/// Three chains whose roots are trust anchors. The first root is expired. The second root is not
/// yet valid. The third root becomes valid in 60 s, which is within the allowed clock skew.
pub(crate) static ROOTS_OUTSIDE_VALIDITY: LazyLock<[DocumentBuilder; 3]> = LazyLock::new(|| {
    let under_root = |not_before: UnixMillis, not_after: UnixMillis| {
        let mut forgery = valid_document();
        forgery.specs[0].not_before = not_before;
        forgery.specs[0].not_after = not_after;
        forgery.keep_root().unwrap();
        forgery
    };
    [
        under_root(NOW.minus_secs(2), NOW.minus_secs(1)),
        under_root(NOW.plus_secs(61), NOW.plus_secs(62)),
        under_root(NOW.plus_secs(60), NOW.plus_secs(62)),
    ]
});

pub(crate) fn anchors() -> TrustAnchors<attestation::Simulated> {
    let mut anchors = TrustAnchors::simulator_root(VALID_DOCUMENT.root());
    for forgery in ROOTS_OUTSIDE_VALIDITY.iter() {
        let pem = STANDARD.encode(forgery.root());
        let pem = format!("-----BEGIN CERTIFICATE-----\n{pem}\n-----END CERTIFICATE-----\n");
        anchors.add_pem(pem.as_bytes()).unwrap();
    }
    anchors
}

impl TestService {
    /// Starts a service with the development defaults.
    pub(crate) fn new() -> Self {
        Self::with_configuration(&Configuration::none())
    }

    /// Starts a service with this configuration.
    pub(crate) fn with_configuration(configuration: &Configuration) -> Self {
        Self::start(configuration.settings().unwrap(), Audit::disabled())
    }

    pub(crate) fn start(settings: Settings, audit: Audit) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let pki = Arc::new(SimulatedPki::new(Arc::new(now)).unwrap());
        let nsm = SimulatedNsm::new(Arc::clone(&pki));
        let draws = nsm.random_calls();
        let clock: fn() -> UnixMillis = now;
        let platform = Simulated::new(pki, clock, nsm.readiness());
        let start = Service::start(platform, nsm, anchors(), settings, audit);
        let service = runtime.block_on(start).unwrap();
        let drawn_to_start = draws.count();
        Self { runtime, server: Server::new(service), anchors: anchors(), draws, drawn_to_start }
    }

    pub(crate) fn anchors(&self) -> &TrustAnchors<attestation::Simulated> {
        &self.anchors
    }

    /// Returns the number of entropy blocks that the service drew since its start.
    pub(crate) fn draws(&self) -> u64 {
        self.draws.count() - self.drawn_to_start
    }

    /// Runs `steps` on a new connection, and returns all responses until the connection closes.
    pub(crate) fn exchange(&self, steps: &[Step], ending: ClosedBy) -> Vec<Response> {
        let (client, server) = duplex(PIPE_LENGTH);
        let serve = self.server.serve_connection(server, TransportSecurity::NoTls, pending());
        let both = async {
            let timeout = if ending == ClosedBy::Deadline {
                time::pause();
                DEADLINE_TIMEOUT
            } else {
                EXCHANGE_TIMEOUT
            };
            let both = async { tokio::join!(TestClient::new(client).take(steps, ending), serve) };
            let both = time::timeout(timeout, both).await;
            if ending == ClosedBy::Deadline {
                time::resume();
            }
            both.expect("the service must close in time").0
        };
        self.runtime.block_on(both)
    }

    /// Sends `at_once`, and then one byte of `bytes` per second on a paused clock. The service must
    /// close the connection without a response. Returns the time until the service closes.
    pub(crate) fn time_until_closed(&self, at_once: &[u8], bytes: &[u8]) -> Duration {
        let (client, server) = duplex(PIPE_LENGTH);
        let serve = self.server.serve_connection(server, TransportSecurity::NoTls, pending());
        let send_slowly = async {
            let TestClient { mut writing, mut reading, .. } = TestClient::new(client);
            writing.write_all(at_once).await.unwrap();
            for byte in bytes {
                // The error of a write to a closed connection is ignored. The end of `serve` shows
                // that the service has closed the connection.
                drop(writing.write_all(&[*byte]).await);
                time::sleep(Duration::from_secs(1)).await;
            }
            reading.read_u8().await.expect_err("no response");
        };
        let both = async {
            time::pause();
            let start = time::Instant::now();
            let elapsed = tokio::select! {
                () = serve => start.elapsed(),
                () = send_slowly => panic!("the service did not close before the last byte"),
            };
            time::resume();
            elapsed
        };
        self.runtime.block_on(both)
    }

    /// Sends `pieces` one by one, closes the sending half, and returns the responses. The service
    /// may read after each piece. The pipe contains up to `pipe_length` bytes in each direction.
    pub(crate) fn send_in_pieces(&self, pieces: &[&[u8]], pipe_length: usize) -> Vec<Response> {
        let (client, server) = duplex(pipe_length);
        let TestClient { mut reading, mut writing, mut received } = TestClient::new(client);
        let send = async {
            for piece in pieces {
                // The service may respond and close before it has read everything.
                if writing.write_all(piece).await.and(writing.flush().await).is_err() {
                    break;
                }
                task::yield_now().await;
            }
            drop(writing.shutdown().await);
        };
        let serve = self.server.serve_connection(server, TransportSecurity::NoTls, pending());
        let all = async { tokio::join!(send, reading.read_to_end(&mut received), serve) };
        let all = async { time::timeout(EXCHANGE_TIMEOUT, all).await };
        let ((), read, ()) = self.runtime.block_on(all).expect("the service must close in time");
        read.unwrap();
        let responses = std::iter::from_fn(|| Response::split_off(&mut received, false)).collect();
        assert!(received.is_empty(), "{:?}", String::from_utf8_lossy(&received));
        responses
    }
}

/// The client's end of a connection.
struct TestClient {
    reading: ReadHalf<DuplexStream>,
    writing: WriteHalf<DuplexStream>,
    received: Vec<u8>,
}

impl TestClient {
    fn new(stream: DuplexStream) -> Self {
        let (reading, writing) = split(stream);
        Self { reading, writing, received: Vec::new() }
    }

    async fn take(mut self, steps: &[Step], ending: ClosedBy) -> Vec<Response> {
        let last_sent = steps.iter().rposition(|step| !matches!(step, Step::Receive(_)));
        let mut responses = Vec::new();
        for (index, step) in steps.iter().enumerate() {
            match step {
                // The service may respond and close before it has read everything.
                Step::Send(bytes) => drop(self.writing.write_all(bytes).await),
                Step::SendAll(bytes) => self.writing.write_all(bytes).await.unwrap(),
                Step::Receive(expected) => {
                    responses.extend(self.receive(expected.is_bodiless()).await);
                }
            }
            if last_sent == Some(index) && ending == ClosedBy::Client {
                drop(self.writing.shutdown().await);
            }
        }
        while let Some(response) = self.receive(false).await {
            responses.push(response);
        }
        assert!(self.received.is_empty(), "{:?}", String::from_utf8_lossy(&self.received));
        responses
    }

    /// Returns the next response, or `None` at the end of the stream.
    async fn receive(&mut self, bodiless: bool) -> Option<Response> {
        loop {
            if let Some(response) = Response::split_off(&mut self.received, bodiless) {
                return Some(response);
            }
            if self.reading.read_buf(&mut self.received).await.unwrap() == 0 {
                return None;
            }
        }
    }
}

/// Returns a GenerateRandom request for 32 bytes with `document` in its Recipient.
pub(crate) fn generate_random(document: &[u8]) -> Vec<u8> {
    let document = STANDARD.encode(document);
    let body = format!(
        r#"{{"NumberOfBytes":32,"Recipient":{{"KeyEncryptionAlgorithm":"RSAES_OAEP_SHA_256","AttestationDocument":"{document}"}}}}"#
    );
    post("TrentService.GenerateRandom", body.as_bytes())
}

/// Returns a request in the format of the SDKs.
pub(crate) fn post(target: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.1\r\n\
         X-Amz-Target: {target}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}
