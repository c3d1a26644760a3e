//! Rows G: the document that attests the receipt key, and the expected measurements.

use attestation::receipt::{ReceiptError, VerifiedIdentity};
use attestation::time::UnixMillis;
use attestation::{
    ClockReading, Identity, InvalidIdentity, InvalidMeasurements, KeyId, MeasurementMismatch,
    MeasurementSet, MeasurementSets, PcrFamily, UntrustedDocument, VerificationTime,
};
use simulator::DocumentSpec;

use crate::harness::receipts::{ENCLAVE, OTHER_ENCLAVE};
use crate::harness::row::{Row, row};
use crate::harness::summary::Outcome;
use crate::test_enclave::{NOW, SET, TestEnclave, TestExchange, identity, pcrs, set_of, sets};

const DAY: u64 = 24 * 60 * 60;

pub(crate) fn rows() -> Vec<Row> {
    vec![
        another_enclave(),
        old_document(),
        distant_document(),
        debug_mode(),
        nitro_tpm(),
        no_identity(),
        another_purpose(),
        other_parts(),
        key_in_public_key(),
        off_the_curve(),
        mixed_sets(),
        incomplete_sets(),
        ended_set(),
    ]
}

/// Verifies a changed document as a live one.
fn verify(change: impl FnOnce(&mut DocumentSpec)) -> Result<(), ReceiptError> {
    ENCLAVE.verify_live(ENCLAVE.document_with(change)).map(drop)
}

/// Verifies a document whose `user_data` is changed as text.
fn verify_user_data(change: impl FnOnce(String) -> String) -> Result<(), ReceiptError> {
    let parts =
        Identity { tls_key: Some([0xab; 32]), tls_ca: Some([0xcd; 32]), ..identity(&ENCLAVE.key) };
    verify(|spec| spec.user_data = Some(change(parts.to_string()).into_bytes()))
}

/// Returns row G10.
fn another_enclave() -> Row {
    let key_id = |enclave: &TestEnclave| KeyId::of(enclave.key.public_key());
    let (found, expected) = (key_id(&ENCLAVE), key_id(&OTHER_ENCLAVE));
    row("G10", "the document of another enclave")
        .rejects_receipt("same measurements", ReceiptError::OtherKey { found, expected }, || {
            let user_data = identity(&OTHER_ENCLAVE.key).to_user_data();
            let document = ENCLAVE.document_with(|spec| spec.user_data = Some(user_data));
            let other = ENCLAVE.verify_live(document)?;
            TestExchange::new().verify_signed_by(&ENCLAVE.key, &other)
        })
        .rejects_receipt("under another root", UntrustedDocument::UnknownRoot, || {
            ENCLAVE.verify_live(OTHER_ENCLAVE.document()).map(drop)
        })
}

/// Returns row G11.
fn old_document() -> Row {
    let late = NOW.plus_secs(301);
    let at = VerificationTime { reading: ClockReading::given(late), signed_at: NOW };
    let too_old = UntrustedDocument::TooOld { max_age_secs: 300, at };
    let now = NOW.plus_secs(3601);
    let expired = ReceiptError::DocumentExpired { document_time: NOW, now };
    row("G11", "an old document")
        .rejects_receipt("received after 301 s", too_old, move || {
            ENCLAVE.verify_live_at(ENCLAVE.document(), &sets(), late).map(drop)
        })
        .rejects_receipt("used after 3601 s", expired, move || {
            let exchange = TestExchange::with(|exchange| {
                (exchange.live.now, exchange.receipt.time) = (now, now);
            });
            exchange.verify_signed_by(&ENCLAVE.key, &ENCLAVE.identity())
        })
}

