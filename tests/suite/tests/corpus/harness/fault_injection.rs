//! A service in which a case injects faults of the NSM or of the system clock.

use std::future::{Future, pending};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use attestation::time::UnixMillis;
use attestation::{self, TrustAnchors};
use enclave::audit::Audit;
use enclave::clock::Clock;
use enclave::http::Server;
use enclave::platform::Platform;
use enclave::request::TransportSecurity;
use enclave::{Service, StartError};
use nsm_device::{Nsm, NsmError, Request as NsmRequest, Response as NsmResponse};
use simulator::{SimulatedNsm, SimulatedPki};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::runtime::Runtime;

use crate::harness::audit_capture::AuditBuffer;
use crate::harness::configuration::Configuration;
use crate::harness::requests::{attested, plain};
use crate::harness::response::{Expected, Response};
use crate::harness::service::{NOW, PIPE_LENGTH, anchors};

/// A function that can replace the NSM's response to an entropy draw. The argument is the number of
/// draws that the service made since it became ready.
pub(crate) type Script = Box<dyn FnMut(u64) -> Option<Result<NsmResponse, NsmError>> + Send>;

/// A working NSM. A script can replace its responses to entropy draws.
pub(crate) struct ScriptedNsm {
    nsm: SimulatedNsm,
    script: Script,
    in_service: Arc<AtomicBool>,
    draws: u64,
}

impl Nsm for ScriptedNsm {
    fn process(&mut self, request: NsmRequest) -> Result<NsmResponse, NsmError> {
        if matches!(request, NsmRequest::GetRandom) && self.in_service.load(Ordering::SeqCst) {
            let draw = self.draws;
            self.draws += 1;
            if let Some(response) = (self.script)(draw) {
                return response;
            }
        }
        self.nsm.process(request)
    }
}

