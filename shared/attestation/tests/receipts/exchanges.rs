//! Steps 3 and 7 to 10: the receipt of a live exchange.

use attestation::StatementSignatureError;
use attestation::receipt::{
    AllowedSources, ContentError, Moment, Receipt, ReceiptError, ReceiptOperation, ReceiptStep,
};

use crate::statement::{DIGEST_AAD, RECEIPT_AAD, RECEIPT_TYPE, Statement};
use crate::test_enclave::{
    NONCE, NOW, SEALED_REQUEST, SEALED_RESPONSE, TestEnclave, TestExchange, one_ms_after,
    one_ms_before, sets,
};

/// Asserts that the exchange with the change has the error of the step.
#[track_caller]
fn assert_rejected(change: impl FnOnce(&mut TestExchange), step: ReceiptStep, error: ReceiptError) {
    let enclave = TestEnclave::new();
    let exchange = TestExchange::with(change);
    let rejected = exchange.verify_signed_by(&enclave.key, &enclave.identity()).unwrap_err();
    assert_eq!((rejected.step(), rejected), (step, error));
}

/// Asserts that the exchange with the change is accepted.
#[track_caller]
fn assert_accepted(change: impl FnOnce(&mut TestExchange)) {
    let enclave = TestEnclave::new();
    let exchange = TestExchange::with(change);
    assert_eq!(exchange.verify_signed_by(&enclave.key, &enclave.identity()), Ok(()));
}

#[test]
fn accepts_receipt_of_the_exchange() {
    assert_accepted(|_| ());
}

#[test]
fn rejects_receipt_of_another_key() {
    let (enclave, other) = (TestEnclave::new(), TestEnclave::new());
    let (found, expected) = (other.identity().key_id(), enclave.identity().key_id());
    let rejected = TestExchange::new().verify_signed_by(&other.key, &enclave.identity());
    let error = ReceiptError::OtherKey { found, expected };
    assert_eq!(error.step(), ReceiptStep::Key);
    assert_eq!(rejected, Err(error));
    // The same with the key identifier of the enclave.
    let header = TestExchange::new().receipt.sign(&other.key).unwrap();
    let mut signed = Statement::of_header(&header, &other.key);
    signed.protected[8..40].copy_from_slice(&expected.0);
    let error = verify_header(&enclave, &signed.header()).unwrap_err();
    let invalid = StatementSignatureError::Invalid;
    assert_eq!((error.step(), error), (ReceiptStep::Signature, invalid.into()));
}

fn verify_header(enclave: &TestEnclave, header: &str) -> Result<(), ReceiptError> {
    let exchange = TestExchange::new();
    let moment = Moment::Live(exchange.live);
    exchange.verify_header(header.as_bytes(), &enclave.identity(), moment)
}

#[test]
fn rejects_high_s_and_other_signatures() {
    let enclave = TestEnclave::new();
    let header = TestExchange::new().receipt.sign(&enclave.key).unwrap();
    let signed = Statement::of_header(&header, &enclave.key);
    assert_eq!(verify_header(&enclave, &signed.header()), Ok(()));
    let high = signed.clone().with_high_s();
    let rejected = verify_header(&enclave, &high.header()).unwrap_err();
    let high_s = StatementSignatureError::HighS;
    assert_eq!((rejected.step(), rejected), (ReceiptStep::Signature, high_s.into()));
    let invalid = Err(StatementSignatureError::Invalid.into());
    for index in [2, 33] {
        let mut changed = signed.clone();
        changed.signature[index] ^= 1;
        assert_eq!(verify_header(&enclave, &changed.header()), invalid, "{index}");
    }
    let mut zero = signed.clone();
    zero.signature[2..].fill(0);
    assert_eq!(verify_header(&enclave, &zero.header()), invalid);
    // The last byte of the nonce.
    let mut changed = signed;
    *changed.payload.last_mut().unwrap() ^= 1;
    assert_eq!(verify_header(&enclave, &changed.header()), invalid);
}

