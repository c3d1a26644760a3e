//! The configuration of the enclaves that are booted here.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use attestation::{PCR_LENGTH, PcrFamily};
use enclave::clock::{Clock, SystemClock};
use serde_json::Value;
use simulator::{DocumentRequest, SimulatedPki, default_pcrs};
use tempfile::TempDir;

use crate::sigv4::identities::Identity;

/// Its one credential. Each of its secrets is one that nothing else can be.
pub(crate) const IDENTITY: Identity = Identity {
    region: "eu-west-1",
    access_key_id: "AKIDQEMUTEST",
    secret_access_key: "canary/secretAccessKey/b7Vx0",
    session_token: Some("canary/sessionToken/Qk29w"),
};

/// By what a service with TLS is known: a name, an address, and what clients call who know AWS alone.
pub(crate) const TLS_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "kms.eu-west-1.amazonaws.com"];

/// A configuration with a root of its own as a further anchor.
pub(crate) struct Configuration {
    folder: TempDir,
    pki: SimulatedPki,
}

impl Configuration {
    /// Without TLS, and with answers in plain all the same.
    pub(crate) fn without_tls() -> Self {
        Self::build(&without_tls("\n"))
    }

    /// With TLS that ends in the enclave, and what it takes to be answered left as it is by default.
    pub(crate) fn with_tls() -> Self {
        Self::build(&format!("[tls]\nmode = \"attested\"\nnames = {TLS_NAMES:?}\n"))
    }

    /// With these tables, and this PIN in the file `pin`; else without TLS.
    pub(crate) fn with_key_stores(tables: &str, pin: &str) -> Self {
        let configuration = Self::build(&[tables, &without_tls("\n")].concat());
        fs::write(configuration.folder().join("pin"), pin).unwrap();
        configuration
    }

    fn build(what_differs: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pki = pki();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("enclave.toml", &toml(what_differs));
        write("root.pem", &pki.root_certificate_pem());
        let allow = r#"{"Statement":{"Effect":"Allow","Action":"kms:*","Resource":"*"}}"#;
        write("wallet.json", allow);
        Self { folder, pki }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The archive of it as it is now.
    pub(crate) fn archive(&self) -> PathBuf {
        let archive = self.folder.path().join("config.tar");
        let mut command = suite::command();
        command.arg("config-archive").arg(self.folder()).arg("--out").arg(&archive);
        assert!(command.status().unwrap().success());
        archive
    }

    /// What PCR16 and PCR17 are to be, as the command says it.
    pub(crate) fn pcrs(&self) -> [[u8; PCR_LENGTH]; 2] {
        let mut command = suite::command();
        let output = command.arg("config-pcr").arg(self.folder()).output().unwrap();
        let pcrs: Value = serde_json::from_slice(&output.stdout).unwrap();
        ["PCR16", "PCR17"].map(|name| pcr(&pcrs[name]))
    }

    /// One byte is another: that of [`without_tls`](Self::without_tls) by which it answers in plain.
    pub(crate) fn change_a_byte(&self) {
        fs::write(self.folder().join("enclave.toml"), toml(&without_tls(" "))).unwrap();
    }

    /// A document under the root that it names.
    pub(crate) fn document(&self, public_key: Vec<u8>) -> Vec<u8> {
        document(&self.pki, public_key)
    }
}

/// A value in hexadecimal.
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

/// Behind `end_of_remark`, which ends the remark or does not.
fn without_tls(end_of_remark: &str) -> String {
    format!("[recipient] # each byte counts{end_of_remark}plaintext = \"always\"\n")
}

/// `tsc-early` is what a kernel that has booted within a second has until it has the other.
fn toml(what_differs: &str) -> String {
    let Identity { region, access_key_id, secret_access_key, session_token } = IDENTITY;
    let session_token = session_token.unwrap();
    format!(
        "# every caller has this credential\n\
         [auth]\nregion = \"{region}\"\n\
         [[credential]]\naccess_key_id = \"{access_key_id}\"\n\
         secret_access_key = \"{secret_access_key}\"\nsession_token = \"{session_token}\"\n\
         principal = \"arn:aws:iam::123456789012:role/wallet\"\npolicies = [\"wallet.json\"]\n\
         {what_differs}\
         [platform]\nclocksources = [\"tsc\", \"tsc-early\"]\n\
         [trust]\nanchors = [\"root.pem\"]\n"
    )
}
