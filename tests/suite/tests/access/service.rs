//! A simulator with a configuration, and clients that sign.

use std::fs;

use attested_recipient::{
    Client, ClientError, Credentials, Document, RecipientKey, Simulator, SimulatorBuilder,
};
use serde_json::Value;

use super::audit_buffer::AuditBuffer;
use super::credentials::{ACCESS_KEY_ID, ARN, SECRET};

/// A simulator whose callers must sign, and what it has recorded.
pub(crate) struct ConfiguredService {
    simulator: Simulator,
    pub(crate) key: RecipientKey,
    trail: AuditBuffer,
}

pub(crate) fn credentials() -> Credentials {
    Credentials::new(ACCESS_KEY_ID, SECRET, "eu-west-1")
}

impl ConfiguredService {
    /// With this configuration, and `policy` beside it as `wallet.json`.
    pub(crate) fn start(config: &str, policy: &str) -> Self {
        Self::with_builder(Simulator::builder(), config, policy)
    }

    /// As `builder` has it as well.
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

    /// A client that signs.
    pub(crate) fn client(&self) -> Client {
        self.client_at(self.simulator.endpoint_url())
    }

    /// One that asks for it there.
    pub(crate) fn client_at(&self, url: &str) -> Client {
        self.simulator.client_at(url).unwrap().with_credentials(credentials())
    }

    /// GenerateRandom of 32 bytes for a document, to be opened by `key` unless it says otherwise.
    pub(crate) fn generate_for(&self, document: &Document) -> Result<Vec<u8>, ClientError> {
        let key = || Some(self.key.public_key_der().to_vec());
        let public_key = document.public_key.clone().or_else(key);
        let document = Document { public_key, ..document.clone() };
        let document = self.simulator.document(&document).unwrap();
        self.client().generate_random_for(32, &document)
    }

    /// GenerateRandom of 32 bytes without a Recipient.
    pub(crate) fn generate_plain(&self) -> Result<Vec<u8>, ClientError> {
        self.client().generate_random(32).map(|bytes| bytes.to_vec())
    }

    /// The service's address.
    pub(crate) fn endpoint_url(&self) -> &str {
        self.simulator.endpoint_url()
    }

    /// Bytes of the records so far.
    pub(crate) fn audit_length(&self) -> usize {
        self.trail.length()
    }

    /// Ends it, and gives what it recorded.
    pub(crate) fn records(self) -> Vec<Value> {
        drop(self.simulator);
        self.trail.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// The error's type and message.
#[track_caller]
pub(crate) fn refusal(result: Result<Vec<u8>, ClientError>) -> (String, String) {
    match result {
        Err(ClientError::Rejected { error_type, message }) => (error_type, message),
        other => panic!("{other:?}"),
    }
}

/// The message of an AccessDeniedException.
#[track_caller]
pub(crate) fn denied(result: Result<Vec<u8>, ClientError>) -> String {
    let (error_type, message) = refusal(result);
    assert_eq!(error_type, "AccessDeniedException");
    let prefix =
        format!("User: {ARN} is not authorized to perform: kms:GenerateRandom on resource: * ");
    message.strip_prefix(&prefix).unwrap_or_else(|| panic!("{message}")).to_owned()
}
