//! A simulated enclave inside the test's own process.

use std::error::Error;
use std::fmt;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use attestation::TrustAnchors;
use attestation::time::UnixMillis;
use enclave::Service;
use enclave::audit::Audit;
use enclave::clock::{Clock, SystemClock};
use enclave::config::{Config, Profile};
use enclave::http::PeerPolicy;
use enclave::platform::{Platform, Simulated};
use simulator::{ClockFn, SimulatedNsm, SimulatedPki};
use thiserror::Error;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use transport::{Acceptor, Endpoint, listen};

use crate::client::{Client, ClientError};
use crate::document::Document;
use crate::expectations::Expectations;
use crate::verified_connection::VerifierClock;

/// An error at the start of the simulator. For example, no port, thread or source of randomness is
/// available.
#[derive(Debug, Error)]
#[error("cannot start the simulator: {0}")]
pub struct SimulatorError(#[source] Box<dyn Error + Send + Sync>);

fn start_error(error: impl Into<Box<dyn Error + Send + Sync>>) -> SimulatorError {
    SimulatorError(error.into())
}

/// A simulated enclave that serves the KMS API on a free port of 127.0.0.1. It has its own root
/// certificate for attestation documents.
///
/// The simulator stops when it is dropped. The start, the drop and [`document`](Self::document) block
/// the thread. Asynchronous tests may still call them.
#[derive(Debug)]
pub struct Simulator {
    endpoint_url: String,
    address: SocketAddr,
    authority_pem: Option<String>,
    pki: Arc<SimulatedPki>,
    clock: VerifierClock,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Simulator {
    /// Starts a simulator with default settings.
    ///
    /// # Errors
    /// Returns an error if the simulator cannot start, for example because no port is available.
    pub fn start() -> Result<Self, SimulatorError> {
        Self::builder().start()
    }

    /// Starts a simulator whose clock is `now`. The simulator signs and verifies documents at the
    /// time of this clock.
    ///
    /// # Errors
    /// Returns an error if the simulator cannot start, for example because no port is available.
    pub fn start_at(
        now: impl Fn() -> UnixMillis + Send + Sync + 'static,
    ) -> Result<Self, SimulatorError> {
        Self::builder().now(now).start()
    }

    /// Returns a builder for a simulator with other settings.
    pub fn builder() -> SimulatorBuilder {
        SimulatorBuilder::default()
    }

    fn start_with(builder: SimulatorBuilder) -> Result<Self, SimulatorError> {
        let SimulatorBuilder { now, config, audit, proxy_protocol } = builder;
        let pki = Arc::new(SimulatedPki::new(Arc::clone(&now)).map_err(start_error)?);
        let client_now = Arc::clone(&now);
        let mut anchors = TrustAnchors::simulator_root(pki.root_certificate());
        let config = Config::load(config.as_deref()).map_err(start_error)?;
        config.add_anchors(&mut anchors).map_err(start_error)?;
        let faults = config.simulated_nsm().map_err(start_error)?;
        let image = config.simulated_image();
        let settings = config.settings(Profile::Development).map_err(start_error)?;
        let settings = settings.with_peer_policy(PeerPolicy { parent_cid: None, proxy_protocol });
        let audit = audit.map_or_else(Audit::disabled, Audit::to_writer);
        let mut nsm = SimulatedNsm::with_faults(faults, Arc::clone(&pki));
        if let Some(image) = image {
            nsm = nsm.with_image(&image);
        }
        let platform = Simulated::new(Arc::clone(&pki), move || now(), nsm.readiness());

        let (stop, stopped) = oneshot::channel::<()>();
        let (started, start) = mpsc::channel();
        // The runtime must be created on this new thread, because the caller may be inside another
        // runtime.
        let thread = thread::Builder::new().name("simulator".to_owned()).spawn(move || {
            let listening = Runtime::new().map_err(start_error).and_then(|runtime| {
                let service = Service::start(platform, nsm, anchors, settings, audit);
                let service = runtime.block_on(service).map_err(start_error)?;
                let acceptor = listen_on_loopback(&runtime)?;
                Ok((runtime, acceptor, service))
            });
            match listening {
                Ok((runtime, acceptor, service)) => {
                    let endpoint = acceptor.local_endpoint().clone();
                    let authority_pem = service.certificate_authority_pem().map(str::to_owned);
                    // The send fails if the caller no longer waits for the result.
                    drop(started.send(Ok((endpoint, service.has_tls(), authority_pem))));
                    runtime.block_on(serve(acceptor, service, stopped));
                }
                Err(error) => drop(started.send(Err(error))),
            }
        });
        let thread = thread.map_err(start_error)?;
        let (endpoint, has_tls, authority_pem) = start.recv().map_err(start_error)??;
        let address = socket_address(endpoint)?;
        let scheme = if has_tls { "https" } else { "http" };
        Ok(Self {
            endpoint_url: format!("{scheme}://{address}"),
            address,
            authority_pem,
            pki,
            clock: VerifierClock::given(move || client_now()),
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Returns the URL of the endpoint, for example for `AWS_ENDPOINT_URL_KMS`.
    pub fn endpoint_url(&self) -> &str {
        &self.endpoint_url
    }

    /// Returns the socket address of the endpoint.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the simulator's CA certificate in PEM. Returns `None` unless the
    /// [configuration](SimulatorBuilder::config_file) has `[tls] mode = "attested"`. The text has the
    /// form that `attested-recipient trust` writes.
    pub fn certificate_authority_pem(&self) -> Option<&str> {
        self.authority_pem.as_deref()
    }

    /// Creates a client of this simulator. The client verifies the simulator as it would verify an enclave, under the
    /// simulator's root, but does not compare measurements.
    ///
    /// # Errors
    /// If the URL of the simulator or its root is unusable, which does not happen.
    pub fn client(&self) -> Result<Client, ClientError> {
        self.client_at(&self.endpoint_url)
    }

    /// Creates a client like [`client`](Self::client), which sends its requests to `url`, for example the URL of a
    /// relay.
    ///
    /// # Errors
    /// If `url` is not a URL.
    pub fn client_at(&self, url: &str) -> Result<Client, ClientError> {
        Client::with_clock(url, self.expectations(), self.clock.clone())
    }

    /// Returns expectations that only this simulator meets: any measurements, under the simulator's root. Clients that
    /// expect an enclave reject the simulator.
    pub fn expectations(&self) -> Expectations {
        let expectations = Expectations::simulator();
        // Without the root, the client fetches it from the simulator.
        let with_root = expectations.with_root_pem(self.root_certificate_pem().as_bytes());
        with_root.unwrap_or_else(|_| Expectations::simulator())
    }

    /// Returns the root certificate of the simulator's documents, in PEM.
    pub fn root_certificate_pem(&self) -> String {
        self.pki.root_certificate_pem()
    }

    /// Returns an attestation document that is signed under this simulator's root.
    ///
    /// # Errors
    /// Returns an error if the request fails, for example because a field is too long.
    pub fn document(&self, document: &Document) -> Result<Vec<u8>, ClientError> {
        self.client()?.document(document)
    }
}

/// Serves until `stopped` receives a message or the sender of `stopped` is dropped. Connections are
/// not drained, because the test has ended.
async fn serve<P: Platform>(
    acceptor: Acceptor,
    service: Service<P>,
    stopped: oneshot::Receiver<()>,
) {
    let stopped = async { drop(stopped.await) };
    enclave::http::serve(acceptor, None, service, stopped, Duration::ZERO).await;
}

/// Opens a listener on a free port of 127.0.0.1.
fn listen_on_loopback(runtime: &Runtime) -> Result<Acceptor, SimulatorError> {
    let loopback = Endpoint::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).to_string());
    runtime.block_on(listen(&loopback)).map(Acceptor::new).map_err(start_error)
}

fn socket_address(endpoint: Endpoint) -> Result<SocketAddr, SimulatorError> {
    match endpoint {
        Endpoint::Tcp(address) => address.parse().map_err(start_error),
        other => Err(start_error(format!("unexpected listener endpoint {other}"))),
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // The thread has already reported its panic.
            drop(thread.join());
        }
    }
}

/// The settings of a [`Simulator`].
pub struct SimulatorBuilder {
    now: ClockFn,
    config: Option<PathBuf>,
    audit: Option<Box<dyn Write + Send>>,
    proxy_protocol: bool,
}

impl Default for SimulatorBuilder {
    fn default() -> Self {
        Self {
            now: Arc::new(|| SystemClock.now()),
            config: None,
            audit: None,
            proxy_protocol: false,
        }
    }
}

impl fmt::Debug for SimulatorBuilder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SimulatorBuilder").field("config", &self.config).finish()
    }
}

