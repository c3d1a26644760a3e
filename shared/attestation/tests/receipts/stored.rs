//! Steps 5 to 10 for a stored exchange.

use attestation::receipt::{ReceiptError, ReceiptStep, VerifiedIdentity};
use attestation::time::UnixMillis;
use attestation::{MeasurementSets, UntrustedDocument};

use crate::test_enclave::{
    NOW, SET, TestEnclave, TestExchange, one_ms_after, one_ms_before, set_of,
};

const DAY: u64 = 24 * 60 * 60;

/// Returns the first times at which the document is too far from the receipt.
fn too_far() -> [UnixMillis; 2] {
    [one_ms_after(NOW.plus_secs(DAY)), one_ms_before(NOW.minus_secs(DAY))]
}

#[test]
fn stored_document_is_within_24_h_of_the_receipt() {
    let enclave = TestEnclave::new();
    for receipt_time in [NOW, NOW.plus_secs(DAY), NOW.minus_secs(DAY)] {
        let identity = enclave.verify_stored(enclave.document(), receipt_time).unwrap();
        assert_eq!((identity.document_time(), identity.set_name()), (NOW, Some(SET)));
    }
    for receipt_time in too_far() {
        let rejected = enclave.verify_stored(enclave.document(), receipt_time).unwrap_err();
        let error = ReceiptError::DocumentTooFar { document_time: NOW, receipt_time };
        assert_eq!((rejected.step(), rejected), (ReceiptStep::Freshness, error));
    }
}

/// The identity may have been verified for another receipt.
#[test]
fn receipt_is_within_24_h_of_the_document() {
    let enclave = TestEnclave::new();
    let identity = enclave.verify_stored(enclave.document(), NOW).unwrap();
    for receipt_time in [NOW.plus_secs(DAY), NOW.minus_secs(DAY)] {
        let exchange = TestExchange::with(|exchange| exchange.receipt.time = receipt_time);
        assert_eq!(exchange.verify_stored(&enclave.key, &identity), Ok(()));
    }
    for receipt_time in too_far() {
        let exchange = TestExchange::with(|exchange| exchange.receipt.time = receipt_time);
        let error = ReceiptError::DocumentTooFar { document_time: NOW, receipt_time };
        assert_eq!(exchange.verify_stored(&enclave.key, &identity), Err(error));
    }
}

#[test]
fn stored_exchange_needs_no_nonce_and_no_headers() {
    let enclave = TestEnclave::new();
    let identity = enclave.verify_stored(enclave.document(), NOW).unwrap();
    let exchange = TestExchange::with(|exchange| exchange.receipt.nonce = &[]);
    assert_eq!(exchange.verify_stored(&enclave.key, &identity), Ok(()));
    let other = TestExchange::with(|exchange| exchange.response = b"{}");
    let rejected = other.verify_stored(&enclave.key, &identity);
    assert_eq!(rejected, Err(ReceiptError::OtherResponse));
}

#[test]
fn rejects_receipt_after_the_end_of_its_set() {
    let enclave = TestEnclave::new();
    let not_after = NOW.plus_secs(1);
    let set = set_of(&[0, 16]).with_not_after(Some(not_after));
    let sets = MeasurementSets::new(vec![set]).unwrap();
    let identity =
        VerifiedIdentity::verify_stored(enclave.document(), &enclave.anchors(), Some(&sets), NOW);
    let identity = identity.unwrap();
    let verify_at = |time| {
        let exchange = TestExchange::with(|exchange| exchange.receipt.time = time);
        let stored = exchange.verify_stored(&enclave.key, &identity);
        assert_eq!(exchange.verify_signed_by(&enclave.key, &identity), stored);
        stored
    };
    assert_eq!(verify_at(not_after), Ok(()));
    let receipt_time = one_ms_after(not_after);
    let error = ReceiptError::SetEnded { set: SET.to_owned(), not_after, at: receipt_time };
    assert_eq!(error.step(), ReceiptStep::Measurements);
    assert_eq!(verify_at(receipt_time), Err(error));
}

/// The certificates in the document are valid for 1000 s after its timestamp.
#[test]
fn stored_document_outlives_its_certificates() {
    let enclave = TestEnclave::new();
    let late = NOW.plus_secs(1001);
    let rejected = enclave.verify_live_at(enclave.document(), &crate::test_enclave::sets(), late);
    let is_expired = matches!(
        rejected,
        Err(ReceiptError::Untrusted(UntrustedDocument::CertificateExpired { .. }))
    );
    assert!(is_expired, "{rejected:?}");
    assert!(enclave.verify_stored(enclave.document(), late).is_ok());
}
