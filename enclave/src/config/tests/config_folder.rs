//! A configuration folder with a certificate and its key.

use super::*;
use crate::tls::TlsSettings;

pub(super) const CERTIFICATE: &str = include_str!("../../../../tests/suite/keys/tls/p256.crt.pem");
pub(super) const KEY: &str = include_str!("../../../../tests/suite/keys/tls/p256.pkcs8.pem");
pub(super) const RSA_CERTIFICATE: &str =
    include_str!("../../../../tests/suite/keys/tls/rsa.crt.pem");
pub(super) const RSA_KEY: &str = include_str!("../../../../tests/suite/keys/tls/rsa.pkcs1.pem");

pub(super) const PROVIDED: &str =
    "[tls]\nmode = \"provided\"\ncertificate = \"tls.crt\"\nprivate_key = \"tls.key\"\n";

/// A folder with a configuration, a policy, a salt, a certificate and its key.
pub(super) struct Folder(pub(super) tempfile::TempDir);

impl Folder {
    /// Creates a folder whose configuration has these tables, and no TLS.
    pub(super) fn without_tls(tables: &str) -> Self {
        Self::new(&[TLS_OFF, tables].concat())
    }

    /// Creates a folder whose configuration has these tables. In production, one of the tables must be `[tls]`.
    pub(super) fn new(tables: &str) -> Self {
        let this = Self(tempfile::tempdir().unwrap());
        this.write("wallet.json", POLICY);
        this.write("salt", "7".repeat(32));
        this.write("tls.crt", CERTIFICATE);
        this.write("tls.key", KEY);
        this.write("enclave.toml", sigv4(&[CREDENTIAL, tables].concat()));
        this
    }

    pub(super) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.0.path().join(name), bytes).unwrap();
    }

    pub(super) fn bundle(&self) -> Result<ConfigBundle, BundleError> {
        ConfigBundle::load(&self.0.path().join("enclave.toml"))
    }

    pub(super) fn settings(&self) -> Result<Settings, ConfigError> {
        Config::from_bundle(self.bundle()?)?.settings(Profile::Production)
    }

    pub(super) fn tls(&self) -> TlsSettings {
        self.settings().unwrap().tls
    }

    /// Returns the error of the settings, without the path of the folder.
    pub(super) fn error_text(&self) -> String {
        self.without_folder(&self.settings().unwrap_err())
    }

    pub(super) fn without_folder(&self, error: &impl ToString) -> String {
        let folder = format!("{}/", self.0.path().display());
        error.to_string().replace(&folder, "").replace("enclave.toml: [tls] ", "")
    }
}
