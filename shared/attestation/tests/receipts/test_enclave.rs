//! An enclave with a receipt key and a document, and one exchange with it.

use std::collections::BTreeMap;

use attestation::crypto::{Es256Key, Sha256};
use attestation::receipt::{
    AllowedSources, Exchange, LiveRequest, Moment, NSM_SOURCE, Receipt, ReceiptBytes, ReceiptError,
    ReceiptOperation, ResponseHead, VerifiedIdentity,
};
use attestation::time::UnixMillis;
use attestation::{
    ClockReading, Identity, MeasurementSet, MeasurementSets, PcrFamily, PcrValue, Simulated,
    TrustAnchors,
};
use simulator::{DocumentBuilder, DocumentSpec, default_pcrs};

/// The time of the document, of the receipt and of the verification.
pub(crate) const NOW: UnixMillis = UnixMillis::from_secs(1_800_000_000);

/// The name of the set of [`TestEnclave::sets`].
pub(crate) const SET: &str = "expected";

pub(crate) const NONCE: [u8; 16] = [6; 16];
pub(crate) const REQUEST_ID: &str = "01234567-89ab-4cde-8f01-23456789abcd";
pub(crate) const SEALED_REQUEST: &[u8] = br#"{"NumberOfBytes":32,"Recipient":{}}"#;
pub(crate) const SEALED_RESPONSE: &[u8] = br#"{"CiphertextForRecipient":"AA=="}"#;

/// A receipt key, and the content of the document that attests the key.
pub(crate) struct TestEnclave {
    pub(crate) key: Es256Key,
    builder: DocumentBuilder,
}

impl TestEnclave {
    pub(crate) fn new() -> Self {
        let key = Es256Key::generate().unwrap();
        let mut builder = DocumentBuilder::new(4, NOW).unwrap();
        builder.document.pcrs = pcrs();
        builder.document.user_data = Some(identity(&key).to_user_data());
        Self { key, builder }
    }

    pub(crate) fn anchors(&self) -> TrustAnchors<Simulated> {
        TrustAnchors::simulator_root(self.root())
    }

    /// Returns the root of the document's certificates, as DER.
    pub(crate) fn root(&self) -> &[u8] {
        self.builder.root()
    }

    pub(crate) fn document(&self) -> Vec<u8> {
        self.document_with(|_| ())
    }

    /// Returns a document with a changed content.
    pub(crate) fn document_with(&self, change: impl FnOnce(&mut DocumentSpec)) -> Vec<u8> {
        let mut builder = self.builder.clone();
        change(&mut builder.document);
        builder.sign().unwrap()
    }

    /// Verifies a document at `now` as a live one.
    pub(crate) fn verify_live_at(
        &self,
        document: Vec<u8>,
        sets: &MeasurementSets,
        now: UnixMillis,
    ) -> Result<VerifiedIdentity, ReceiptError> {
        let now = ClockReading::given(now);
        VerifiedIdentity::verify_live(document, &self.anchors(), Some(sets), now)
    }

    pub(crate) fn verify_live(&self, document: Vec<u8>) -> Result<VerifiedIdentity, ReceiptError> {
        self.verify_live_at(document, &sets(), NOW)
    }

    pub(crate) fn verify_stored(
        &self,
        document: Vec<u8>,
        receipt_time: UnixMillis,
    ) -> Result<VerifiedIdentity, ReceiptError> {
        let sets = sets();
        VerifiedIdentity::verify_stored(document, &self.anchors(), Some(&sets), receipt_time)
    }

    /// Returns the identity of the valid document.
    pub(crate) fn identity(&self) -> VerifiedIdentity {
        self.verify_live(self.document()).unwrap()
    }
}

/// Returns the identity with the key alone.
pub(crate) fn identity(key: &Es256Key) -> Identity {
    Identity { receipt_key: *key.public_key(), tls_key: None, tls_ca: None, config: None }
}

