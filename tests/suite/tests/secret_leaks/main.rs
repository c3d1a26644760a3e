//! Test that secrets do not occur in the log at its most verbose level, in the audit trail, or in
//! responses. The test has its own process, because the log is global. A subscriber that is
//! installed while other tests log can miss lines.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic fails the test"
)]

#[path = "../access/audit_buffer.rs"]
mod audit_buffer;
#[path = "../access/credentials.rs"]
mod credentials;
mod secret_search;
mod tls_sessions;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use attested_recipient::{Credentials, Document, RecipientKey};
use enclave::Service;
use enclave::audit::Audit;
use enclave::clock::{Clock, SystemClock};
use enclave::config::{Config, Profile};
use enclave::http::{self, serve};
use enclave::platform::{Platform, RouteError, Simulated};

use attestation::crypto::{HmacSha256, fill_random};
use attestation::{self, TrustAnchors};
use nsm_device::{ErrorCode, Nsm, NsmError, Request, Response};
use simulator::{SimulatedNsm, SimulatedPki};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tracing_subscriber::fmt::MakeWriter;
use transport::{Acceptor, Endpoint, listen};
use ureq::Agent;
use ureq::http::request::Parts;

use self::audit_buffer::AuditBuffer;
use self::credentials::{ACCESS_KEY_ID, ALLOW, SECRET, sigv4};

const TOKEN: &str = "IQoJb3JpZ2luX2VjEPT//////////wEaCXVzLWVhc3QtMSJGMEQCIAcanary";

/// Returns the bytes with which each block of the NSM starts. Only the last bytes of a block
/// differ.
fn canary() -> Vec<u8> {
    (0..240_u8).map(|byte| byte.wrapping_mul(167) ^ 0x5a).collect()
}

/// Length of the unique end of each block, in bytes. A repeated block would be rejected.
const UNIQUE_LENGTH: usize = 16;

/// Number of entropy draws after which the NSM returns blocks that fail the health tests.
const HEALTHY_DRAWS: usize = 60;

/// An NSM whose blocks contain the canary. After the start of the service, every fourth draw fails,
/// each time in another way.
struct CanaryNsm {
    nsm: SimulatedNsm,
    in_service: Arc<AtomicBool>,
    draws: usize,
}

impl Nsm for CanaryNsm {
    fn process(&mut self, request: Request) -> Result<Response, NsmError> {
        if !matches!(request, Request::GetRandom) {
            return self.nsm.process(request);
        }
        let mut random = canary();
        let mut own = [0; UNIQUE_LENGTH];
        fill_random(&mut own).unwrap();
        random.extend(own);
        self.draws += usize::from(self.in_service.load(Ordering::SeqCst));
        match self.draws {
            HEALTHY_DRAWS.. => Ok(Response::GetRandom { random: random[..255].to_vec() }),
            draw if draw % 4 != 3 => Ok(Response::GetRandom { random }),
            draw if draw % 3 == 0 => Ok(Response::Error(ErrorCode::InternalError)),
            draw if draw % 3 == 1 => Err(NsmError::Malformed),
            _ => Ok(Response::Attestation { document: random }),
        }
    }
}

/// A simulated platform with the canary NSM.
struct CanaryPlatform {
    simulated: Simulated<SystemClock>,
    in_service: Arc<AtomicBool>,
}

impl Platform for CanaryPlatform {
    type Trust = attestation::Simulated;
    type Nsm = CanaryNsm;
    type Clock = SystemClock;

    fn clock(&self) -> SystemClock {
        SystemClock
    }

    fn on_ready(&self) {
        self.in_service.store(true, Ordering::SeqCst);
    }

    fn handle(&self, head: &Parts, body: &[u8]) -> Option<Result<http::Response, RouteError>> {
        self.simulated.handle(head, body)
    }
}

