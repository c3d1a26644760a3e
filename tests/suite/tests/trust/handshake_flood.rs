//! Tests of `trust` during a flood of requests for documents. The tests run the binaries, with and
//! without a relay.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use enclave::tls::tls_provider;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::net::TcpSocket;
use tokio::runtime::Runtime;
use tokio_rustls::TlsConnector;

use crate::binaries::{Process, binary, wait_until};
use crate::trust_command::{Outcome, trust};

/// Connections that send requests continuously.
const FLOOD_CONNECTIONS: u8 = 8;

/// Maximum duration of one run of `trust` during the flood.
const MAX_TRUST_DURATION: Duration = Duration::from_secs(3);

const CONFIG: &str = "[tls]\nmode = \"attested\"\nnames = [\"127.0.0.1\"]\n";

/// A simulated enclave with attested TLS, and the address at which clients reach it.
struct Enclave {
    _enclave: Process,
    _relay: Option<Process>,
    endpoint: SocketAddr,
    _folder: TempDir,
}

impl Enclave {
    fn direct() -> Self {
        let (enclave, folder) = Self::start(&[]);
        let endpoint = enclave.endpoint(0).parse().unwrap();
        Self { _enclave: enclave, _relay: None, endpoint, _folder: folder }
    }

    /// Starts an enclave behind a relay with PROXY protocol.
    fn relayed() -> Self {
        let (enclave, folder) = Self::start(&["--proxy-protocol"]);
        let mut relay = Command::new(binary("parent-proxy"));
        relay.args(["--listen", "127.0.0.1:0", "--proxy-protocol", "--health-interval", "0"]);
        relay.args(["--upstream", enclave.endpoint(0)]);
        let relay = Process::start(relay, 1);
        let endpoint = relay.endpoint(0).parse().unwrap();
        Self { _enclave: enclave, _relay: Some(relay), endpoint, _folder: folder }
    }

    fn start(more: &[&str]) -> (Process, TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("enclave.toml");
        fs::write(&config, CONFIG).unwrap();
        let mut enclave = Command::new(binary("enclave-simulator"));
        enclave.args(["--listen", "127.0.0.1:0", "--config"]).arg(config).args(more);
        (Process::start(enclave, 1), folder)
    }

    fn trust(&self) -> Outcome {
        trust(&[&format!("https://{}", self.endpoint), "--simulator"])
    }
}

/// Clients that request documents until this value is dropped.
struct Flood {
    answered: Arc<AtomicUsize>,
    _runtime: Runtime,
}

impl Flood {
    /// Opens one connection from each address in `sources`. The clients trust `authority`.
    fn start(enclave: &Enclave, authority: &str, sources: impl Iterator<Item = Ipv4Addr>) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
        let tls = ClientConfig::builder_with_provider(tls_provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let (tls, answered) = (Arc::new(tls), Arc::new(AtomicUsize::new(0)));
        let runtime = Runtime::new().unwrap();
        for source in sources {
            let (tls, answered) = (Arc::clone(&tls), Arc::clone(&answered));
            runtime.spawn(request_documents(enclave.endpoint, source, tls, answered));
        }
        let attack = Self { answered, _runtime: runtime };
        // The flood uses up the burst before `trust` starts.
        wait_until("the flood has started", || (attack.answered() > 30).then_some(()));
        attack
    }

    fn answered(&self) -> usize {
        self.answered.load(Ordering::Relaxed)
    }
}

async fn request_documents(
    target: SocketAddr,
    source: Ipv4Addr,
    tls: Arc<ClientConfig>,
    answered: Arc<AtomicUsize>,
) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((source, 0).into()).unwrap();
    let stream = socket.connect(target).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let stream = TlsConnector::from(tls).connect(name, stream).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    loop {
        let uri = format!("/attestation?nonce={}", "ab".repeat(32));
        let request = Request::get(uri).header("host", "127.0.0.1").body(Empty::<Bytes>::new());
        // The connection ends with the enclave.
        let Ok(response) = sender.send_request(request.unwrap()).await else { return };
        answered.fetch_add(1, Ordering::Relaxed);
        let Ok(_) = response.into_body().collect().await else { return };
        if sender.ready().await.is_err() {
            return;
        }
    }
}

/// Asserts that `trust` succeeds `times` times during a flood from `sources`.
fn assert_trust_succeeds_during_flood(
    times: usize,
    enclave: &Enclave,
    sources: impl Iterator<Item = Ipv4Addr>,
) {
    let authority = enclave.trust().bundle.unwrap();
    let attack = Flood::start(enclave, &authority, sources);
    let mut elapsed = Vec::new();
    for _ in 0..times {
        let before = attack.answered();
        let start = Instant::now();
        let outcome = enclave.trust();
        elapsed.push(start.elapsed());
        assert_eq!(outcome.status, 0, "{elapsed:?}: {outcome:?}");
        // The flood continues during `trust`.
        wait_until("the flood continues", || (attack.answered() > before).then_some(()));
    }
    let longest = elapsed.iter().max().unwrap();
    assert!(*longest < MAX_TRUST_DURATION, "{elapsed:?}");
    // Printed with --nocapture.
    eprintln!("{times} of {times} succeeded, {longest:?} at most: {elapsed:?}");
}

/// Returns a different address for each connection.
fn addresses() -> impl Iterator<Item = Ipv4Addr> {
    (0..FLOOD_CONNECTIONS).map(|number| Ipv4Addr::new(127, 0, 0, 2 + number))
}

/// Returns the address of the client `trust` for every connection.
fn one_address() -> impl Iterator<Item = Ipv4Addr> {
    (0..FLOOD_CONNECTIONS).map(|_| Ipv4Addr::LOCALHOST)
}

#[test]
fn relayed_trust_succeeds_during_flood_from_its_address() {
    assert_trust_succeeds_during_flood(20, &Enclave::relayed(), one_address());
}

#[test]
fn relayed_trust_succeeds_during_flood_from_other_addresses() {
    assert_trust_succeeds_during_flood(20, &Enclave::relayed(), addresses());
}

#[test]
fn direct_trust_succeeds_during_flood_from_its_address() {
    assert_trust_succeeds_during_flood(5, &Enclave::direct(), one_address());
}

#[test]
fn direct_trust_succeeds_during_flood_from_other_addresses() {
    assert_trust_succeeds_during_flood(5, &Enclave::direct(), addresses());
}
