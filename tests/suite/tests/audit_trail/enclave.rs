//! Enclaves whose trails are written by the code of the service, and the verification of these trails.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use ::enclave::audit::{DigestSources, TestTrail};
use ::enclave::clock::{Clock, SystemClock};
use attestation::crypto::{Es256Key, Sha256};
use attestation::receipt::{NSM_SOURCE, Receipt, ReceiptOperation};
use attestation::time::UnixMillis;
use attestation::{
    AuditStream, Identity, KeyId, MeasurementSet, MeasurementSets, PCR_LENGTH, PcrFamily, PcrValue,
    Production, TrustAnchors,
};
use attested_recipient::audit::{Finding, StreamReport, TrailReport, verify_trail};
use attested_recipient::{Expectations, StoredExchange};
use simulator::{DocumentRequest, SimulatedPki, default_pcrs};
use tempfile::TempDir;

/// The simulated authority over all enclaves of a test, and a folder for trails.
pub(crate) struct Fleet {
    pki: SimulatedPki,
    folder: TempDir,
}

/// An enclave with a trail.
pub(crate) struct Enclave {
    pub(crate) key: Arc<Es256Key>,
    pub(crate) document: Vec<u8>,
    pub(crate) trail: TestTrail,
}

impl Fleet {
    pub(crate) fn new() -> Self {
        let pki = SimulatedPki::new(Arc::new(|| SystemClock.now())).unwrap();
        Self { pki, folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn start_enclave(&self) -> Enclave {
        let key = Arc::new(Es256Key::generate().unwrap());
        let document = self.document(&key);
        let in_digest: Arc<[u8]> = document.clone().into();
        let trail = TestTrail::new(DigestSources {
            receipt_key: Arc::clone(&key),
            now: Box::new(|| SystemClock.now()),
            document: Box::new(move || Some(Arc::clone(&in_digest))),
        });
        Enclave { key, document, trail }
    }

    /// Returns a document that attests `key`.
    pub(crate) fn document(&self, key: &Es256Key) -> Vec<u8> {
        let receipt_key = *key.public_key();
        let identity = Identity { receipt_key, tls_key: None, tls_ca: None, config: None };
        let family = PcrFamily::NitroEnclave;
        let request = DocumentRequest {
            family,
            pcrs: pcrs(),
            public_key: None,
            user_data: Some(identity.to_user_data()),
            nonce: None,
            age_seconds: 0,
        };
        self.pki.document(request).unwrap()
    }

    pub(crate) fn expectations(&self) -> Expectations {
        Expectations::simulator().with_anchors(self.anchors())
    }

    /// Expects the measurements of the documents, until `not_after`.
    pub(crate) fn expectations_until(&self, not_after: UnixMillis) -> Expectations {
        let set = MeasurementSet::new("set", pcrs()).with_not_after(Some(not_after));
        let sets = MeasurementSets::new(vec![set]).unwrap();
        Expectations::new(sets).accept_simulators().with_anchors(self.anchors())
    }

    fn anchors(&self) -> TrustAnchors<Production> {
        let mut anchors = TrustAnchors::aws_nitro();
        anchors.add_pem(self.pki.root_certificate_pem().as_bytes()).unwrap();
        anchors
    }

    /// Writes a trail to a file, and returns its path.
    pub(crate) fn file(&self, name: &str, lines: &[Vec<u8>]) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, lines.concat()).unwrap();
        path
    }

    /// Writes the root certificate to a file, and returns its path.
    pub(crate) fn root(&self) -> PathBuf {
        self.file("root.pem", &[self.pki.root_certificate_pem().into_bytes()])
    }

    pub(crate) fn verify(&self, lines: &[Vec<u8>]) -> TrailReport {
        self.verify_with(lines, &[], None)
    }

    pub(crate) fn verify_with(
        &self,
        lines: &[Vec<u8>],
        exchanges: &[StoredExchange],
        until: Option<UnixMillis>,
    ) -> TrailReport {
        let file = self.file("trail", lines);
        verify_trail(&[file], &self.expectations(), exchanges, until).unwrap()
    }
}

impl Enclave {
    pub(crate) fn stream(&self) -> AuditStream {
        AuditStream::of(KeyId::of(self.key.public_key()))
    }

    pub(crate) fn record(&mut self) -> Vec<u8> {
        self.trail.record(SystemClock.now()).0
    }

    /// Returns `count` records and a digest over them.
    pub(crate) fn minute(&mut self, count: usize) -> Vec<Vec<u8>> {
        let mut lines: Vec<_> = (0..count).map(|_| self.record()).collect();
        lines.push(self.trail.digest());
        lines
    }

    /// Returns a stored exchange with this number and request ID in its receipt.
    pub(crate) fn exchange(&self, sequence: u64, request_id: &str) -> StoredExchange {
        let (request, response) = (br#"{"NumberOfBytes":1}"#.to_vec(), br#"{"Plaintext":"AA=="}"#);
        let receipt = Receipt {
            request_id,
            operation: ReceiptOperation::GenerateRandom,
            content_key_digest: None,
            request_digest: Sha256::digest(&request),
            response_digest: Sha256::digest(response),
            sequence,
            source: Some(NSM_SOURCE),
            time: SystemClock.now(),
            nonce: &[7; 16],
        };
        let receipt = receipt.sign(&self.key).unwrap();
        StoredExchange::new(request, response.to_vec(), receipt, self.document.clone()).unwrap()
    }
}

/// Returns the measurements in the documents.
fn pcrs() -> BTreeMap<u8, PcrValue> {
    let identifying = [(0, [1; PCR_LENGTH]), (16, [2; PCR_LENGTH])];
    default_pcrs(PcrFamily::NitroEnclave)
        .into_iter()
        .filter(|(_, value)| value.iter().any(|byte| *byte != 0))
        .chain(identifying)
        .collect()
}

/// Returns the report of a stream.
pub(crate) fn report_of(report: &TrailReport, stream: AuditStream) -> &StreamReport {
    report.streams.iter().find(|report| report.stream == stream).unwrap()
}

/// Asserts that the stream has exactly these findings, and that the trail is rejected if one of them is a failure.
#[track_caller]
pub(crate) fn assert_findings(report: &TrailReport, stream: AuditStream, expected: &[&str]) {
    let mut printed = String::new();
    let found = &report_of(report, stream).findings;
    let texts: Vec<_> = found.iter().map(ToString::to_string).collect();
    write!(printed, "{report}").unwrap();
    assert_eq!(texts.len(), expected.len(), "{printed}");
    for (text, expected) in texts.iter().zip(expected) {
        assert!(text.starts_with(expected), "{expected:?}: {printed}");
    }
    let others = report.streams.iter().filter(|report| report.stream != stream);
    assert!(others.into_iter().all(|report| report.findings.is_empty()), "{printed}");
    assert_eq!(report.is_verified(), !found.iter().any(Finding::is_failure), "{printed}");
}