impl<'a> MakeWriter<'a> for AuditBuffer {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Returns the keys derived from `secret` for today and tomorrow.
fn derived_keys(secret: &str) -> Vec<Vec<u8>> {
    let hmac = |key: &[u8], text: &str| {
        let mut hmac = HmacSha256::new(key);
        hmac.update(text.as_bytes());
        hmac.finish().to_vec()
    };
    let mut keys = Vec::new();
    for later in [0, 86_400] {
        let now = SystemClock.now().plus_secs(later).basic_iso8601().to_string();
        let (date, _) = now.split_once('T').unwrap();
        let mut key = ["AWS4", secret].concat().into_bytes();
        for part in [date, "eu-west-1", "kms", "aws4_request"] {
            key = hmac(&key, part);
            keys.push(key.clone());
        }
    }
    keys
}

/// All output of the service during the requests.
struct ServiceOutput {
    log: String,
    audit: String,
    debug: String,
    public: String,
    rejections: Vec<String>,
    /// Secrets of TLS.
    secrets: Vec<Vec<u8>>,
}

fn config(folder: &std::path::Path) -> Config {
    let temporary = |id: &str, year: u32| {
        format!(
            "[[credential]]\naccess_key_id = \"{id}\"\nsecret_access_key = \"{SECRET}\"\n\
             principal = \"arn:aws:iam::123456789012:user/alice\"\npolicies = [\"wallet.json\"]\n\
             session_token = \"{TOKEN}\"\nexpires = {year}-01-01T00:00:00Z\n"
        )
    };
    let temporary = [temporary("AKIDEXPIRED", 2020), temporary("AKIDTEMPORARY", 2999)].concat();
    let path = folder.join("enclave.toml");
    fs::write(folder.join("wallet.json"), ALLOW).unwrap();
    // Without prefetching, each draw belongs to a request.
    let entropy = "[entropy]\nprefetch = 0\n".to_owned();
    fs::write(&path, [entropy, sigv4(), temporary].concat()).unwrap();
    Config::load(Some(&path)).unwrap()
}

fn send_every_request(url: &str) -> Vec<String> {
    let key = RecipientKey::from_pem(include_str!("../../keys/rsa-2048.pem")).unwrap();
    let client = |id: &str, secret: &str, region: &str| {
        suite::client(url).with_credentials(Credentials::new(id, secret, region))
    };
    let good = client(ACCESS_KEY_ID, SECRET, "eu-west-1");
    let temporary = |id: &str, token: &str| {
        let credentials = Credentials::new(id, SECRET, "eu-west-1");
        suite::client(url).with_credentials(credentials.with_session_token(token))
    };
    let document = good.document(&Document::for_key(&key)).unwrap();
    let stale = good.document(&Document { age_seconds: 900, ..Document::for_key(&key) }).unwrap();
    let clients = [
        client(ACCESS_KEY_ID, "wrong secret", "eu-west-1"),
        client("AKIDUNKNOWN", SECRET, "eu-west-1"),
        client(ACCESS_KEY_ID, SECRET, "us-east-1"),
        // The next requests contain the secret in the wrong place, as the access key id and as the
        // token.
        client(SECRET, SECRET, "eu-west-1"),
        temporary("AKIDTEMPORARY", SECRET),
        temporary("AKIDEXPIRED", TOKEN),
        suite::client(url),
    ];
    let mut rejections = Vec::new();
    let mut opened = 0;
    for _ in 0..12 {
        match good.generate_random(256) {
            Ok(random) => assert_eq!(secret_search::find(&canary(), &random), None),
            Err(error) => rejections.push(format!("{error} {error:?}")),
        }
        match good.generate_random_for(200, &document) {
            Ok(sealed) => {
                assert_eq!(secret_search::find(&canary(), &key.open(&sealed).unwrap()), None);
                opened += 1;
            }
            Err(error) => rejections.push(format!("{error} {error:?}")),
        }
    }
    // Both canary draws and faults occurred.
    assert!(opened > 0 && !rejections.is_empty(), "{opened}, {rejections:?}");
    // The NSM never fails twice in a row, so one of two requests must succeed.
    let temporary_holds =
        (0..2).any(|_| temporary("AKIDTEMPORARY", TOKEN).generate_random(1).is_ok());
    assert!(temporary_holds);
    for client in clients {
        let error = client.generate_random(32).unwrap_err();
        rejections.push(format!("{error} {error:?}"));
    }
    let error = good.generate_random_for(32, &stale).unwrap_err();
    rejections.push(format!("{error} {error:?}"));
    // After these requests, the service considers the NSM unhealthy until a restart.
    for _ in 0..HEALTHY_DRAWS {
        rejections.extend(good.generate_random(1).err().map(|error| format!("{error} {error:?}")));
    }
    rejections
}

/// Returns the response bodies of `/readyz` and `/metrics`, which need no authentication.
fn public_endpoints(url: &str) -> String {
    let agent: Agent = Agent::config_builder().http_status_as_error(false).build().into();
    let get = |path: &str| {
        let mut response = agent.get(format!("{url}{path}")).call().unwrap();
        response.body_mut().read_to_string().unwrap()
    };
    let readiness = get("/readyz");
    assert!(readiness.contains("255 random bytes instead of 256"), "{readiness}");
    let metrics = get("/metrics");
    for line in ["attested_random_nsm_faults_total{cause=\"length\"} 1", "attested_random_ready 0"]
    {
        assert!(metrics.lines().any(|public| public == line), "{metrics}");
    }
    [readiness, metrics].concat()
}

fn run_service() -> ServiceOutput {
    let log = AuditBuffer::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(log.clone())
        .finish();
    // The NSM and the audit trail have their own threads.
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let mut debug = format!("{config:?}");
    let pki = Arc::new(SimulatedPki::new(Arc::new(|| SystemClock.now())).unwrap());
    let anchors = TrustAnchors::simulator_root(pki.root_certificate());
    let settings = config.settings(Profile::Development).unwrap();
    debug += &format!("{settings:?}");
    let audit = AuditBuffer::default();
    let nsm = SimulatedNsm::new(Arc::clone(&pki));
    let simulated = Simulated::new(pki, SystemClock, nsm.readiness());
    let in_service = Arc::new(AtomicBool::new(false));
    let platform = CanaryPlatform { simulated, in_service: Arc::clone(&in_service) };
    let runtime = Runtime::new().unwrap();
    let nsm = CanaryNsm { nsm, in_service, draws: 0 };
    let service = Service::start(platform, nsm, anchors, settings, Audit::to_writer(audit.clone()));
    let service = runtime.block_on(service).unwrap();
    let loopback = Endpoint::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).to_string());
    let acceptor = Acceptor::new(runtime.block_on(listen(&loopback)).unwrap());
    let Endpoint::Tcp(address) = acceptor.local_endpoint().clone() else { panic!("not TCP") };
    let (stop, stopped) = oneshot::channel::<()>();
    let drain_timeout = std::time::Duration::from_secs(5);
    let serving =
        runtime.spawn(serve(acceptor, None, service, async { drop(stopped.await) }, drain_timeout));
    let url = format!("http://{address}");
    let (rejections, public) = (send_every_request(&url), public_endpoints(&url));
    drop(stop);
    runtime.block_on(serving).unwrap();
    let tls_sessions::SessionSecrets { secrets, debug: of_tls } = tls_sessions::run_handshakes();
    debug += &of_tls;
    ServiceOutput { log: log.text(), audit: audit.text(), debug, public, rejections, secrets }
}

#[test]
fn f29_no_output_contains_a_secret_in_any_encoding() {
    let output = run_service();
    // The output is not empty.
    assert!(
        output.log.contains("request rejected") && output.log.contains("request failed"),
        "{}",
        output.log
    );
    assert!(output.audit.lines().count() > 30, "{}", output.audit);
    let mut secrets = vec![canary(), SECRET.as_bytes().to_vec(), TOKEN.as_bytes().to_vec()];
    secrets.extend(derived_keys(SECRET));
    secrets.extend(output.secrets);
    assert!(output.log.contains("TLS handshake failed"), "{}", output.log);
    let rejections = output.rejections.join("\n");
    let outputs = [
        ("log", &output.log),
        ("audit", &output.audit),
        ("debug", &output.debug),
        ("metrics and readiness", &output.public),
        ("refusals", &rejections),
    ];
    for (place, text) in outputs {
        for secret in &secrets {
            assert_eq!(
                secret_search::find(secret, text.as_bytes()),
                None,
                "in the {place}: {text}"
            );
        }
        // A recorded signature could be replayed for five minutes.
        assert!(!text.contains("Signature="), "in the {place}: {text}");
    }
}
