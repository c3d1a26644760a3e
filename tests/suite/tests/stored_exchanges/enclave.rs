//! An enclave inside the test, and the command that verifies its exchanges.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;

use attestation::cms::{ContentEncryption, RecipientPrivateKey, open_content_key, seal};
use attestation::crypto::{Es256Key, Sha256, fill_random};
use attestation::receipt::{NSM_SOURCE, Receipt, ReceiptOperation};
use attestation::time::UnixMillis;
use attestation::{
    ClockReading, DebugMode, Identity, MaxAge, PcrFamily, PcrValue, TrustAnchors,
    UnverifiedDocument, content_key_digest,
};
use attested_recipient::StoredExchange;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use enclave::clock::{Clock, SystemClock};
use serde_json::json;
use simulator::{DocumentRequest, SimulatedPki, default_pcrs};
use tempfile::TempDir;

/// The private key of the recipient.
pub(crate) const RECIPIENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/keys/rsa-2048.pem");
/// The bytes in the sealed response of an [`Enclave`].
pub(crate) const CONTENT: [u8; 20] = *b"twenty bytes of test";
pub(crate) const NONCE: [u8; 16] = [0x5e; 16];
/// The registers that identify image and configuration.
pub(crate) const PCR16: PcrValue = [0x16; 48];

/// An enclave with a receipt key and a simulated document.
pub(crate) struct Enclave {
    pki: SimulatedPki,
    key: Es256Key,
    folder: TempDir,
}

/// The bodies of an exchange.
pub(crate) struct Bodies {
    pub(crate) request: Vec<u8>,
    pub(crate) response: Vec<u8>,
    /// The digest of the content key of a sealed response.
    pub(crate) content_key_digest: Option<[u8; 32]>,
}

impl Enclave {
    pub(crate) fn start() -> Self {
        let pki = SimulatedPki::new(Arc::new(|| SystemClock.now())).unwrap();
        let (key, folder) = (Es256Key::generate().unwrap(), tempfile::tempdir().unwrap());
        Self { pki, key, folder }
    }

    pub(crate) fn pcrs() -> BTreeMap<u8, PcrValue> {
        let mut pcrs = default_pcrs(PcrFamily::NitroEnclave);
        pcrs.insert(16, PCR16);
        pcrs
    }

    /// Returns a document with the public key and the user data.
    pub(crate) fn document(
        &self,
        public_key: Option<Vec<u8>>,
        user_data: Option<Vec<u8>>,
    ) -> Vec<u8> {
        self.document_of_age(0, public_key, user_data)
    }

    fn document_of_age(
        &self,
        age_seconds: u64,
        public_key: Option<Vec<u8>>,
        user_data: Option<Vec<u8>>,
    ) -> Vec<u8> {
        let (family, pcrs) = (PcrFamily::NitroEnclave, Self::pcrs());
        self.pki
            .document(DocumentRequest {
                family,
                pcrs,
                public_key,
                user_data,
                nonce: None,
                age_seconds,
            })
            .unwrap()
    }

    /// Returns a document that attests the receipt key.
    pub(crate) fn identity_document(&self, age_seconds: u64) -> Vec<u8> {
        let receipt_key = *self.key.public_key();
        let identity = Identity { receipt_key, tls_key: None, tls_ca: None, config: None };
        self.document_of_age(age_seconds, None, Some(identity.to_user_data()))
    }

    /// Returns the bodies of a response that is sealed to [`RECIPIENT`].
    pub(crate) fn sealed(&self) -> Bodies {
        let pem = fs::read_to_string(RECIPIENT).unwrap();
        let key = RecipientPrivateKey::from_pem(&pem).unwrap();
        let document = self.document(Some(key.public_key_der().to_vec()), None);
        let anchors = TrustAnchors::simulator_root(self.pki.root_certificate());
        let now = ClockReading::given(SystemClock.now());
        let verified = UnverifiedDocument::parse(document.clone())
            .unwrap()
            .verify_live(&anchors, now, MaxAge::default(), DebugMode::Reject)
            .unwrap();
        let encryption = ContentEncryption::draw(fill_random).unwrap();
        let sealed = seal(&verified.recipient_key().unwrap(), &CONTENT, encryption).unwrap();
        let content_key = open_content_key(&sealed, &key).unwrap();
        Bodies {
            request: request(CONTENT.len(), Some(&document)),
            response: sealed_response(&sealed),
            content_key_digest: Some(content_key_digest(&content_key)),
        }
    }

