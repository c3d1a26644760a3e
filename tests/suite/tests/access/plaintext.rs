//! Tests of the setting `[recipient] plaintext` with whole services: each value in each TLS mode,
//! and the defaults of the enclave and of the simulator.

use std::fs;
use std::future::pending;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use attestation::TrustAnchors;
use attested_recipient::{Client, ClientError, Document, RecipientKey};
use enclave::Service;
use enclave::audit::Audit;
use enclave::clock::{Clock, SystemClock};
use enclave::config::Profile::{self, Development, Production};
use enclave::config::{Config, ConfigError};
use enclave::platform::Simulated;
use simulator::{SimulatedNsm, SimulatedPki};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use transport::{Acceptor, Endpoint, listen};

use super::credentials::{ALLOW, sigv4};
use super::service::{credentials, denied};

const CERTIFICATE: &str = include_str!("../../keys/tls/p256.crt.pem");
const PRIVATE_KEY: &str = include_str!("../../keys/tls/p256.pkcs8.pem");

const OUTSIDE_ATTESTED_TLS: &str = "because the response to a request without a Recipient is plaintext, which the parent \
     instance can read unless the connection uses attested TLS; send a Recipient";
const NO_RECIPIENT: &str = "because this service requires a Recipient";

#[derive(Clone, Copy, Debug)]
enum TlsMode {
    Off,
    Attested,
    Provided,
}

impl TlsMode {
    const ALL: [Self; 3] = [Self::Off, Self::Attested, Self::Provided];

    fn table(self) -> &'static str {
        match self {
            Self::Off => "[tls]\nmode = \"off\"\n",
            Self::Attested => "[tls]\nmode = \"attested\"\nnames = [\"127.0.0.1\"]\n",
            Self::Provided => {
                "[tls]\nmode = \"provided\"\ncertificate = \"tls.crt\"\nprivate_key = \"tls.key\"\n"
            }
        }
    }
}

/// A service on its own port, in one TLS mode. The service stops when this value is dropped.
struct TlsModeService {
    client: Client,
    _runtime: Runtime,
    _folder: TempDir,
}

impl TlsModeService {
    fn start(profile: Profile, mode: TlsMode, recipient: &str) -> Result<Self, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("wallet.json", ALLOW);
        write("salt", &"7".repeat(32));
        write("tls.crt", CERTIFICATE);
        write("tls.key", PRIVATE_KEY);
        let tls = mode.table();
        write("enclave.toml", &format!("{}[recipient]\n{recipient}\n{tls}", sigv4()));
        let config = Config::load(Some(&folder.path().join("enclave.toml")))?;
        let settings = config.settings(profile)?;

        let pki = Arc::new(SimulatedPki::new(Arc::new(|| SystemClock.now())).unwrap());
        let anchors = TrustAnchors::simulator_root(pki.root_certificate());
        let nsm = SimulatedNsm::new(Arc::clone(&pki));
        let platform = Simulated::new(pki, || SystemClock.now(), nsm.readiness());
        let runtime = Runtime::new().unwrap();
        let start = Service::start(platform, nsm, anchors, settings, Audit::disabled());
        let service = runtime.block_on(start).unwrap();
        let port = Endpoint::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).to_string());
        let acceptor = Acceptor::new(runtime.block_on(listen(&port)).unwrap());
        let Endpoint::Tcp(address) = acceptor.local_endpoint().clone() else { panic!("not TCP") };
        let authority = match mode {
            TlsMode::Off => None,
            TlsMode::Attested => Some(service.certificate_authority_pem().unwrap().to_owned()),
            TlsMode::Provided => Some(CERTIFICATE.to_owned()),
        };
        runtime.spawn(enclave::http::serve(acceptor, None, service, pending(), Duration::ZERO));
        let client = match authority {
            None => suite::client(&format!("http://{address}")),
            Some(pem) => suite::client(&format!("https://{address}"))
                .with_ca_certificates(pem.as_bytes())
                .unwrap(),
        };
        Ok(Self {
            client: client.with_credentials(credentials()),
            _runtime: runtime,
            _folder: folder,
        })
    }

    fn generate_plain(&self) -> Result<Vec<u8>, ClientError> {
        self.client.generate_random(32).map(|bytes| bytes.to_vec())
    }

    /// Asserts that a request with a Recipient succeeds. `[recipient] plaintext` does not affect
    /// such requests.
    fn assert_returns_ciphertext(&self) {
        let key = RecipientKey::from_pem(include_str!("../../keys/rsa-2048.pem")).unwrap();
        let document = self.client.document(&Document::for_key(&key)).unwrap();
        let sealed = self.client.generate_random_for(32, &document).unwrap();
        assert_eq!(key.open(&sealed).unwrap().len(), 32);
    }
}

/// Asserts that a request without a Recipient succeeds if `denial` is `None`. Otherwise asserts
/// that the request is denied. The error message must end with `denial`.
fn assert_plaintext_request(
    profile: Profile,
    mode: TlsMode,
    recipient: &str,
    denial: Option<&str>,
) {
    let context = format!("{profile:?} {mode:?} {recipient}");
    let service = TlsModeService::start(profile, mode, recipient)
        .unwrap_or_else(|error| panic!("{context}: {error}"));
    match (service.generate_plain(), denial) {
        (Ok(random), None) => assert_eq!(random.len(), 32, "{context}"),
        (response @ Err(_), Some(denial)) => assert_eq!(denied(response), denial, "{context}"),
        (response, _) => panic!("{context}: {response:?}"),
    }
    service.assert_returns_ciphertext();
}

#[test]
fn never_denies_every_request_without_recipient() {
    for profile in [Production, Development] {
        for mode in TlsMode::ALL {
            assert_plaintext_request(profile, mode, "plaintext = \"never\"", Some(NO_RECIPIENT));
        }
    }
}

#[test]
fn attested_tls_allows_plaintext_only_over_attested_tls() {
    let value = "plaintext = \"attested-tls\"";
    for profile in [Production, Development] {
        assert_plaintext_request(profile, TlsMode::Off, value, Some(OUTSIDE_ATTESTED_TLS));
        assert_plaintext_request(profile, TlsMode::Attested, value, None);
        let rejected =
            TlsModeService::start(profile, TlsMode::Provided, value).err().unwrap().to_string();
        assert!(rejected.contains("whose key no document attests"), "{rejected}");
    }
}

#[test]
fn always_allows_plaintext_over_every_connection() {
    for profile in [Production, Development] {
        for mode in TlsMode::ALL {
            assert_plaintext_request(profile, mode, "plaintext = \"always\"", None);
        }
    }
}

#[test]
fn production_default_requires_attested_tls_for_plaintext() {
    assert_plaintext_request(Production, TlsMode::Off, "", Some(OUTSIDE_ATTESTED_TLS));
    assert_plaintext_request(Production, TlsMode::Attested, "", None);
    assert_plaintext_request(Production, TlsMode::Provided, "", Some(NO_RECIPIENT));
}

#[test]
fn simulator_default_allows_plaintext_everywhere() {
    for mode in TlsMode::ALL {
        assert_plaintext_request(Development, mode, "", None);
    }
}

#[test]
fn require_overrides_plaintext_setting() {
    for value in ["never", "attested-tls", "always"] {
        let recipient = format!("require = true\nplaintext = \"{value}\"");
        assert_plaintext_request(Production, TlsMode::Attested, &recipient, Some(NO_RECIPIENT));
    }
}