/// Returns row G12.
fn distant_document() -> Row {
    let too_far = |receipt_time| ReceiptError::DocumentTooFar { document_time: NOW, receipt_time };
    let verify = |receipt_time: UnixMillis| {
        let identity = ENCLAVE.verify_stored(ENCLAVE.document(), NOW)?;
        let exchange = TestExchange::with(|exchange| exchange.receipt.time = receipt_time);
        let rejected = ENCLAVE.verify_stored(ENCLAVE.document(), receipt_time).map(drop);
        assert_eq!(exchange.verify_stored(&ENCLAVE.key, &identity), rejected);
        rejected
    };
    let (before, after) = (NOW.minus_secs(2 * DAY), NOW.plus_secs(2 * DAY));
    row("G12", "time two days from the document")
        .rejects_receipt("before", too_far(before), move || verify(before))
        .rejects_receipt("after", too_far(after), move || verify(after))
}

/// Returns row G13.
fn debug_mode() -> Row {
    row("G13", "debug mode").rejects_receipt("", UntrustedDocument::DebugMode, || {
        verify(|spec| spec.pcrs.extend((0..3).map(|index| (index, [0; 48]))))
    })
}

/// Returns row G14.
fn nitro_tpm() -> Row {
    row("G14", "a NitroTPM with the right registers").rejects_receipt(
        "",
        ReceiptError::NitroTpm,
        || verify(|spec| spec.family = PcrFamily::NitroTpm),
    )
}

/// Returns row G15.
fn no_identity() -> Row {
    row("G15", "no user_data, or version 1")
        .rejects_receipt("absent", ReceiptError::NoUserData, || {
            verify(|spec| spec.user_data = None)
        })
        .rejects_receipt("version 1", InvalidIdentity::Version1, || {
            verify_user_data(|_| format!("attested-random tls-ca/1 sha256:{}", "ab".repeat(32)))
        })
        .rejects_receipt("version 3", InvalidIdentity::Format, || {
            verify_user_data(|text| text.replace("/2", "/3"))
        })
}

/// Returns row G16.
fn another_purpose() -> Row {
    row("G16", "user_data of another purpose").rejects_receipt("", InvalidIdentity::Purpose, || {
        verify_user_data(|text| text.replace(" identity ", " recipient "))
    })
}

/// Returns row G17.
fn other_parts() -> Row {
    let part = |number| InvalidIdentity::Part { number };
    let digest = |name: &str, byte: &str| format!(" {name}=sha256:{}", byte.repeat(32));
    let (key, ca) = (digest("tls-key", "ab"), digest("tls-ca", "cd"));
    let (reordered, both) = (format!("{ca}{key}"), format!("{key}{ca}"));
    let twice = format!("{key}{key}");
    row("G17", "user_data with an unknown, doubled or reordered part")
        .rejects_receipt("unknown", part(6), || verify_user_data(|text| text + " other=1"))
        .rejects_receipt("doubled", part(5), move || {
            verify_user_data(|text| text.replace(&key, &twice))
        })
        .rejects_receipt("reordered", part(5), move || {
            verify_user_data(|text| text.replace(&both, &reordered))
        })
        .rejects_receipt("receipt twice", part(4), || {
            verify_user_data(|text| {
                let receipt = text.split(' ').nth(2).unwrap().to_owned();
                text.replace(&receipt, &format!("{receipt} {receipt}"))
            })
        })
        .rejects_receipt("receipt missing", InvalidIdentity::ReceiptKey, || {
            verify_user_data(|_| "attested-random/2 identity".to_owned())
        })
        .rejects_receipt("capitals", part(4), || {
            verify_user_data(|text| text.replace("abab", "ABAB"))
        })
        .rejects_receipt("a space at the end", part(6), || verify_user_data(|text| text + " "))
}

/// Returns row G18.
fn key_in_public_key() -> Row {
    row("G18", "a receipt key in public_key")
        .rejects_receipt("only there", ReceiptError::NoUserData, || {
            verify(|spec| {
                spec.user_data = None;
                spec.public_key = Some(ENCLAVE.key.public_key().to_vec());
            })
        })
        .rejects_receipt("beside user_data", ReceiptError::PublicKeyPresent, || {
            verify(|spec| spec.public_key = Some(ENCLAVE.key.public_key().to_vec()))
        })
}