/// A system clock that a case sets. The monotonic time is constant.
#[derive(Clone, Debug)]
pub(crate) struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    pub(crate) fn set(&self, now: UnixMillis) {
        self.0.store(now.as_millis(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UnixMillis {
        UnixMillis::new(self.0.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(5)
    }
}

pub(crate) struct FaultyPlatform {
    clock: ManualClock,
    in_service: Arc<AtomicBool>,
}

impl Platform for FaultyPlatform {
    type Trust = attestation::Simulated;
    type Nsm = ScriptedNsm;
    type Clock = ManualClock;

    fn clock(&self) -> ManualClock {
        self.clock.clone()
    }

    fn on_ready(&self) {
        self.in_service.store(true, Ordering::SeqCst);
    }
}

/// The service, its clock and its runtime.
pub(crate) struct FaultyService {
    pub(crate) server: Arc<Server<Service<FaultyPlatform>>>,
    pub(crate) clock: ManualClock,
    runtime: Runtime,
}

impl FaultyService {
    /// Starts a service without prefetching, so that each entropy draw belongs to a request.
    pub(crate) fn start(script: Script) -> Self {
        Self::with_entropy_settings("", false, script).unwrap()
    }

    /// Starts a service with a working NSM that writes audit records.
    pub(crate) fn with_audit(records: AuditBuffer) -> Self {
        Self::build("", false, Box::new(|_| None), Audit::to_writer(records)).unwrap()
    }

    /// Starts a service with additional lines in the table `[entropy]`. If `from_boot` is true, the
    /// script also applies to the draws of the start.
    pub(crate) fn with_entropy_settings(
        entropy: &str,
        from_boot: bool,
        script: Script,
    ) -> Result<Self, StartError> {
        Self::build(entropy, from_boot, script, Audit::disabled())
    }

    fn build(
        entropy: &str,
        from_boot: bool,
        script: Script,
        audit: Audit,
    ) -> Result<Self, StartError> {
        let settings =
            Configuration::new(String::new()).with_development_profile().with_entropy(entropy);
        let settings = settings.settings().unwrap();
        let pki = Arc::new(SimulatedPki::new(Arc::new(|| NOW)).unwrap());
        let in_service = Arc::new(AtomicBool::new(from_boot));
        let nsm = SimulatedNsm::new(pki);
        let nsm = ScriptedNsm { nsm, script, in_service: Arc::clone(&in_service), draws: 0 };
        let clock = ManualClock(Arc::new(AtomicU64::new(NOW.as_millis())));
        let platform = FaultyPlatform { clock: clock.clone(), in_service };
        let anchors: TrustAnchors<attestation::Simulated> = anchors();
        let runtime = Runtime::new().unwrap();
        let start = Service::start(platform, nsm, anchors, settings, audit);
        let server = Arc::new(Server::new(runtime.block_on(start)?));
        Ok(Self { server, clock, runtime })
    }

    pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// Sends a request on a new connection and returns the response.
    pub(crate) fn send_request(&self, request: Vec<u8>) -> Response {
        self.block_on(send_request(&self.server, request))
    }

    /// Requests random bytes. The request has a Recipient if `sealed` is true.
    pub(crate) fn generate(&self, sealed: bool) -> Response {
        self.send_request(if sealed { attested() } else { plain() })
    }

    /// Asserts the responses to two requests: one without a Recipient and one with a Recipient.
    pub(crate) fn assert_response(&self, plain: &Expected, sealed: &Expected, context: &str) {
        self.generate(false).assert_is(plain, context);
        self.generate(true).assert_is(sealed, context);
    }

    /// Returns the result of `/readyz`.
    pub(crate) fn readiness(&self) -> Readiness {
        let response = self.send_request(get("/readyz"));
        let (first, rest) = response.body().split_once('\n').unwrap();
        assert!(rest.starts_with("tls: off: "), "{rest}");
        match response.status() {
            200 => {
                assert_eq!(first, "ready");
                Readiness::Ready
            }
            status => {
                assert_eq!(status, 503);
                Readiness::not(first.strip_prefix("not ready: ").unwrap())
            }
        }
    }

    /// Returns the value of a metric.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let response = self.send_request(get("/metrics"));
        let value = response.body().lines().find_map(|line| {
            line.strip_prefix("attested_random_")?.strip_prefix(name)?.strip_prefix(' ')
        });
        value.unwrap_or_else(|| panic!("{name} in {}", response.body())).parse().unwrap()
    }

    /// Returns the bodies of `/metrics` and `/readyz`.
    pub(crate) fn metrics_and_readiness(&self) -> String {
        [get("/metrics"), get("/readyz")]
            .map(|request| self.send_request(request).body().to_owned())
            .concat()
    }
}

/// The result of `/readyz`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    Ready,
    NotReady(String),
}

impl Readiness {
    pub(crate) fn not(reason: &str) -> Self {
        Self::NotReady(reason.to_owned())
    }
}

fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes()
}

/// Sends a request on a new connection and returns the only response.
pub(crate) async fn send_request(
    server: &Server<Service<FaultyPlatform>>,
    request: Vec<u8>,
) -> Response {
    let (mut client, stream) = duplex(PIPE_LENGTH);
    let connection = async {
        client.write_all(&request).await.unwrap();
        client.shutdown().await.unwrap();
        let mut received = Vec::new();
        client.read_to_end(&mut received).await.unwrap();
        received
    };
    let (mut received, ()) = tokio::join!(
        connection,
        server.serve_connection(stream, TransportSecurity::NoTls, pending())
    );
    let response = Response::split_off(&mut received, false).unwrap();
    assert!(received.is_empty());
    response
}

/// A latch that blocks a call until the test releases it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Latch(Arc<(Mutex<bool>, std::sync::Condvar)>);

impl Latch {
    pub(crate) fn wait(&self) {
        let (released, changed) = &*self.0;
        let released = released.lock().unwrap();
        drop(changed.wait_while(released, |released| !*released).unwrap());
    }

    pub(crate) fn release(&self) {
        let (released, changed) = &*self.0;
        *released.lock().unwrap() = true;
        changed.notify_all();
    }
}