/// Returns the registers of the enclave.
pub(crate) fn pcrs() -> BTreeMap<u8, PcrValue> {
    let mut pcrs = default_pcrs(PcrFamily::NitroEnclave);
    pcrs.insert(16, [0x16; 48]);
    pcrs
}

/// Returns a set of the registers with these indexes.
pub(crate) fn set_of(indexes: &[u8]) -> MeasurementSet {
    let pcrs = pcrs();
    MeasurementSet::new(SET, indexes.iter().map(|index| (*index, pcrs[index])).collect())
}

/// Returns the expected measurements.
pub(crate) fn sets() -> MeasurementSets {
    MeasurementSets::new(vec![set_of(&[0, 16])]).unwrap()
}

/// An exchange with a sealed response, and the expectations of its client. All fields match.
pub(crate) struct TestExchange {
    pub(crate) receipt: Receipt<'static>,
    pub(crate) request: &'static [u8],
    pub(crate) response: &'static [u8],
    pub(crate) sources: AllowedSources,
    pub(crate) live: LiveRequest<'static>,
}

impl TestExchange {
    pub(crate) fn new() -> Self {
        Self::of(SEALED_REQUEST, SEALED_RESPONSE)
    }

    /// Returns an exchange of these bodies. The receipt has a `cek`.
    pub(crate) fn of(request: &'static [u8], response: &'static [u8]) -> Self {
        let receipt = Receipt {
            request_id: REQUEST_ID,
            operation: ReceiptOperation::GenerateRandom,
            content_key_digest: Some([1; 32]),
            request_digest: Sha256::digest(request),
            response_digest: Sha256::digest(response),
            sequence: 4,
            source: Some(NSM_SOURCE),
            time: NOW,
            nonce: &NONCE,
        };
        let live = LiveRequest {
            now: NOW,
            nonce: &NONCE,
            operation: ReceiptOperation::GenerateRandom,
            request_id: Some(REQUEST_ID),
        };
        Self { receipt, request, response, sources: AllowedSources::nsm(), live }
    }

    /// Returns the exchange with a change.
    pub(crate) fn with(change: impl FnOnce(&mut Self)) -> Self {
        let mut exchange = Self::new();
        change(&mut exchange);
        exchange
    }

    /// Signs the receipt with `key`, and verifies it as the receipt of a live response.
    pub(crate) fn verify_signed_by(
        &self,
        key: &Es256Key,
        identity: &VerifiedIdentity,
    ) -> Result<(), ReceiptError> {
        let header = self.receipt.sign(key).unwrap();
        self.verify_header(header.as_bytes(), identity, Moment::Live(self.live))
    }

    /// Signs the receipt with `key`, and verifies it as a stored one.
    pub(crate) fn verify_stored(
        &self,
        key: &Es256Key,
        identity: &VerifiedIdentity,
    ) -> Result<(), ReceiptError> {
        let header = self.receipt.sign(key).unwrap();
        self.verify_header(header.as_bytes(), identity, Moment::Stored)
    }

    pub(crate) fn verify_header(
        &self,
        header: &[u8],
        identity: &VerifiedIdentity,
        moment: Moment<'_>,
    ) -> Result<(), ReceiptError> {
        let Self { request, response, sources, .. } = self;
        let bytes = ReceiptBytes::from_response(ok(&[header]))?;
        let exchange = Exchange { request, response, sources, moment };
        bytes.parse()?.verify(identity, &exchange).map(drop)
    }
}

/// Returns the head of a response with status 200.
pub(crate) const fn ok<'a>(receipts: &'a [&'a [u8]]) -> ResponseHead<'a> {
    ResponseHead { status: 200, receipts, has_content_encoding: false }
}

pub(crate) const fn one_ms_after(time: UnixMillis) -> UnixMillis {
    UnixMillis::new(time.as_millis() + 1)
}

pub(crate) const fn one_ms_before(time: UnixMillis) -> UnixMillis {
    UnixMillis::new(time.as_millis() - 1)
}
