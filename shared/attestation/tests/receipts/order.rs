//! The order of the steps: an input that breaks two steps has the error of the first one.

use attestation::receipt::{ReceiptBytes, ReceiptError, ReceiptStep, ResponseHead};
use attestation::{MeasurementSet, MeasurementSets, PcrFamily};
use simulator::DocumentSpec;

use crate::statement::Statement;
use crate::test_enclave::{NOW, TestEnclave, TestExchange, ok, sets};

type Change = fn(&mut TestExchange);

/// The changes of an exchange, each of which breaks one step, in the order of the steps.
const CHANGES: [(ReceiptStep, Change); 4] = [
    (ReceiptStep::Freshness, |exchange| exchange.live.now = NOW.plus_secs(3601)),
    (ReceiptStep::Binding, |exchange| exchange.request = b"{}"),
    (ReceiptStep::Content, |exchange| exchange.receipt.source = Some("cks-1")),
    (ReceiptStep::Time, |exchange| exchange.receipt.time = NOW.minus_secs(301)),
];

#[test]
fn steps_are_numbered_in_order() {
    assert!(ReceiptStep::ALL.is_sorted());
    let names = ReceiptStep::ALL.map(|step| step.to_string());
    let expected = [
        "step 1 (status)",
        "step 2 (form)",
        "step 3 (key)",
        "step 4 (document)",
        "step 5 (measurements)",
        "step 6 (freshness)",
        "step 7 (signature)",
        "step 8 (binding)",
        "step 9 (content)",
        "step 10 (time)",
    ];
    assert_eq!(names, expected);
}

#[test]
fn status_comes_before_form_and_count_before_encoding() {
    let two: [&[u8]; 2] = [b"?", b"?"];
    let head = ResponseHead { has_content_encoding: true, ..ok(&two) };
    let several = ReceiptBytes::from_response(head).unwrap_err();
    assert_eq!(several, ReceiptError::SeveralReceipts { count: 2 });
    let other_status = ReceiptBytes::from_response(ResponseHead { status: 206, ..head });
    assert_eq!(other_status.unwrap_err(), ReceiptError::Status { status: 206 });
    let encoded = ReceiptBytes::from_response(ResponseHead { receipts: &[b"?"], ..head });
    assert_eq!(encoded.unwrap_err(), ReceiptError::ContentEncoding);
}

/// Every later step is broken too.
#[test]
fn first_broken_step_of_an_exchange_is_reported() {
    let (enclave, other) = (TestEnclave::new(), TestEnclave::new());
    let identity = enclave.identity();
    for (index, (step, _)) in CHANGES.iter().enumerate() {
        let mut exchange = TestExchange::new();
        CHANGES[index..].iter().for_each(|(_, change)| change(&mut exchange));
        let rejected = exchange.verify_signed_by(&enclave.key, &identity).unwrap_err();
        assert_eq!(rejected.step(), *step);
        let rejected = exchange.verify_signed_by(&other.key, &identity).unwrap_err();
        assert_eq!(rejected.step(), ReceiptStep::Key);
        let header = exchange.receipt.sign(&enclave.key).unwrap();
        let high = Statement::of_header(&header, &enclave.key).with_high_s().header();
        let moment = attestation::receipt::Moment::Live(exchange.live);
        let rejected = exchange.verify_header(high.as_bytes(), &identity, moment).unwrap_err();
        let first = if index == 0 { ReceiptStep::Freshness } else { ReceiptStep::Signature };
        assert_eq!(rejected.step(), first);
    }
}

#[test]
fn end_of_the_set_comes_before_the_age_of_the_document() {
    let enclave = TestEnclave::new();
    let registers = crate::test_enclave::set_of(&[0, 16]).registers().clone();
    let set = MeasurementSet::new("ended", registers).with_not_after(Some(NOW));
    let sets = MeasurementSets::new(vec![set]).unwrap();
    let identity = enclave.verify_live_at(enclave.document(), &sets, NOW).unwrap();
    let exchange = TestExchange::with(|exchange| {
        exchange.receipt.time = NOW.plus_secs(1);
        exchange.live.now = NOW.plus_secs(3601);
    });
    let rejected = exchange.verify_signed_by(&enclave.key, &identity).unwrap_err();
    assert_eq!(rejected.step(), ReceiptStep::Measurements);
}

/// The parts of step 8, each with all later parts.
#[test]
fn parts_of_the_binding_have_an_order() {
    let enclave = TestEnclave::new();
    let identity = enclave.identity();
    type IsExpected = fn(&ReceiptError) -> bool;
    let changes: [(Change, IsExpected); 5] = [
        (|exchange| exchange.request = b"{}", |e| matches!(e, ReceiptError::OtherRequest)),
        (|exchange| exchange.response = b"{}", |e| matches!(e, ReceiptError::OtherResponse)),
        (|exchange| exchange.live.nonce = &[1; 16], |e| matches!(e, ReceiptError::OtherNonce)),
        (
            |exchange| {
                exchange.live.operation =
                    attestation::receipt::ReceiptOperation::DescribeCustomKeyStores;
            },
            |e| matches!(e, ReceiptError::OtherOperation { .. }),
        ),
        (
            |exchange| exchange.live.request_id = None,
            |e| matches!(e, ReceiptError::OtherRequestId { .. }),
        ),
    ];
    for (index, (_, is_expected)) in changes.iter().enumerate() {
        let mut exchange = TestExchange::new();
        changes[index..].iter().for_each(|(change, _)| change(&mut exchange));
        let rejected = exchange.verify_signed_by(&enclave.key, &identity).unwrap_err();
        assert!(is_expected(&rejected), "{index}: {rejected}");
    }
}

/// The changes of a document, each of which breaks one check, in the order of the checks.
const DOCUMENT_CHANGES: [fn(&mut DocumentSpec); 5] = [
    |spec| spec.pcrs.extend((0..3).map(|index| (index, [0; 48]))),
    |spec| spec.family = PcrFamily::NitroTpm,
    |spec| spec.user_data = None,
    |spec| spec.public_key = Some(vec![4; 65]),
    |spec| spec.pcrs.extend([(16, [9; 48])]),
];

#[test]
fn first_broken_step_of_a_document_is_reported() {
    let enclave = TestEnclave::new();
    let late = NOW.plus_secs(301);
    let steps = (0..=DOCUMENT_CHANGES.len()).map(|index| {
        let document = enclave.document_with(|spec| {
            DOCUMENT_CHANGES[index..].iter().for_each(|change| change(spec));
        });
        let rejected = enclave.verify_live_at(document, &sets(), late).unwrap_err();
        (rejected.step(), rejected)
    });
    let steps: Vec<_> = steps.collect();
    let expected = [
        ReceiptStep::Document,
        ReceiptStep::Document,
        ReceiptStep::Document,
        ReceiptStep::Document,
        ReceiptStep::Measurements,
        ReceiptStep::Freshness,
    ];
    assert_eq!(steps.iter().map(|(step, _)| *step).collect::<Vec<_>>(), expected);
    assert_eq!(steps[1].1, ReceiptError::NitroTpm);
    assert_eq!(steps[2].1, ReceiptError::NoUserData);
    assert_eq!(steps[3].1, ReceiptError::PublicKeyPresent);
}
