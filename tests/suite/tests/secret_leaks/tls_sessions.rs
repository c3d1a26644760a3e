//! Runs successful and failed TLS handshakes, and collects their secrets.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::{Arc, Mutex};

use attested_recipient::Simulator;
use enclave::config::{Config, Profile};
use enclave::tls::tls_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, KeyLog, RootCertStore, StreamOwned};

/// The secrets, and the `Debug` output of the configuration.
pub(super) struct SessionSecrets {
    pub(super) secrets: Vec<Vec<u8>>,
    pub(super) debug: String,
}

/// The secrets of all connections. The client logs them.
#[derive(Debug, Default)]
struct SecretLog(Mutex<Vec<Vec<u8>>>);

impl KeyLog for SecretLog {
    fn log(&self, _label: &str, _client_random: &[u8], secret: &[u8]) {
        self.0.lock().unwrap().push(secret.to_vec());
    }
}

/// Connects in each TLS version to a simulator with a known key.
pub(super) fn run_handshakes() -> SessionSecrets {
    let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("keys/tls");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("enclave.toml");
    fs::copy(keys.join("p256.crt.pem"), folder.path().join("tls.crt")).unwrap();
    fs::copy(keys.join("p256.pkcs8.pem"), folder.path().join("tls.key")).unwrap();
    let table = "mode = \"provided\"\ncertificate = \"tls.crt\"\nprivate_key = \"tls.key\"\n";
    fs::write(&path, ["[tls]\n", table].concat()).unwrap();
    let config = Config::load(Some(&path)).unwrap();
    let mut debug = format!("{config:?}");
    debug += &format!("{:?}", config.settings(Profile::Development).unwrap());
    let simulator = Simulator::builder().config_file(&path).start().unwrap();

    let secret_log = Arc::new(SecretLog::default());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(keys.join("p256.crt.pem")).unwrap()).unwrap();
    for version in [&TLS12, &TLS13] {
        let mut config = ClientConfig::builder_with_provider(tls_provider())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots.clone())
            .with_no_client_auth();
        let key_log = Arc::clone(&secret_log);
        config.key_log = key_log;
        let config = Arc::new(config);
        // The second connection resumes the session.
        for _ in 0..2 {
            let name = ServerName::try_from("localhost").unwrap();
            let connection = ClientConnection::new(Arc::clone(&config), name).unwrap();
            let stream = TcpStream::connect(simulator.address()).unwrap();
            let mut stream = StreamOwned::new(connection, stream);
            let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
            stream.write_all(request).unwrap();
            let mut response = String::new();
            stream.read_to_string(&mut response).unwrap();
            assert!(response.ends_with("ok\n"), "{response}");
        }
    }
    let mut plain_client = TcpStream::connect(simulator.address()).unwrap();
    plain_client.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    // The service rejects the handshake, with or without a TLS alert.
    drop(plain_client.read_to_end(&mut Vec::new()));

    let mut secrets = secret_log.0.lock().unwrap().clone();
    assert!(secrets.len() >= 10, "{}", secrets.len());
    let key = PrivateKeyDer::from_pem_file(keys.join("p256.pkcs8.pem")).unwrap();
    // RFC 5915: an OCTET STRING of 32 bytes.
    let start = key.secret_der().windows(2).position(|window| window == [4, 32]).unwrap() + 2;
    secrets.push(key.secret_der()[start..start + 32].to_vec());
    SessionSecrets { secrets, debug }
}
