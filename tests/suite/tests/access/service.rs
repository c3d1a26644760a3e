//! A simulator with the configuration of a test, and clients that sign requests.

use std::fs;

use attested_recipient::{
    Client, ClientError, Credentials, Document, RecipientKey, Simulator, SimulatorBuilder,
};
use serde_json::Value;

use super::audit_buffer::AuditBuffer;
use super::credentials::{ACCESS_KEY_ID, ARN, SECRET};

/// A simulator that requires signed requests, and its audit records.
pub(crate) struct ConfiguredService {
    simulator: Simulator,
    pub(crate) key: RecipientKey,
    trail: AuditBuffer,
}

pub(crate) fn credentials() -> Credentials {
    Credentials::new(ACCESS_KEY_ID, SECRET, "eu-west-1")
}

impl ConfiguredService {
    /// Starts a service with this configuration. `policy` is the content of the file `wallet.json`.
    pub(crate) fn start(config: &str, policy: &str) -> Self {
        Self::with_builder(Simulator::builder(), config, policy)
    }

    /// Starts a service like [`start`](Self::start), with the settings of `builder`.
    pub(crate) fn with_builder(builder: SimulatorBuilder, config: &str, policy: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("enclave.toml");
        fs::write(folder.path().join("wallet.json"), policy).unwrap();
        fs::write(&path, config).unwrap();
        let trail = AuditBuffer::default();
        let builder = builder.config_file(path).audit(trail.clone());
        let key = RecipientKey::from_pem(include_str!("../../keys/rsa-2048.pem")).unwrap();
        Self { simulator: builder.start().unwrap(), key, trail }
    }

    /// Returns a client that signs its requests.
    pub(crate) fn client(&self) -> Client {
        self.client_at(self.simulator.endpoint_url())
    }

    /// Returns a signing client that connects to `url`.
    pub(crate) fn client_at(&self, url: &str) -> Client {
        self.simulator.client_at(url).unwrap().with_credentials(credentials())
    }

    /// Requests 32 bytes for a document. If the document has no public key, the public key of `key`
    /// is added.
    pub(crate) fn generate_for(&self, document: &Document) -> Result<Vec<u8>, ClientError> {
        let key = || Some(self.key.public_key_der().to_vec());
        let public_key = document.public_key.clone().or_else(key);
        let document = Document { public_key, ..document.clone() };
        let document = self.simulator.document(&document).unwrap();
        self.client().generate_random_for(32, &document)
    }

    /// Requests 32 bytes without a Recipient.
    pub(crate) fn generate_plain(&self) -> Result<Vec<u8>, ClientError> {
        self.client().generate_random(32).map(|bytes| bytes.to_vec())
    }

    /// Returns the service's URL.
    pub(crate) fn endpoint_url(&self) -> &str {
        self.simulator.endpoint_url()
    }

    /// Returns the length of the audit trail so far, in bytes.
    pub(crate) fn audit_length(&self) -> usize {
        self.trail.length()
    }

    /// Stops the service and returns its audit records.
    pub(crate) fn records(self) -> Vec<Value> {
        drop(self.simulator);
        let text = self.trail.text();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        // The trail also contains signed digests.
        lines.filter(|line| line.get("auditDigest").is_none()).collect()
    }
}

/// Returns the error's type and message.
#[track_caller]
pub(crate) fn rejection(result: Result<Vec<u8>, ClientError>) -> (String, String) {
    match result {
        Err(ClientError::Rejected { error_type, message }) => (error_type, message),
        other => panic!("{other:?}"),
    }
}

/// Returns the reason in the message of an AccessDeniedException.
#[track_caller]
pub(crate) fn denied(result: Result<Vec<u8>, ClientError>) -> String {
    let (error_type, message) = rejection(result);
    assert_eq!(error_type, "AccessDeniedException");
    let prefix =
        format!("User: {ARN} is not authorized to perform: kms:GenerateRandom on resource: * ");
    message.strip_prefix(&prefix).unwrap_or_else(|| panic!("{message}")).to_owned()
}
