//! Rows G: receipts of another exchange.

use attestation::receipt::{
    AllowedSources, ContentError, ReceiptError, ReceiptOperation, ReceiptSet,
};
use attestation::{KeyId, StatementSignatureError};
use attested_recipient::{ContentKey, DisclosureError, Expectations, StoredExchange};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::harness::receipts::{
    ENCLAVE, OTHER_ENCLAVE, header, statement, verify_exchange, verify_header,
};
use crate::harness::row::{Row, row};
use crate::harness::summary::Outcome;
use crate::statement::{DIGEST_AAD, RECEIPT_TYPE, Statement};
use crate::test_enclave::{
    NONCE, NOW, REQUEST_ID, SEALED_REQUEST, SEALED_RESPONSE, TestExchange, one_ms_after,
    one_ms_before, sets,
};

const PLAIN_REQUEST: &[u8] = br#"{"NumberOfBytes":32}"#;
const PLAIN_RESPONSE: &[u8] = br#"{"Plaintext":"AA=="}"#;

pub(crate) fn rows() -> Vec<Row> {
    vec![
        another_key(),
        high_s(),
        external_aad(),
        other_bodies(),
        empty_nonce(),
        nonce_of_another_attempt(),
        other_operation(),
        key_store(),
        content_key_digest(),
        content(),
        time(),
        repeated_sequence(),
    ]
}

/// Returns row G23.
fn another_key() -> Row {
    let key_id = KeyId::of(ENCLAVE.key.public_key());
    let found = KeyId::of(OTHER_ENCLAVE.key.public_key());
    let other = || TestExchange::new().receipt.sign(&OTHER_ENCLAVE.key).unwrap();
    row("G23", "another key")
        .rejects_receipt("", ReceiptError::OtherKey { found, expected: key_id }, move || {
            verify_header(&other())
        })
        .rejects_receipt("under the key's name", StatementSignatureError::Invalid, move || {
            let mut signed = Statement::of_header(&other(), &OTHER_ENCLAVE.key);
            signed.protected = statement().protected;
            verify_header(&signed.header())
        })
        .rejects_receipt("a changed signature", StatementSignatureError::Invalid, || {
            let mut signed = statement();
            signed.signature[2] ^= 1;
            verify_header(&signed.header())
        })
}

/// Returns row G24.
fn high_s() -> Row {
    row("G24", "high s").rejects_receipt("", StatementSignatureError::HighS, || {
        verify_header(&statement().with_high_s().header())
    })
}

/// Returns row G25.
fn external_aad() -> Row {
    let row = row("G25", "another external_aad");
    let cases = [("none", &[][..]), ("of an audit digest", DIGEST_AAD)];
    cases.into_iter().fold(row, |row, (name, external_aad)| {
        row.rejects_receipt(name, StatementSignatureError::Invalid, move || {
            let (key, statement) = (&ENCLAVE.key, statement());
            let payload = statement.payload_content();
            verify_header(&Statement::signed(key, RECEIPT_TYPE, external_aad, payload).header())
        })
    })
}

/// Returns row G26.
fn other_bodies() -> Row {
    row("G26", "swapped request or response")
        .rejects_receipt("another request", ReceiptError::OtherRequest, || {
            verify_exchange(|exchange| exchange.request = PLAIN_REQUEST)
        })
        .rejects_receipt("another response", ReceiptError::OtherResponse, || {
            verify_exchange(|exchange| exchange.response = PLAIN_RESPONSE)
        })
        .rejects_receipt("swapped", ReceiptError::OtherRequest, || {
            verify_exchange(|exchange| {
                (exchange.request, exchange.response) = (SEALED_RESPONSE, SEALED_REQUEST);
            })
        })
        .rejects_receipt("a space after the response", ReceiptError::OtherResponse, || {
            verify_exchange(|exchange| {
                exchange.response = br#"{"CiphertextForRecipient":"AA=="} "#;
            })
        })
}

/// Returns row G27.
fn empty_nonce() -> Row {
    row("G27", "an empty nonce")
        .rejects_receipt("in the receipt", ReceiptError::EmptyNonce, || {
            verify_exchange(|exchange| exchange.receipt.nonce = &[])
        })
        .rejects_receipt("in both", ReceiptError::EmptyNonce, || {
            verify_exchange(|exchange| {
                (exchange.receipt.nonce, exchange.live.nonce) = (&[], &[]);
            })
        })
}

/// Returns row G28.
fn nonce_of_another_attempt() -> Row {
    row("G28", "the nonce of another attempt")
        .rejects_receipt("another nonce", ReceiptError::OtherNonce, || {
            verify_exchange(|exchange| exchange.live.nonce = &[7; 16])
        })
        .rejects_receipt("a longer nonce", ReceiptError::OtherNonce, || {
            verify_exchange(|exchange| exchange.live.nonce = &[NONCE[0]; 17])
        })
}