/// Returns row G19.
fn off_the_curve() -> Row {
    row("G19", "a receipt key that is not on the curve").rejects_receipt(
        "",
        ReceiptError::NotOnCurve,
        || {
            let mut identity = identity(&ENCLAVE.key);
            identity.receipt_key[64] ^= 1;
            verify(|spec| spec.user_data = Some(identity.to_user_data()))
        },
    )
}

/// Returns row G20.
fn mixed_sets() -> Row {
    let other = |name: &str, register| {
        let mut registers = set_of(&[0, 16]).registers().clone();
        registers.insert(register, [9; 48]);
        MeasurementSet::new(name, registers)
    };
    let hex = |index: u8| const_hex::encode(pcrs()[&index]);
    let differs =
        |index: u8| format!("PCR{index} is {}, not {}", hex(index), const_hex::encode([9; 48]));
    let text = format!("a: {}; b: {}", differs(0), differs(16));
    row("G20", "mixed registers of two sets")
        .rejects_mismatch("PCR0 of b and PCR16 of a", &text, move || {
            let sets = MeasurementSets::new(vec![other("a", 0), other("b", 16)]).unwrap();
            ENCLAVE.verify_live_at(ENCLAVE.document(), &sets, NOW).map(drop)
        })
        .rejects_mismatch("no PCR16", &format!("{SET}: PCR16 is absent, not {}", hex(16)), || {
            verify(|spec| spec.pcrs.retain(|index, _| *index != 16))
        })
        .rejects_mismatch(
            "PCR8 differs",
            &format!("{SET}: PCR8 is {}, not {}", const_hex::encode([9; 48]), hex(8)),
            || {
                let sets = MeasurementSets::new(vec![set_of(&[0, 8, 16])]).unwrap();
                let document = ENCLAVE.document_with(|spec| spec.pcrs.extend([(8, [9; 48])]));
                ENCLAVE.verify_live_at(document, &sets, NOW).map(drop)
            },
        )
}

/// Returns row G21.
fn incomplete_sets() -> Row {
    let missing = |index| InvalidMeasurements::MissingRegister { name: SET.to_owned(), index };
    let row = row("G21", "a set of PCR8 alone, or without PCR0 or PCR16");
    let cases: [(&str, &[u8], u8); 4] = [
        ("PCR8 alone", &[8], 0),
        ("PCR8 and PCR16", &[8, 16], 0),
        ("PCR0 and PCR8", &[0, 8], 16),
        ("PCR0 alone", &[0], 16),
    ];
    cases.into_iter().fold(row, |row, (name, indexes, index)| {
        let error = missing(index);
        row.custom(name, Outcome::Rejected, move || {
            let sets = MeasurementSets::new(vec![set_of(&[0, 16]), set_of(indexes)]);
            assert_eq!(sets.unwrap_err(), error);
        })
    })
}

/// Returns row G22.
fn ended_set() -> Row {
    let not_after = NOW.minus_secs(1);
    let error = ReceiptError::SetEnded { set: SET.to_owned(), not_after, at: NOW };
    row("G22", "a receipt after the end of its set").rejects_receipt("", error, move || {
        let set = set_of(&[0, 16]).with_not_after(Some(not_after));
        let sets = MeasurementSets::new(vec![set]).unwrap();
        let (document, anchors) = (ENCLAVE.document(), ENCLAVE.anchors());
        let identity = VerifiedIdentity::verify_stored(document, &anchors, Some(&sets), NOW)?;
        TestExchange::new().verify_stored(&ENCLAVE.key, &identity)
    })
}

impl Row {
    /// Adds a case: the registers match no set, with the description `text`.
    fn rejects_mismatch(
        self,
        name: &str,
        text: &str,
        verify: impl Fn() -> Result<(), ReceiptError> + Send + Sync + 'static,
    ) -> Self {
        let text = format!("the enclave matches no expected set of measurements: {text}");
        self.custom(name, Outcome::Rejected, move || {
            let rejected = verify().unwrap_err();
            assert!(matches!(rejected, ReceiptError::Measurements(MeasurementMismatch { .. })));
            assert_eq!(rejected.to_string(), text);
        })
    }
}
