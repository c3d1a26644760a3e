//! The service and a relay, each in a separate process, as they are deployed.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};

use attested_recipient::{Client, Document, RecipientKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;

use crate::concurrent_clients::generate_random;
use crate::load::BoxError;
use crate::process::{Process, binary};

/// The parts of a document that the service has cached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CacheLevel {
    /// No part of the document, because the caches are disabled.
    None,
    /// The certificates above the leaf.
    Chain,
    /// The certificates above the leaf, and the leaf certificate.
    Leaf,
    /// The whole document.
    Document,
}

impl CacheLevel {
    /// Returns a configuration table. After the first request, a service with this table has cached
    /// these parts.
    pub(crate) fn to_toml(self) -> String {
        let [chains, leaves, documents] = match self {
            Self::None => [0, 0, 0],
            Self::Chain => [64, 0, 0],
            Self::Leaf => [64, 64, 0],
            Self::Document => [64, 64, 64],
        };
        format!(
            "[verification]\ncached_chains = {chains}\ncached_leaves = {leaves}\n\
             cached_documents = {documents}\n"
        )
    }
}

/// A simulated enclave. Its audit trail goes to `/dev/null`.
#[derive(Debug)]
pub(crate) struct Enclave {
    process: Process,
    /// Folder with its configuration and log.
    _folder: TempDir,
}

impl Enclave {
    /// Starts an enclave with this configuration and with `files` in the same folder, by name.
    pub(crate) fn start(toml: &str, files: &[(&str, &str)]) -> Result<Self, BoxError> {
        let folder = tempfile::tempdir()?;
        let path = |name: &str| folder.path().join(name);
        for (name, text) in [&[("enclave.toml", toml)], files].concat() {
            fs::write(path(name), text)?;
        }
        let address = free_address()?;
        let mut command = Command::new(binary("enclave-simulator")?);
        command.arg("--listen").arg(address.to_string()).arg("--config").arg(path("enclave.toml"));
        command.stderr(Stdio::from(File::create(path("log"))?));
        match Process::spawn_listening(&mut command, address) {
            Ok(process) => Ok(Self { process, _folder: folder }),
            Err(error) => Err(format!("{error}: {}", log(&path("log"))).into()),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.process.address()
    }

    pub(crate) fn process(&self) -> &Process {
        &self.process
    }

    /// Returns a request with a new document of the enclave for this private key in PEM.
    pub(crate) fn attested_request(&self, key: &str) -> Result<Vec<u8>, BoxError> {
        let client = suite::client(&format!("http://{}", self.address()));
        attested_request(&client, key)
    }
}

/// Returns a request with a new document for this private key in PEM. The simulator that `client`
/// connects to signs the document.
pub(crate) fn attested_request(client: &Client, key: &str) -> Result<Vec<u8>, BoxError> {
    Ok(generate_random(&attested_body(client, key)?))
}

/// Returns the body of a request with a new document, as in `attested_request`.
pub(crate) fn attested_body(client: &Client, key: &str) -> Result<String, BoxError> {
    let document = client.document(&Document::for_key(&RecipientKey::from_pem(key)?))?;
    let document = STANDARD.encode(document);
    Ok(format!(
        r#"{{"NumberOfBytes":32,"Recipient":{{"KeyEncryptionAlgorithm":"RSAES_OAEP_SHA_256","AttestationDocument":"{document}"}}}}"#
    ))
}

/// Starts a relay in front of `upstream`.
pub(crate) fn relay(upstream: SocketAddr) -> Result<Process, BoxError> {
    let mut command = Command::new(binary("parent-proxy")?);
    let upstream = upstream.to_string();
    command.args(["--listen", "127.0.0.1:0", "--upstream", &upstream]).stderr(Stdio::null());
    Process::spawn_announced(&mut command)
}

/// Returns a local address without a listener.
pub(crate) fn free_address() -> Result<SocketAddr, BoxError> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

fn log(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