/// Returns row G29.
fn other_operation() -> Row {
    let operation = ReceiptOperation::DescribeCustomKeyStores;
    let (found, expected) = ("GenerateRandom", operation.name());
    let other_id = || ReceiptError::OtherRequestId { found: REQUEST_ID.to_owned() };
    row("G29", "another operation or request id")
        .rejects_receipt("operation", ReceiptError::OtherOperation { found, expected }, move || {
            verify_exchange(|exchange| exchange.live.operation = operation)
        })
        .rejects_receipt("id", other_id(), || {
            verify_exchange(|exchange| exchange.live.request_id = Some("0"))
        })
        .rejects_receipt("no id", other_id(), || {
            verify_exchange(|exchange| exchange.live.request_id = None)
        })
}

/// Returns row G30.
fn key_store() -> Row {
    let error = || ReceiptError::Source { source_id: "cks-1".to_owned() };
    row("G30", "src of a key store")
        .rejects_receipt("none allowed", error(), || {
            verify_exchange(|exchange| exchange.receipt.source = Some("cks-1"))
        })
        .rejects_receipt("another allowed", error(), || {
            verify_exchange(|exchange| {
                exchange.receipt.source = Some("cks-1");
                exchange.sources = AllowedSources::nsm().with_key_store("cks-12");
            })
        })
}

/// Returns row G31.
fn content_key_digest() -> Row {
    row("G31", "cek missing, on a plain answer, or of another key")
        .rejects_receipt("missing", ReceiptError::NoContentKeyDigest, || {
            verify_exchange(|exchange| exchange.receipt.content_key_digest = None)
        })
        .rejects_receipt("plain answer", ReceiptError::UnexpectedContentKeyDigest, || {
            verify_exchange(|exchange| {
                *exchange = TestExchange::of(PLAIN_REQUEST, PLAIN_RESPONSE);
            })
        })
        .custom("of another key", Outcome::Rejected, || {
            let other = ContentKey::from_hex(&"5a".repeat(32)).unwrap();
            assert_eq!(disclosure_error(&other), DisclosureError::OtherKey);
        })
}

/// Verifies the valid exchange as a stored one, and returns the error of this disclosure.
fn disclosure_error(content_key: &ContentKey) -> DisclosureError {
    let der = STANDARD.encode(ENCLAVE.root());
    let pem = format!("-----BEGIN CERTIFICATE-----\n{der}\n-----END CERTIFICATE-----\n");
    let expectations = Expectations::new(sets()).with_root_pem(pem.as_bytes()).unwrap();
    let (request, response) = (SEALED_REQUEST.to_vec(), SEALED_RESPONSE.to_vec());
    let stored = StoredExchange::new(request, response, header(), ENCLAVE.document()).unwrap();
    let verified = stored.verify(&expectations, &AllowedSources::nsm()).unwrap();
    verified.open(content_key).unwrap_err()
}

/// Returns row G32.
fn content() -> Row {
    let bodies = |request: &'static [u8], response: &'static [u8]| {
        move || verify_exchange(|exchange| *exchange = TestExchange::of(request, response))
    };
    let both = br#"{"CiphertextForRecipient":"AA==","Plaintext":"AA=="}"#;
    let twice = br#"{"CiphertextForRecipient":"AA==","CiphertextForRecipient":"AA=="}"#;
    let error = |body| ContentError { body };
    row("G32", "a Plaintext for a Recipient, or other bodies")
        .rejects_receipt("both", ReceiptError::PlaintextForRecipient, bodies(SEALED_REQUEST, both))
        .rejects_receipt("plain", ReceiptError::PlaintextForRecipient, || {
            verify_exchange(|exchange| {
                *exchange = TestExchange::of(SEALED_REQUEST, PLAIN_RESPONSE);
                exchange.receipt.content_key_digest = None;
            })
        })
        .rejects_receipt("a member twice", error("response"), bodies(SEALED_REQUEST, twice))
        .rejects_receipt("an array", error("request"), bodies(b"[]", SEALED_RESPONSE))
}

/// Returns row G33.
fn time() -> Row {
    let row = row("G33", "time over 5 minutes from now");
    let late = one_ms_after(NOW.plus_secs(300));
    let early = one_ms_before(NOW.minus_secs(300));
    [("late", late), ("early", early)].into_iter().fold(row, |row, (name, receipt_time)| {
        let error = ReceiptError::Time { receipt_time, now: NOW };
        row.rejects_receipt(name, error, move || {
            verify_exchange(|exchange| exchange.receipt.time = receipt_time)
        })
    })
}

/// Returns row G34.
fn repeated_sequence() -> Row {
    let key_id = KeyId::of(ENCLAVE.key.public_key());
    let error = ReceiptError::RepeatedSequence { key_id, sequence: 4 };
    row("G34", "kid and seq twice in a set").rejects_receipt("", error, move || {
        assert_eq!(verify_header(&header()), Ok(()));
        let mut set = ReceiptSet::default();
        set.add(key_id, &TestExchange::new().receipt)?;
        let other = TestExchange::with(|exchange| exchange.receipt.response_digest = [9; 32]);
        set.add(key_id, &other.receipt)
    })
}
