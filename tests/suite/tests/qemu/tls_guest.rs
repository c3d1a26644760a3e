//! An enclave with attested TLS, and the certificate authority for it.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use attestation::tls::spki_digest;
use tempfile::NamedTempFile;

use crate::clients::ServiceUrl;
use crate::enclave_document::EnclaveDocument;
use crate::kms_calls::NONCE;
use crate::s_client::{SClient, public_key_of};
use crate::virtual_machine::VirtualMachine;

/// A running enclave with TLS.
pub(crate) struct TlsGuest {
    pub(crate) machine: VirtualMachine,
    /// The certificate authority that the enclave presents. The test does not verify an attestation
    /// document for the authority, because QEMU does not sign documents.
    pub(crate) authority: Arc<Authority>,
}

/// A file with an authority's certificate.
pub(crate) struct Authority(NamedTempFile);

impl TlsGuest {
    pub(crate) fn new(machine: VirtualMachine) -> Self {
        let shown = SClient::run(machine.service().authority(), &["-showcerts"], "");
        let certificates = shown.certificates();
        let [_, authority] = &certificates[..] else {
            panic!("expected two certificates: {shown:?}")
        };
        let file = NamedTempFile::new().unwrap();
        fs::write(&file, authority).unwrap();
        Self { machine, authority: Arc::new(Authority(file)) }
    }

    /// Returns the URL with the enclave's address. The certificate contains this address.
    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.machine.service().authority())
    }

    /// Makes calls with boto3, which trusts the enclave's authority.
    pub(crate) fn with_authority<T>(&self, call: impl FnOnce(ServiceUrl<'_>) -> T) -> T {
        call(ServiceUrl { url: &self.url(), ca: Some(self.authority.path()) })
    }

    /// Runs `openssl s_client`, which trusts the enclave's authority. The command fails if the
    /// verification fails.
    pub(crate) fn connect(&self, arguments: &[&str], input: &str) -> SClient {
        let authority = self.authority.path().to_str().unwrap();
        let strictly = ["-x509_strict", "-verify_return_error", "-CAfile", authority];
        let address = self.machine.service().authority();
        SClient::run(address, &[&strictly, arguments].concat(), input)
    }

    /// Returns the enclave's own document, requested over TLS.
    pub(crate) fn enclave_document(&self) -> EnclaveDocument {
        let response = self.connect(&["-quiet"], &get(&format!("/attestation?nonce={NONCE}")));
        let response = response.response();
        assert!(response.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", response.escape_ascii());
        let end = response.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let own = EnclaveDocument::read(response[end + 4..].to_vec());
        assert_eq!(own.identity().tls_ca, Some(spki_digest(&self.authority.public_key())));
        assert_eq!((own.nonce.as_deref(), &own.public_key), (Some(&nonce()[..]), &None));
        own
    }
}

impl Authority {
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Returns the SubjectPublicKeyInfo in DER.
    pub(crate) fn public_key(&self) -> Vec<u8> {
        public_key_of(self.path())
    }
}

/// Returns a GET request that closes the connection.
pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
}

fn nonce() -> Vec<u8> {
    const_hex::decode(NONCE).unwrap()
}
