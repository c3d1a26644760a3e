//! Steps 3 to 6 for a live document.

use attestation::receipt::{ReceiptError, ReceiptStep, VerifiedIdentity};
use attestation::{
    ClockReading, Identity, InvalidIdentity, MalformedDocument, MeasurementSet, MeasurementSets,
    PcrFamily, UntrustedDocument, UnverifiedDocument, VerificationTime,
};
use simulator::DocumentSpec;

use crate::test_enclave::{
    NOW, SET, TestEnclave, identity, one_ms_after, one_ms_before, pcrs, set_of, sets,
};

type Change = fn(&mut DocumentSpec);

#[test]
fn live_document_yields_its_identity() {
    let enclave = TestEnclave::new();
    let verified = enclave.identity();
    assert_eq!(verified.identity(), &identity(&enclave.key));
    assert_eq!(verified.key_id(), identity(&enclave.key).key_id());
    assert_eq!((verified.module_id(), verified.document_time()), ("simulated", NOW));
    assert_eq!(verified.set_name(), Some(SET));
    let (document, anchors) = (enclave.document(), enclave.anchors());
    let now = ClockReading::given(NOW);
    let unmeasured = VerifiedIdentity::verify_live(document, &anchors, None, now).unwrap();
    assert_eq!(unmeasured.set_name(), None);
}

#[test]
fn rejects_documents_of_other_kinds() {
    let enclave = TestEnclave::new();
    let cases: [(Change, ReceiptError); 6] = [
        (
            |spec| spec.pcrs.extend((0..3).map(|index| (index, [0; 48]))),
            UntrustedDocument::DebugMode.into(),
        ),
        // The registers of the set have the right values.
        (|spec| spec.family = PcrFamily::NitroTpm, ReceiptError::NitroTpm),
        (|spec| spec.user_data = None, ReceiptError::NoUserData),
        (
            |spec| spec.user_data = Some(b"attested-random tls-ca/1 sha256:".to_vec()),
            InvalidIdentity::Version1.into(),
        ),
        // The receipt key does not count if it is the key that others encrypt to.
        (|spec| spec.public_key = spec.user_data.take(), ReceiptError::NoUserData),
        (|spec| spec.public_key = Some(vec![4; 65]), ReceiptError::PublicKeyPresent),
    ];
    for (change, error) in cases {
        let rejected = enclave.verify_live(enclave.document_with(change)).unwrap_err();
        assert_eq!((rejected.step(), &rejected), (ReceiptStep::Document, &error));
        let rejected = enclave.verify_stored(enclave.document_with(change), NOW).unwrap_err();
        assert_eq!(rejected, error, "stored");
    }
}

#[test]
fn rejects_malformed_and_untrusted_documents() {
    let (enclave, other) = (TestEnclave::new(), TestEnclave::new());
    let malformed = ReceiptError::Malformed(MalformedDocument::Empty);
    let unknown_root = ReceiptError::Untrusted(UntrustedDocument::UnknownRoot);
    for (document, error) in [(Vec::new(), malformed), (other.document(), unknown_root)] {
        let rejected = enclave.verify_live(document.clone()).unwrap_err();
        assert_eq!((rejected.step(), &rejected), (ReceiptStep::Document, &error));
        assert_eq!(enclave.verify_stored(document, NOW).unwrap_err(), error, "stored");
    }
}

#[test]
fn rejects_receipt_key_off_the_curve() {
    let enclave = TestEnclave::new();
    let mut receipt_key = *enclave.key.public_key();
    receipt_key[64] ^= 1;
    let identity = Identity { receipt_key, ..identity(&enclave.key) };
    let document = enclave.document_with(|spec| spec.user_data = Some(identity.to_user_data()));
    let rejected = enclave.verify_live(document).unwrap_err();
    assert_eq!((rejected.step(), rejected), (ReceiptStep::Key, ReceiptError::NotOnCurve));
}

/// Returns the text of the error for registers that match none of `sets`.
fn mismatch(enclave: &TestEnclave, document: Vec<u8>, sets: Vec<MeasurementSet>) -> String {
    let sets = MeasurementSets::new(sets).unwrap();
    let rejected = enclave.verify_live_at(document, &sets, NOW).unwrap_err();
    assert_eq!(rejected.step(), ReceiptStep::Measurements);
    rejected.to_string()
}

