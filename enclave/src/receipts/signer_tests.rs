use attestation::KeyId;
use attestation::receipt::{MAX_RECEIPT_HEADER_LENGTH, MAX_SOURCE_LENGTH, ReceiptBytes};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;
use crate::metrics::MetricsRegistry;
use crate::receipts::nonce::NONCE_HEADER;

const NOW: UnixMillis = UnixMillis::from_secs(1_790_000_000);

fn signer(mode: ReceiptMode) -> ReceiptSigner {
    let metrics = ReceiptMetrics::register(&mut MetricsRegistry::new());
    ReceiptSigner::new(Arc::new(Es256Key::generate().unwrap()), mode, metrics)
}

fn headers(nonce: &[u8]) -> HeaderMap {
    let value = URL_SAFE_NO_PAD.encode(nonce).parse().unwrap();
    [(NONCE_HEADER, value)].into_iter().collect()
}

fn exchange<'a>(facts: &'a ReceiptFacts, nonce: Option<&'a Nonce>) -> SignedExchange<'a> {
    SignedExchange {
        request_id: RequestId::random(),
        request_body: b"request",
        response_body: b"response",
        facts,
        sequence: 7,
        now: NOW,
        nonce,
    }
}

fn plain() -> ReceiptFacts {
    ReceiptFacts::GenerateRandom { content_key_digest: None, custom_key_store_id: None }
}

#[test]
fn each_mode_selects_the_signed_responses() {
    use ReceiptMode::{Always, Off, OnRequest};
    for (mode, has_nonce, is_signed) in [
        (OnRequest, false, false),
        (OnRequest, true, true),
        (Always, false, true),
        (Always, true, true),
        (Off, false, false),
        (Off, true, false),
    ] {
        let signer = signer(mode);
        let headers = if has_nonce { headers(&[1; 16]) } else { HeaderMap::new() };
        let nonce = signer.nonce(&headers).unwrap();
        assert_eq!(nonce.is_some(), has_nonce && mode != Off);
        let receipt = signer.sign(exchange(&plain(), nonce.as_ref())).unwrap();
        assert_eq!(receipt.is_some(), is_signed, "{mode:?} {has_nonce}");
        let signed = signer.metrics.signed(ReceiptOperation::GenerateRandom).get();
        assert_eq!((signed, signer.metrics.failed.get()), (u64::from(is_signed), 0));
    }
}

#[test]
fn invalid_nonce_is_counted_except_in_mode_off() {
    for (mode, count) in
        [(ReceiptMode::OnRequest, 1), (ReceiptMode::Always, 1), (ReceiptMode::Off, 0)]
    {
        let signer = signer(mode);
        assert_eq!(signer.nonce(&headers(&[1; 15])).is_err(), count == 1);
        assert_eq!(signer.metrics.invalid_nonces.get(), count);
    }
}

#[test]
fn receipt_states_the_facts_of_its_exchange() {
    let key_store = "cks-1234567890abcdef0".to_owned();
    let sealed = ReceiptFacts::GenerateRandom {
        content_key_digest: Some([3; 32]),
        custom_key_store_id: Some(key_store),
    };
    for (facts, digest, source) in [
        (plain(), None, Some("nsm")),
        (sealed, Some([3; 32]), Some("cks-1234567890abcdef0")),
        (ReceiptFacts::DescribeCustomKeyStores, None, None),
    ] {
        let signer = signer(ReceiptMode::Always);
        let nonce = signer.nonce(&headers(&[9; 20])).unwrap();
        let exchange = exchange(&facts, nonce.as_ref());
        let header = signer.sign(exchange).unwrap().unwrap();
        let bytes = ReceiptBytes::from_header(header.as_bytes()).unwrap();
        let receipt = bytes.parse().unwrap();
        assert_eq!(receipt.key_id(), KeyId::of(signer.key.public_key()));
        let expected = Receipt {
            request_id: &exchange.request_id.to_string(),
            operation: facts.operation(),
            content_key_digest: digest,
            request_digest: Sha256::digest(b"request"),
            response_digest: Sha256::digest(b"response"),
            sequence: 7,
            source,
            time: NOW,
            nonce: &[9; 20],
        };
        assert_eq!(receipt.dangerous_unverified_content(), &expected);
    }
}

#[test]
fn longest_receipt_fits_in_the_header() {
    let facts = ReceiptFacts::GenerateRandom {
        content_key_digest: Some([3; 32]),
        custom_key_store_id: Some("c".repeat(MAX_SOURCE_LENGTH)),
    };
    let signer = signer(ReceiptMode::Always);
    let nonce = signer.nonce(&headers(&[9; 32])).unwrap();
    let now = UnixMillis::new(u64::MAX);
    let exchange = SignedExchange { sequence: u64::MAX, now, ..exchange(&facts, nonce.as_ref()) };
    let header = signer.sign(exchange).unwrap().unwrap();
    assert!(header.len() <= MAX_RECEIPT_HEADER_LENGTH, "{}", header.len());
    assert!(ReceiptBytes::from_header(header.as_bytes()).unwrap().parse().is_ok());
}

#[test]
fn debug_output_hides_key_and_nonce() {
    let signer = signer(ReceiptMode::Always);
    let nonce = signer.nonce(&headers(&[9; 32])).unwrap();
    assert!(format!("{signer:?}").contains("key: Es256Key(..)"), "{signer:?}");
    assert_eq!(format!("{nonce:?}"), "Some(Nonce(32 bytes))");
}