    /// Returns the exchange of these bodies. `change` changes its receipt before the enclave signs it.
    pub(crate) fn exchange(
        &self,
        bodies: &Bodies,
        change: impl FnOnce(&mut Receipt<'_>),
    ) -> StoredExchange {
        self.exchange_with_document(self.identity_document(0), bodies, change)
    }

    pub(crate) fn exchange_with_document(
        &self,
        document: Vec<u8>,
        bodies: &Bodies,
        change: impl FnOnce(&mut Receipt<'_>),
    ) -> StoredExchange {
        let Bodies { request, response, content_key_digest } = bodies;
        let mut receipt = Receipt {
            request_id: "0f1e2d3c-4b5a-4968-8776-655443322110",
            operation: ReceiptOperation::GenerateRandom,
            content_key_digest: *content_key_digest,
            request_digest: Sha256::digest(request),
            response_digest: Sha256::digest(response),
            sequence: 7,
            source: Some(NSM_SOURCE),
            time: SystemClock.now(),
            nonce: &NONCE,
        };
        change(&mut receipt);
        let receipt = receipt.sign(&self.key).unwrap();
        StoredExchange::new(request.clone(), response.clone(), receipt, document).unwrap()
    }

    /// Writes a file, and returns its path.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Writes the root of the documents to a file.
    pub(crate) fn root(&self) -> String {
        self.file("root.pem", self.pki.root_certificate_pem())
    }

    pub(crate) fn root_pem(&self) -> String {
        self.pki.root_certificate_pem()
    }

    /// Writes the measurements of the enclave to a file.
    pub(crate) fn measurements(&self) -> String {
        self.file("measurements.json", measurements_json(&[]))
    }

    /// Runs `verify-receipt` with the root and the measurements of this enclave.
    pub(crate) fn verify(&self, arguments: &[&str]) -> Run {
        let (root, measurements) = (self.root(), self.measurements());
        let expectations = ["--simulator", "--root", &root, "--any-of", &measurements];
        run(&[&["verify-receipt"], &expectations[..], arguments].concat())
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Returns the JSON of PCR0 and PCR16, with these further members.
pub(crate) fn measurements_json(more: &[(&str, &str)]) -> String {
    let pcr0 = const_hex::encode(Enclave::pcrs()[&0]);
    let mut json = json!({ "PCR0": pcr0, "PCR16": const_hex::encode(PCR16) });
    for (name, value) in more {
        json[*name] = (*value).into();
    }
    json.to_string()
}

/// Returns the body of GenerateRandom.
pub(crate) fn request(number_of_bytes: usize, document: Option<&[u8]>) -> Vec<u8> {
    let recipient = document.map(|document| {
        json!({
            "KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256",
            "AttestationDocument": STANDARD.encode(document),
        })
    });
    json!({ "NumberOfBytes": number_of_bytes, "Recipient": recipient }).to_string().into_bytes()
}

pub(crate) fn sealed_response(ciphertext: &[u8]) -> Vec<u8> {
    json!({ "CiphertextForRecipient": STANDARD.encode(ciphertext) }).to_string().into_bytes()
}

/// Returns the bodies of a response that is not sealed.
pub(crate) fn plain() -> Bodies {
    let response = json!({ "Plaintext": STANDARD.encode(CONTENT) }).to_string().into_bytes();
    let request = json!({ "NumberOfBytes": CONTENT.len() }).to_string().into_bytes();
    Bodies { request, response, content_key_digest: None }
}

/// The result of one run of the command.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs `attested-recipient` with these arguments.
pub(crate) fn run(arguments: &[&str]) -> Run {
    let Output { status, stdout, stderr } = suite::command().args(arguments).output().unwrap();
    Run {
        status: status.code().unwrap(),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}

impl Run {
    /// Asserts that the report rejects exactly one check, with this text.
    #[track_caller]
    pub(crate) fn assert_rejects(&self, check: &str) {
        let mut rejections = self.stdout.lines().filter(|line| line.starts_with("REJECTED"));
        let rejection = rejections.next().unwrap_or_else(|| panic!("{self:?}"));
        assert!(rejection.contains(check), "{check}: {self:?}");
        assert_eq!((rejections.next(), self.status), (None, 1), "{self:?}");
        assert!(self.stdout.contains("\nrejected\n"), "{self:?}");
    }

    /// Asserts that the command rejects its arguments or files, with this text.
    #[track_caller]
    pub(crate) fn assert_usage(&self, text: &str) {
        assert_eq!((self.status, &*self.stdout), (2, ""), "{self:?}");
        assert!(self.stderr.contains(text), "{text}: {self:?}");
    }
}

/// Returns the time `hours` before now.
pub(crate) fn hours_ago(hours: u64) -> UnixMillis {
    SystemClock.now().minus_secs(hours * 3600)
}
