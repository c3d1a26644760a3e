//! A simulated root and chain that can sign documents of any form.

use attestation::cms::RecipientPrivateKey;
use attestation::time::UnixMillis;
use attestation::{
    ClockReading, DebugMode, MalformedDocument, MaxAge, PcrFamily, Simulated, TrustAnchors,
    UntrustedDocument, UnverifiedDocument, VerifiedDocument,
};
use simulator::{Chain, DocumentSpec, Root, default_pcrs};

pub(crate) const NOW: UnixMillis = UnixMillis::from_secs(1_800_000_000);

/// The error of a rejected document.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum DocumentError {
    Malformed(MalformedDocument),
    Untrusted(UntrustedDocument),
}

pub(crate) struct TestPki {
    pub(crate) chain: Chain,
    anchors: TrustAnchors<Simulated>,
}

impl TestPki {
    pub(crate) fn new() -> Self {
        let root = Root::generate().unwrap();
        let chain = Chain::issue(&root, NOW).unwrap();
        let pki = Self { chain, anchors: TrustAnchors::simulator_root(root.certificate()) };
        // The first verification initializes global state, which must not be part of a later
        // measurement.
        pki.verify(pki.typical_document()).unwrap();
        pki
    }

    pub(crate) fn verify(
        &self,
        document: Vec<u8>,
    ) -> Result<VerifiedDocument<Simulated>, DocumentError> {
        UnverifiedDocument::parse(document)
            .map_err(DocumentError::Malformed)?
            .verify_live(
                &self.anchors,
                ClockReading::given(NOW),
                MaxAge::default(),
                DebugMode::Reject,
            )
            .map_err(DocumentError::Untrusted)
    }

    /// Returns the document of an enclave with an RSA-2048 key.
    pub(crate) fn typical_document(&self) -> Vec<u8> {
        Self::spec(include_str!("../../keys/rsa-2048.pem"), None).sign(&self.chain).unwrap()
    }

    /// Returns a document with the longest key and the maximum user data and nonce.
    pub(crate) fn longest_document(&self) -> Vec<u8> {
        let extra = Some(vec![7; 1024]);
        Self::spec(include_str!("../../keys/rsa-4096.pem"), extra).sign(&self.chain).unwrap()
    }

    fn spec(pem: &str, extra: Option<Vec<u8>>) -> DocumentSpec {
        let key = RecipientPrivateKey::from_pem(pem).unwrap();
        DocumentSpec {
            module_id: "simulated".to_owned(),
            timestamp: NOW,
            family: PcrFamily::NitroEnclave,
            pcrs: default_pcrs(PcrFamily::NitroEnclave),
            public_key: Some(key.public_key_der().to_vec()),
            user_data: extra.clone(),
            nonce: extra,
        }
    }

    /// Returns the CBOR payload of a typical document, without the break byte (0xff) that ends its map.
    pub(crate) fn open_payload(&self, certificate: &[u8], cabundle: &[&[u8]]) -> Vec<u8> {
        let spec = Self::spec(include_str!("../../keys/rsa-2048.pem"), None);
        let mut payload = spec.payload(certificate, cabundle);
        payload.pop();
        payload
    }
}