#[test]
fn signature_covers_its_external_aad() {
    let enclave = TestEnclave::new();
    let header = TestExchange::new().receipt.sign(&enclave.key).unwrap();
    let good = Statement::of_header(&header, &enclave.key);
    let verify = |external_aad| {
        let payload = good.payload_content();
        let signed = Statement::signed(&enclave.key, RECEIPT_TYPE, external_aad, payload);
        verify_header(&enclave, &signed.header())
    };
    assert_eq!(verify(RECEIPT_AAD), Ok(()));
    for external_aad in [&[][..], b"attested-random receipt v2", DIGEST_AAD] {
        assert_eq!(verify(external_aad), Err(StatementSignatureError::Invalid.into()));
    }
}

#[test]
fn rejects_other_request_and_response() {
    use ReceiptStep::Binding;
    let request = br#"{"NumberOfBytes":33,"Recipient":{}}"#;
    assert_rejected(|exchange| exchange.request = request, Binding, ReceiptError::OtherRequest);
    let response = br#"{"CiphertextForRecipient":"AQ=="}"#;
    assert_rejected(|exchange| exchange.response = response, Binding, ReceiptError::OtherResponse);
    let swap = |exchange: &mut TestExchange| {
        (exchange.request, exchange.response) = (SEALED_RESPONSE, SEALED_REQUEST);
    };
    assert_rejected(swap, Binding, ReceiptError::OtherRequest);
}

#[test]
fn rejects_empty_nonce_and_nonce_of_another_attempt() {
    use ReceiptStep::Binding;
    let empty = ReceiptError::EmptyNonce;
    assert_rejected(|exchange| exchange.receipt.nonce = &[], Binding, empty.clone());
    let neither = |exchange: &mut TestExchange| {
        (exchange.receipt.nonce, exchange.live.nonce) = (&[], &[]);
    };
    assert_rejected(neither, Binding, empty);
    let other = ReceiptError::OtherNonce;
    assert_rejected(|exchange| exchange.live.nonce = &[7; 16], Binding, other.clone());
    assert_rejected(|exchange| exchange.live.nonce = &[6; 17], Binding, other.clone());
    assert_rejected(|exchange| exchange.live.nonce = &NONCE[..15], Binding, other);
}

#[test]
fn rejects_other_operation_and_request_id() {
    use ReceiptStep::Binding;
    let error = ReceiptError::OtherOperation {
        found: "GenerateRandom",
        expected: "DescribeCustomKeyStores",
    };
    let other = ReceiptOperation::DescribeCustomKeyStores;
    assert_rejected(|exchange| exchange.live.operation = other, Binding, error);
    let found = crate::test_enclave::REQUEST_ID.to_owned();
    for id in [None, Some(""), Some("01234567-89ab-4cde-8f01-23456789abce")] {
        let error = ReceiptError::OtherRequestId { found: found.clone() };
        assert_rejected(|exchange| exchange.live.request_id = id, Binding, error);
    }
}

#[test]
fn accepts_key_stores_only_by_id() {
    use ReceiptStep::Content;
    let of_key_store = |exchange: &mut TestExchange| exchange.receipt.source = Some("cks-1");
    let error = || ReceiptError::Source { source_id: "cks-1".to_owned() };
    assert_rejected(of_key_store, Content, error());
    let with_other = |exchange: &mut TestExchange| {
        of_key_store(exchange);
        exchange.sources = AllowedSources::nsm().with_key_store("cks-12").with_key_store("cks-");
    };
    assert_rejected(with_other, Content, error());
    assert_accepted(|exchange| {
        of_key_store(exchange);
        exchange.sources = AllowedSources::nsm().with_key_store("cks-2").with_key_store("cks-1");
    });
    assert_accepted(|exchange| exchange.sources = AllowedSources::nsm().with_key_store("cks-2"));
}

