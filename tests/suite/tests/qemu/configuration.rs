//! The configuration of the booted enclaves.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use attestation::{PCR_LENGTH, PcrFamily};
use enclave::clock::{Clock, SystemClock};
use serde_json::Value;
use simulator::{DocumentRequest, SimulatedPki, default_pcrs};
use tempfile::TempDir;

use crate::sigv4::identities::Identity;

/// The only credential. Its secrets are unique strings.
pub(crate) const IDENTITY: Identity = Identity {
    region: "eu-west-1",
    access_key_id: "AKIDQEMUTEST",
    secret_access_key: "canary/secretAccessKey/b7Vx0",
    session_token: Some("canary/sessionToken/Qk29w"),
};

/// The TLS names of the service: a DNS name, an address, and the name that AWS clients use.
pub(crate) const TLS_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "kms.eu-west-1.amazonaws.com"];

/// A configuration with the root of a simulator as an additional trust anchor.
pub(crate) struct Configuration {
    folder: TempDir,
    pki: SimulatedPki,
}

impl Configuration {
    /// Creates a configuration without TLS that allows plaintext.
    pub(crate) fn without_tls() -> Self {
        Self::build(&without_tls("\n"))
    }

    /// Creates a configuration with attested TLS and the default plaintext setting.
    pub(crate) fn with_tls() -> Self {
        Self::build(&format!("[tls]\nmode = \"attested\"\nnames = {TLS_NAMES:?}\n"))
    }

    /// Creates a configuration with these tables and a PIN file, without TLS.
    pub(crate) fn with_key_stores(tables: &str, pin: &str) -> Self {
        let configuration = Self::build(&[tables, &without_tls("\n")].concat());
        fs::write(configuration.folder().join("pin"), pin).unwrap();
        configuration
    }

    fn build(variant: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pki = pki();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("enclave.toml", &toml(variant));
        write("root.pem", &pki.root_certificate_pem());
        let allow = r#"{"Statement":{"Effect":"Allow","Action":"kms:*","Resource":"*"}}"#;
        write("wallet.json", allow);
        Self { folder, pki }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Builds the archive of the current files.
    pub(crate) fn archive(&self) -> PathBuf {
        let archive = self.folder.path().join("config.tar");
        let mut command = suite::command();
        command.arg("config-archive").arg(self.folder()).arg("--out").arg(&archive);
        assert!(command.status().unwrap().success());
        archive
    }

    /// Returns the PCR16 and PCR17 that `config-pcr` prints.
    pub(crate) fn pcrs(&self) -> [[u8; PCR_LENGTH]; 2] {
        let mut command = suite::command();
        let output = command.arg("config-pcr").arg(self.folder()).output().unwrap();
        let pcrs: Value = serde_json::from_slice(&output.stdout).unwrap();
        ["PCR16", "PCR17"].map(|name| pcr(&pcrs[name]))
    }

    /// Creates the configuration of [`without_tls`](Self::without_tls) with one changed byte. The
    /// change removes the plaintext setting.
    pub(crate) fn change_a_byte(&self) {
        fs::write(self.folder().join("enclave.toml"), toml(&without_tls(" "))).unwrap();
    }

    /// Returns a document under the configured root.
    pub(crate) fn document(&self, public_key: Vec<u8>) -> Vec<u8> {
        document(&self.pki, public_key)
    }
}

/// Decodes a PCR value from hexadecimal.
pub(crate) fn pcr(value: &Value) -> [u8; PCR_LENGTH] {
    const_hex::decode_to_array(value.as_str().unwrap()).unwrap()
}

pub(crate) fn pki() -> SimulatedPki {
    SimulatedPki::new(Arc::new(|| SystemClock.now())).unwrap()
}

pub(crate) fn document(pki: &SimulatedPki, public_key: Vec<u8>) -> Vec<u8> {
    let family = PcrFamily::NitroEnclave;
    let request = DocumentRequest {
        family,
        pcrs: default_pcrs(family),
        public_key: Some(public_key),
        user_data: Some(b"canary-user-data".to_vec()),
        nonce: Some(b"canary-nonce".to_vec()),
        age_seconds: 0,
    };
    pki.document(request).unwrap()
}

/// Returns the table `[tls]` without TLS, a comment, `end_of_comment` and the plaintext setting. If `end_of_comment` is not a
/// newline, the setting is part of the comment.
fn without_tls(end_of_comment: &str) -> String {
    format!(
        "[tls]\nmode = \"off\"\n\
         [recipient] # each byte counts{end_of_comment}plaintext = \"always\"\n"
    )
}

/// Returns `enclave.toml`. A kernel uses `tsc-early` until `tsc` is available, about a second after
/// boot.
fn toml(variant: &str) -> String {
    let Identity { region, access_key_id, secret_access_key, session_token } = IDENTITY;
    let session_token = session_token.unwrap();
    format!(
        "# every caller has this credential\n\
         [auth]\nregion = \"{region}\"\n\
         [[credential]]\naccess_key_id = \"{access_key_id}\"\n\
         secret_access_key = \"{secret_access_key}\"\nsession_token = \"{session_token}\"\n\
         principal = \"arn:aws:iam::123456789012:role/wallet\"\npolicies = [\"wallet.json\"]\n\
         {variant}\
         [platform]\nclocksources = [\"tsc\", \"tsc-early\"]\n\
         [trust]\nanchors = [\"root.pem\"]\n"
    )
}
