//! Property tests: sealed content opens to itself, and changed documents are rejected.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a panic fails the test")]

mod changed_documents;
mod seal_and_open;

use std::sync::Arc;

use attestation::time::UnixMillis;
use attestation::{
    ClockReading, DebugMode, MaxAge, PcrFamily, Simulated, TrustAnchors, UnverifiedDocument,
    VerifiedDocument,
};
use simulator::{DocumentRequest, SimulatedPki, default_pcrs};

const NOW: UnixMillis = UnixMillis::from_secs(1_800_000_000);

/// A simulated PKI with a fixed clock, and its trust anchors.
struct Fixture {
    pki: SimulatedPki,
    anchors: TrustAnchors<Simulated>,
}

impl Fixture {
    fn new() -> Self {
        let pki = SimulatedPki::new(Arc::new(|| NOW)).unwrap();
        let anchors = TrustAnchors::simulator_root(pki.root_certificate());
        Self { pki, anchors }
    }

    fn document(&self, public_key: &[u8]) -> Vec<u8> {
        let request = DocumentRequest {
            family: PcrFamily::NitroEnclave,
            pcrs: default_pcrs(PcrFamily::NitroEnclave),
            public_key: Some(public_key.to_vec()),
            user_data: Some(b"user data".to_vec()),
            nonce: None,
            age_seconds: 0,
        };
        self.pki.document(request).unwrap()
    }

    /// Returns the verified document, or `None` if parsing or verification rejects it.
    fn verify(&self, document: Vec<u8>) -> Option<VerifiedDocument<Simulated>> {
        UnverifiedDocument::parse(document)
            .ok()?
            .verify_live(
                &self.anchors,
                ClockReading::given(NOW),
                MaxAge::default(),
                DebugMode::Reject,
            )
            .ok()
    }
}
