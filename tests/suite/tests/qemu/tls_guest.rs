//! An enclave in which TLS ends, and the authority by which clients know it there.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use attestation::tls::CaBinding;
use tempfile::NamedTempFile;

use crate::clients::ServiceUrl;
use crate::enclave_document::EnclaveDocument;
use crate::kms_calls::NONCE;
use crate::s_client::{SClient, public_key_of};
use crate::virtual_machine::VirtualMachine;

/// A running one.
pub(crate) struct TlsGuest {
    pub(crate) machine: VirtualMachine,
    /// As the enclave itself shows it: QEMU's documents are not signed, and trusting them is not
    /// what is checked here.
    pub(crate) authority: Arc<Authority>,
}

/// An authority's certificate, in a file.
pub(crate) struct Authority(NamedTempFile);

impl TlsGuest {
    pub(crate) fn new(machine: VirtualMachine) -> Self {
        let shown = SClient::run(machine.service().authority(), &["-showcerts"], "");
        let certificates = shown.certificates();
        let [_, authority] = &certificates[..] else { panic!("two certificates: {shown:?}") };
        let file = NamedTempFile::new().unwrap();
        fs::write(&file, authority).unwrap();
        Self { machine, authority: Arc::new(Authority(file)) }
    }

    /// By its address, which is one of its names.
    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.machine.service().authority())
    }

    /// Calls boto3 there, with the authority.
    pub(crate) fn trusting<T>(&self, call: impl FnOnce(ServiceUrl<'_>) -> T) -> T {
        call(ServiceUrl { url: &self.url(), ca: Some(self.authority.path()) })
    }

    /// `openssl s_client`, with the authority: it refuses whatever it cannot verify by that.
    pub(crate) fn connect(&self, arguments: &[&str], input: &str) -> SClient {
        let authority = self.authority.path().to_str().unwrap();
        let strictly = ["-x509_strict", "-verify_return_error", "-CAfile", authority];
        let address = self.machine.service().authority();
        SClient::run(address, &[&strictly, arguments].concat(), input)
    }

    /// Its own document, which came over its TLS.
    pub(crate) fn enclave_document(&self) -> EnclaveDocument {
        let answer = self.connect(&["-quiet"], &get(&format!("/attestation?nonce={NONCE}")));
        let answer = answer.answer();
        assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", answer.escape_ascii());
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let own = EnclaveDocument::read(answer[end + 4..].to_vec());
        let binding = CaBinding::from_spki(&self.authority.public_key()).to_user_data();
        assert_eq!(own.user_data, Some(binding));
        assert_eq!((own.nonce.as_deref(), &own.public_key), (Some(&nonce()[..]), &None));
        own
    }
}

impl Authority {
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Its SubjectPublicKeyInfo, DER.
    pub(crate) fn public_key(&self) -> Vec<u8> {
        public_key_of(self.path())
    }
}

/// A request for a path, the last on its connection.
pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
}

fn nonce() -> Vec<u8> {
    const_hex::decode(NONCE).unwrap()
}