/// Makes an exchange of these bodies.
fn set_bodies(exchange: &mut TestExchange, request: &'static [u8], response: &'static [u8]) {
    *exchange = TestExchange::of(request, response);
}

const PLAIN_REQUEST: &[u8] = br#"{"NumberOfBytes":32}"#;
const PLAIN_RESPONSE: &[u8] = br#"{"Plaintext":"AA=="}"#;

fn plain_without_cek(exchange: &mut TestExchange) {
    set_bodies(exchange, PLAIN_REQUEST, PLAIN_RESPONSE);
    exchange.receipt.content_key_digest = None;
}

#[test]
fn cek_stands_exactly_on_sealed_answers() {
    use ReceiptStep::Content;
    assert_accepted(plain_without_cek);
    let missing = ReceiptError::NoContentKeyDigest;
    assert_rejected(|exchange| exchange.receipt.content_key_digest = None, Content, missing);
    let plain = |exchange: &mut TestExchange| set_bodies(exchange, PLAIN_REQUEST, PLAIN_RESPONSE);
    assert_rejected(plain, Content, ReceiptError::UnexpectedContentKeyDigest);
}

#[test]
fn answer_to_a_recipient_has_no_plaintext() {
    use ReceiptStep::Content;
    let both = br#"{"CiphertextForRecipient":"AA==","Plaintext":""}"#;
    let error = ReceiptError::PlaintextForRecipient;
    assert_rejected(|exchange| set_bodies(exchange, SEALED_REQUEST, both), Content, error.clone());
    let plain = |exchange: &mut TestExchange| {
        set_bodies(exchange, SEALED_REQUEST, PLAIN_RESPONSE);
        exchange.receipt.content_key_digest = None;
    };
    assert_rejected(plain, Content, error);
}

#[test]
fn rejects_bodies_that_are_not_objects() {
    use ReceiptStep::Content;
    for (request, response, body) in
        [(&b"[]"[..], SEALED_RESPONSE, "request"), (SEALED_REQUEST, b"{", "response")]
    {
        let error = ReceiptError::Content(ContentError { body });
        assert_rejected(|exchange| set_bodies(exchange, request, response), Content, error);
    }
}

#[test]
fn time_is_within_5_minutes_of_now() {
    for time in [NOW.plus_secs(300), NOW.minus_secs(300)] {
        assert_accepted(|exchange| exchange.receipt.time = time);
    }
    for time in [one_ms_after(NOW.plus_secs(300)), one_ms_before(NOW.minus_secs(300))] {
        let error = ReceiptError::Time { receipt_time: time, now: NOW };
        assert_rejected(|exchange| exchange.receipt.time = time, ReceiptStep::Time, error);
    }
}

#[test]
fn document_is_used_for_one_hour() {
    let enclave = TestEnclave::new();
    let identity = enclave.verify_live_at(enclave.document(), &sets(), NOW).unwrap();
    let verify_at = |now| {
        let change = |exchange: &mut TestExchange| {
            (exchange.live.now, exchange.receipt.time) = (now, now);
        };
        TestExchange::with(change).verify_signed_by(&enclave.key, &identity)
    };
    let last = NOW.plus_secs(3600);
    assert_eq!(verify_at(last), Ok(()));
    let now = one_ms_after(last);
    let error = ReceiptError::DocumentExpired { document_time: NOW, now };
    assert_eq!(error.step(), ReceiptStep::Freshness);
    assert_eq!(verify_at(now), Err(error));
}

#[test]
fn accepts_description_of_key_stores() {
    let description = ReceiptOperation::DescribeCustomKeyStores;
    assert_accepted(|exchange| {
        set_bodies(exchange, b"{}", br#"{"CustomKeyStores":[],"Truncated":false}"#);
        let receipt = exchange.receipt.clone();
        exchange.receipt =
            Receipt { operation: description, content_key_digest: None, source: None, ..receipt };
        exchange.live.operation = description;
    });
}