#[test]
fn registers_match_one_whole_set() {
    let enclave = TestEnclave::new();
    let other = |name: &str, register| {
        let mut registers = set_of(&[0, 16]).registers().clone();
        registers.insert(register, [9; 48]);
        MeasurementSet::new(name, registers)
    };
    let (image, configuration) = (other("image", 0), other("configuration", 16));
    // Each register is that of one of the sets, but no set has both.
    let text = mismatch(&enclave, enclave.document(), vec![image.clone(), configuration.clone()]);
    let (found, expected) = (const_hex(&pcrs()[&0]), "09".repeat(48));
    let prefix = "the enclave matches no expected set of measurements: ";
    let configured = "16".repeat(48);
    assert_eq!(
        text,
        format!(
            "{prefix}image: PCR0 is {found}, not {expected}; configuration: PCR16 is {configured}, \
             not {expected}"
        )
    );
    let text = mismatch(
        &enclave,
        enclave.document_with(|spec| spec.pcrs.retain(|index, _| *index != 16)),
        vec![set_of(&[0, 16])],
    );
    assert_eq!(text, format!("{prefix}{SET}: PCR16 is absent, not {configured}"));
    let second = MeasurementSets::new(vec![image, set_of(&[0, 1, 2, 3, 4, 8, 16])]).unwrap();
    let verified = enclave.verify_live_at(enclave.document(), &second, NOW).unwrap();
    assert_eq!(verified.set_name(), Some(SET));
}

#[test]
fn sets_match_no_registers_of_nitro_tpms() {
    let enclave = TestEnclave::new();
    let document = enclave.document_with(|spec| spec.family = PcrFamily::NitroTpm);
    let document = UnverifiedDocument::parse(document).unwrap();
    let pcrs = document.dangerous_unverified_claims().pcrs();
    let text = "the enclave matches no expected set of measurements: the registers are those of a \
                NitroTPM, not of an enclave";
    assert_eq!(sets().find_match(pcrs).unwrap_err().to_string(), text);
}

/// An image may be in two files, of which one ends earlier.
#[test]
fn matching_set_that_ends_last_counts() {
    let enclave = TestEnclave::new();
    let found = |ends: &[Option<u64>]| {
        let set = |(index, end): (usize, &Option<u64>)| {
            let registers = set_of(&[0, 16]).registers().clone();
            let not_after = end.map(|seconds| NOW.plus_secs(seconds));
            MeasurementSet::new(index.to_string(), registers).with_not_after(not_after)
        };
        let sets = MeasurementSets::new(ends.iter().enumerate().map(set).collect()).unwrap();
        let verified = enclave.verify_live_at(enclave.document(), &sets, NOW).unwrap();
        verified.set_name().unwrap().to_owned()
    };
    for (ends, name) in [
        (&[Some(1), Some(2), Some(2)][..], "1"),
        (&[Some(2), Some(1)], "0"),
        (&[Some(1), None, Some(2), None], "1"),
        (&[None, Some(1)], "0"),
    ] {
        assert_eq!(found(ends), name, "{ends:?}");
    }
}

fn const_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn first_use_ends_300_s_after_the_document() {
    let enclave = TestEnclave::new();
    let last = NOW.plus_secs(300);
    assert!(enclave.verify_live_at(enclave.document(), &sets(), last).is_ok());
    let late = one_ms_after(last);
    let rejected = enclave.verify_live_at(enclave.document(), &sets(), late).unwrap_err();
    let at = VerificationTime { reading: ClockReading::given(late), signed_at: NOW };
    let too_old = UntrustedDocument::TooOld { max_age_secs: 300, at };
    assert_eq!((rejected.step(), rejected), (ReceiptStep::Freshness, too_old.into()));
    let early = one_ms_before(NOW.minus_secs(60));
    let rejected = enclave.verify_live_at(enclave.document(), &sets(), early).unwrap_err();
    let at = VerificationTime { reading: ClockReading::given(early), signed_at: NOW };
    let in_future = UntrustedDocument::TimestampInFuture { at };
    assert_eq!((rejected.step(), rejected), (ReceiptStep::Freshness, in_future.into()));
}

#[test]
fn further_use_ends_one_hour_after_the_document() {
    let identity = TestEnclave::new().identity();
    for (now, is_current) in [
        (NOW, true),
        (NOW.plus_secs(3600), true),
        (one_ms_after(NOW.plus_secs(3600)), false),
        (NOW.minus_secs(1), true),
    ] {
        assert_eq!(identity.is_current(now), is_current, "{now}");
    }
}

#[test]
fn ended_set_accepts_no_live_document() {
    let enclave = TestEnclave::new();
    let not_after = NOW.plus_secs(1);
    let set = set_of(&[0, 16]).with_not_after(Some(not_after));
    let sets = MeasurementSets::new(vec![set]).unwrap();
    let identity = enclave.verify_live_at(enclave.document(), &sets, not_after).unwrap();
    assert_eq!(identity.check_set(not_after), Ok(()));
    let now = one_ms_after(not_after);
    let error = ReceiptError::SetEnded { set: SET.to_owned(), not_after, at: now };
    assert_eq!(error.step(), ReceiptStep::Measurements);
    assert_eq!(identity.check_set(now), Err(error.clone()));
    assert_eq!(enclave.verify_live_at(enclave.document(), &sets, now).unwrap_err(), error);
}