impl SimulatorBuilder {
    /// Uses `now` as the clock. The simulator signs and verifies documents at the time of this
    /// clock.
    #[must_use]
    pub fn now(self, now: impl Fn() -> UnixMillis + Send + Sync + 'static) -> Self {
        Self { now: Arc::new(now), ..self }
    }

    /// Sets the configuration file, in the format of `enclave-simulator --config`. The file contains
    /// credentials, policies and requirements of Recipients. The simulator reads it at its start.
    #[must_use]
    pub fn config_file(self, path: impl Into<PathBuf>) -> Self {
        Self { config: Some(path.into()), ..self }
    }

    /// Writes the audit trail to `writer`, one JSON record per line. By default there is no audit trail.
    #[must_use]
    pub fn audit(self, writer: impl Write + Send + 'static) -> Self {
        Self { audit: Some(Box::new(writer)), ..self }
    }

    /// Requires a PROXY protocol v2 header at the start of each connection, as `enclave-simulator
    /// --proxy-protocol` does. All clients must then connect through a relay that sends this
    /// header.
    #[must_use]
    pub fn proxy_protocol(self) -> Self {
        Self { proxy_protocol: true, ..self }
    }

    /// Starts the simulator.
    ///
    /// # Errors
    /// Returns an error if the configuration is invalid. Also returns an error if the simulator cannot
    /// start, for example because no port is available.
    pub fn start(self) -> Result<Simulator, SimulatorError> {
        Simulator::start_with(self)
    }
}
