//! A time-stamping authority that OpenSSL runs.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

const CONFIG: &str = "
[tsa]
default_tsa = tsa_config
[tsa_config]
serial = serial
default_policy = 1.2.3.4.1
digests = sha256, sha512
signer_digest = sha256
accuracy = secs:1
[req]
distinguished_name = name
[name]
[root]
basicConstraints = critical, CA:true
[stamping]
basicConstraints = critical, CA:false
extendedKeyUsage = critical, timeStamping
[signing]
basicConstraints = critical, CA:false
extendedKeyUsage = critical, codeSigning
";

/// An authority with a root, and with a certificate below the root.
pub(crate) struct TimeStampAuthority {
    folder: TempDir,
}

impl TimeStampAuthority {
    /// Creates an authority whose keys OpenSSL generates with the options `key`, such as `rsa:2048`.
    pub(crate) fn new(key: &[&str]) -> Self {
        let authority = Self { folder: tempfile::tempdir().unwrap() };
        fs::write(authority.path("openssl.cnf"), CONFIG).unwrap();
        fs::write(authority.path("serial"), "01\n").unwrap();
        authority.certificate("root", "root", key, &[]);
        authority.certificate(
            "signer",
            "stamping",
            key,
            &["-CA", "root.pem", "-CAkey", "root.key"],
        );
        authority.certificate("other", "signing", key, &["-CA", "root.pem", "-CAkey", "root.key"]);
        authority
    }

    fn certificate(&self, name: &str, extensions: &str, key: &[&str], issuer: &[&str]) {
        let (subject, out, keyout) =
            (format!("/CN={name}"), format!("{name}.pem"), format!("{name}.key"));
        let command = ["req", "-x509", "-config", "openssl.cnf", "-nodes", "-days", "2"];
        let files =
            ["-subj", &subject, "-extensions", extensions, "-out", &out, "-keyout", &keyout];
        self.openssl(&[&command, &["-newkey"][..], key, &files, issuer].concat());
    }

    /// Stamps `content`. `query` are further options of `openssl ts -query`. Returns the response.
    pub(crate) fn stamp(&self, content: &[u8], query: &[&str]) -> Vec<u8> {
        fs::write(self.path("content"), content).unwrap();
        let command = ["ts", "-query", "-data", "content", "-out", "query"];
        self.openssl(&[&command, query].concat());
        self.reply(&[])
    }

    /// Stamps the content of the last query again, and returns the token without a response.
    pub(crate) fn token(&self) -> Vec<u8> {
        self.reply(&["-token_out"])
    }

    fn reply(&self, options: &[&str]) -> Vec<u8> {
        let command =
            ["ts", "-reply", "-config", "openssl.cnf", "-queryfile", "query", "-out", "reply"];
        let signer = ["-signer", "signer.pem", "-inkey", "signer.key"];
        self.openssl(&[&command[..], &signer, options].concat());
        fs::read(self.path("reply")).unwrap()
    }

    /// Signs the content of a token with a certificate for another purpose.
    pub(crate) fn sign_with_other_certificate(&self, token: &[u8]) -> Vec<u8> {
        fs::write(self.path("token"), token).unwrap();
        let command =
            ["cms", "-verify", "-noverify", "-inform", "DER", "-in", "token", "-out", "info"];
        self.openssl(&command);
        let command = ["cms", "-sign", "-binary", "-nodetach", "-outform", "DER", "-in", "info"];
        let options =
            ["-econtent_type", "1.2.840.113549.1.9.16.1.4", "-out", "signed", "-md", "sha256"];
        let signer = ["-signer", "other.pem", "-inkey", "other.key"];
        self.openssl(&[&command[..], &options, &signer].concat());
        fs::read(self.path("signed")).unwrap()
    }

    /// Returns the path of the root certificate.
    pub(crate) fn root(&self) -> String {
        self.path("root.pem")
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn openssl(&self, arguments: &[&str]) {
        let folder: &Path = self.folder.path();
        let output = Command::new("openssl").args(arguments).current_dir(folder).output();
        let output = output.unwrap_or_else(|error| {
            panic!("cannot run openssl ({error}): install it (apt-get install openssl)")
        });
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
