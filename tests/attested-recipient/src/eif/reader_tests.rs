//! Tests each rule with a file that violates only that rule. The tests build the files without the
//! writer.

use std::io::{self, Read};

use ciborium::cbor;
use proptest::prelude::*;

use super::error::{EifError, FilePart};
use super::format::{MAX_BUFFERED_LENGTH, SectionKind};
use super::measurement::Measurements;
use super::reader::measure;
use super::signature::SignatureError;

const PEM: &str = include_str!("../../../../shared/attestation/src/aws_nitro_root_g1.pem");
/// SHA-384(48 zero bytes ‖ SHA-384(certificate)). The inner digest is from `openssl x509 -outform DER |
/// openssl dgst -sha384 -binary`.
const PCR8: &str = "df3a0511a411c6a5628d91a189a052d281dec8153ffecde6bdc1a059825c32e4bfb7fc95b367564a64812a8795af8f8a";
const METADATA: &str = r#"{"ImageName":"n","ImageVersion":"v","BuildMetadata":{"BuildTime":"t",
    "BuildTool":"b","BuildToolVersion":"v","OperatingSystem":"Linux","KernelVersion":"k"},
    "DockerInfo":null,"CustomMetadata":null}"#;

const VERSION: usize = 4;
const FLAGS: usize = 6;
const RESERVED: usize = 24;
const COUNT: usize = 26;
const OFFSETS: usize = 28;
const SIZES: usize = 284;
const UNUSED: usize = 540;
const CRC: usize = 544;
const FIRST_SECTION: usize = 548;

/// Computes the CRC-32 (ISO-HDLC) bit by bit.
fn crc(bytes: impl Iterator<Item = u8>) -> u32 {
    !bytes.fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (if crc & 1 == 1 { 0xedb8_8320 } else { 0 })
        })
    })
}

/// Returns the file with a correct CRC-32.
fn sealed(mut file: Vec<u8>) -> Vec<u8> {
    let crc = crc(file[..CRC].iter().chain(&file[CRC + 4..]).copied());
    file[CRC..CRC + 4].copy_from_slice(&crc.to_be_bytes());
    file
}

/// Returns a file with these sections. Each section consists of a type and its bytes.
fn file(version: u16, sections: &[(u16, &[u8])]) -> Vec<u8> {
    let mut file = vec![0; FIRST_SECTION];
    file[..4].copy_from_slice(b".eif");
    file[VERSION..VERSION + 2].copy_from_slice(&version.to_be_bytes());
    let count = u16::try_from(sections.len()).unwrap();
    file[COUNT..COUNT + 2].copy_from_slice(&count.to_be_bytes());
    for (index, (code, bytes)) in sections.iter().enumerate() {
        let size = u64::try_from(bytes.len()).unwrap().to_be_bytes();
        if index < 32 {
            let offset = u64::try_from(file.len()).unwrap().to_be_bytes();
            file[OFFSETS + 8 * index..][..8].copy_from_slice(&offset);
            file[SIZES + 8 * index..][..8].copy_from_slice(&size);
        }
        file.extend(code.to_be_bytes());
        file.extend([0, 0]);
        file.extend(size);
        file.extend(*bytes);
    }
    sealed(file)
}

fn signature(pem: &str) -> Vec<u8> {
    let numbers = |bytes: &[u8]| bytes.iter().map(|byte| (*byte).into()).collect::<Vec<_>>();
    cbor(
        &cbor!([{
            "signing_certificate" => ciborium::Value::Array(numbers(pem.as_bytes())),
            "signature" => ciborium::Value::Array(numbers(&[0xd2, 0x84])),
        }])
        .unwrap(),
    )
}

fn cbor(value: &ciborium::Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}

const MINIMAL: [(u16, &[u8]); 3] = [(1, b"kernel"), (2, b"cmdline"), (3, b"first")];

/// Returns a file with every kind of section and a nontrivial PCR2.
fn whole() -> Vec<u8> {
    let more: [(u16, &[u8]); 3] = [(5, METADATA.as_bytes()), (3, b"second"), (4, &signature(PEM))];
    file(4, &[&MINIMAL[..], &more].concat())
}

/// Returns the minimal file with `bytes` at `position` and a correct CRC-32.
fn with(position: usize, bytes: &[u8]) -> Vec<u8> {
    let mut file = file(4, &MINIMAL);
    file[position..position + bytes.len()].copy_from_slice(bytes);
    sealed(file)
}

fn refusal(file: &[u8]) -> EifError {
    measure(file).unwrap_err()
}

/// Returns the error for a file that consists of the kernel, the command line and these sections.
fn refusal_with(version: u16, sections: &[(u16, &[u8])]) -> EifError {
    refusal(&file(version, &[&MINIMAL[..2], sections].concat()))
}

#[test]
fn reads_versions_3_and_4_and_both_architectures() {
    let signed = measure(whole().as_slice()).unwrap();
    assert_eq!(const_hex::encode(signed.pcr8.unwrap()), PCR8);
    let unsigned = |version| measure(file(version, &MINIMAL).as_slice()).unwrap();
    assert_eq!(unsigned(3), unsigned(4));
    assert_eq!(measure(with(FLAGS, &[0, 1]).as_slice()).unwrap(), unsigned(4));
    // Memory and CPUs are defaults and are not measured.
    assert_eq!(measure(with(8, &[0xff; 16]).as_slice()).unwrap(), unsigned(4));
    let Measurements { pcr0, pcr1, pcr8, .. } = unsigned(4);
    assert_eq!((pcr0, pcr8), (pcr1, None));
}

#[test]
fn accepts_metadata_and_signature_anywhere_after_cmdline() {
    let [kernel, cmdline, first] = MINIMAL;
    let metadata = (5, METADATA.as_bytes());
    let signature = signature(PEM);
    let signature = (4, signature.as_slice());
    let [one, other] = [
        [kernel, cmdline, metadata, first, signature],
        [kernel, cmdline, signature, first, metadata],
    ]
    .map(|sections| measure(file(4, &sections).as_slice()).unwrap());
    assert_eq!(one, other);
}

#[test]
fn rejects_every_truncation() {
    let whole = whole();
    assert!(measure(whole.as_slice()).is_ok());
    for length in 0..whole.len() {
        match refusal(&whole[..length]) {
            EifError::Magic => assert!(length < 4, "{length}"),
            EifError::Truncated(FilePart::Header) => {
                assert!((4..548).contains(&length), "{length}")
            }
            EifError::Truncated(_) => assert!(length >= 548, "{length}"),
            error => panic!("{length}: {error}"),
        }
    }
}

#[test]
fn truncation_error_names_the_truncated_part() {
    let file = file(4, &MINIMAL);
    let part = |length: usize| match refusal(&file[..length]) {
        EifError::Truncated(part) => part,
        error => panic!("{error}"),
    };
    assert_eq!(part(FIRST_SECTION), FilePart::SectionHeader(0));
    assert_eq!(part(FIRST_SECTION + 12), FilePart::Section(0, SectionKind::Kernel));
    assert_eq!(part(FIRST_SECTION + 18), FilePart::SectionHeader(1));
    assert_eq!(part(file.len() - 1), FilePart::Section(2, SectionKind::Ramdisk));
}

#[test]
fn rejects_every_flipped_bit() {
    let whole = whole();
    for position in 0..whole.len() {
        for bit in 0..8 {
            let mut file = whole.clone();
            file[position] ^= 1 << bit;
            let error = refusal(&file);
            if (CRC..CRC + 4).contains(&position) {
                assert!(matches!(error, EifError::Checksum { .. }), "{position}.{bit}: {error}");
            }
        }
    }
}

#[test]
fn crc_detects_flipped_bit_in_measured_section() {
    for position in [FIRST_SECTION + 12, FIRST_SECTION + 30, FIRST_SECTION + 49] {
        let mut file = file(4, &MINIMAL);
        file[position] ^= 1;
        let EifError::Checksum { in_header, computed } = refusal(&file) else {
            panic!("{position}")
        };
        assert_ne!(in_header, computed);
        assert!(measure(sealed(file).as_slice()).is_ok());
    }
}

#[test]
fn rejects_file_without_magic() {
    for file in [&b""[..], b".ei", b".eiF", b"\x7fELF and so on"] {
        assert!(matches!(refusal(file), EifError::Magic));
    }
}

#[test]
fn rejects_unknown_versions_flags_and_nonzero_fields() {
    for version in [0, 1, 2, 5, 0x0400] {
        assert!(
            matches!(refusal(&file(version, &MINIMAL)), EifError::Version(it) if it == version)
        );
    }
    for flags in [2_u16, 3, 0x0100] {
        let error = refusal(&with(FLAGS, &flags.to_be_bytes()));
        assert!(matches!(error, EifError::Flags(it) if it == flags));
    }
    let error = refusal(&with(RESERVED, &[0, 1]));
    assert!(matches!(error, EifError::NotZero { field: "reserved" }));
    let error = refusal(&with(UNUSED, &[0, 0, 0, 1]));
    assert!(matches!(error, EifError::NotZero { field: "unused" }));
}

#[test]
fn rejects_section_count_outside_3_to_32() {
    for count in [0_u16, 2, 33, u16::MAX] {
        let error = refusal(&with(COUNT, &count.to_be_bytes()));
        assert!(matches!(error, EifError::SectionCount(it) if it == count), "{count}: {error}");
    }
    let many = |count: usize| file(4, &[&MINIMAL[..], &vec![(3, &b"x"[..]); count]].concat());
    assert!(measure(many(29).as_slice()).is_ok());
    assert!(matches!(refusal(&many(30)), EifError::SectionCount(33)));
}

#[test]
fn rejects_overlapping_sections_and_gaps() {
    for (index, offset, expected) in [(0, 0, 548), (1, 548, 566), (1, 567, 566), (2, 584, 585)] {
        let error = refusal(&with(OFFSETS + 8 * index, &u64::to_be_bytes(offset)));
        let EifError::Offset { index: found, offset: at, expected: must } = error else {
            panic!("{error}")
        };
        assert_eq!((found, at, must), (index, offset, expected));
    }
    // If a size in the table is too large, the reader expects the next section at a later offset.
    let error = refusal(&with(SIZES, &7_u64.to_be_bytes()));
    assert!(matches!(error, EifError::Offset { index: 1, offset: 566, expected: 567 }));
}

#[test]
fn rejects_section_end_past_64_bits() {
    for (index, size) in [(0, u64::MAX), (2, u64::MAX - 500)] {
        let error = refusal(&with(SIZES + 8 * index, &size.to_be_bytes()));
        assert!(matches!(error, EifError::Unaddressable { index: it } if it == index), "{error}");
    }
}

#[test]
fn rejects_nonzero_table_entry_after_last_section() {
    for position in [OFFSETS + 8 * 3, SIZES + 8 * 3] {
        let error = refusal(&with(position, &1_u64.to_be_bytes()));
        assert!(matches!(error, EifError::UnusedEntry(3)), "{error}");
    }
    let error = refusal(&with(SIZES + 8 * 31, &1_u64.to_be_bytes()));
    assert!(matches!(error, EifError::UnusedEntry(31)), "{error}");
}

#[test]
fn rejects_section_header_that_differs_from_table() {
    for code in [0_u16, 6, 0x0100] {
        let error = refusal(&with(FIRST_SECTION, &code.to_be_bytes()));
        assert!(
            matches!(error, EifError::UnknownKind { index: 0, code: it } if it == code),
            "{error}"
        );
    }
    let error = refusal(&with(FIRST_SECTION + 2, &[0, 1]));
    assert!(matches!(error, EifError::SectionFlags { index: 0, flags: 1 }), "{error}");
    for size in [5, 7, u64::MAX] {
        let error = refusal(&with(FIRST_SECTION + 4, &size.to_be_bytes()));
        let EifError::Size { index: 0, in_table: 6, in_section } = error else { panic!("{error}") };
        assert_eq!(in_section, size);
    }
}

#[test]
fn rejects_sections_out_of_order() {
    let [kernel, cmdline, first] = MINIMAL;
    let error = refusal(&file(4, &[cmdline, kernel, first]));
    let expected = (SectionKind::Cmdline, SectionKind::Kernel);
    let EifError::Order { index: 0, found, expected: must } = error else { panic!("{error}") };
    assert_eq!((found, must), expected);
    let error = refusal(&file(4, &[kernel, first, cmdline]));
    let EifError::Order { index: 1, found, expected: must } = error else { panic!("{error}") };
    assert_eq!((found, must), (SectionKind::Ramdisk, SectionKind::Cmdline));
}

#[test]
fn rejects_duplicate_sections_except_ramdisks() {
    let signature = signature(PEM);
    for (kind, section) in [
        (SectionKind::Kernel, MINIMAL[0]),
        (SectionKind::Cmdline, MINIMAL[1]),
        (SectionKind::Metadata, (5, METADATA.as_bytes())),
        (SectionKind::Signature, (4, signature.as_slice())),
    ] {
        let error = refusal_with(4, &[section, MINIMAL[2], section]);
        assert!(
            matches!(error, EifError::DuplicateSection { kind: it, .. } if it == kind),
            "{error}"
        );
    }
}

#[test]
fn rejects_metadata_in_version_3_and_missing_ramdisk() {
    let metadata = (5, METADATA.as_bytes());
    let error = refusal_with(3, &[MINIMAL[2], metadata]);
    assert!(matches!(error, EifError::MetadataTooEarly { index: 3 }), "{error}");
    assert!(matches!(refusal_with(4, &[metadata]), EifError::NoRamdisk));
}

#[test]
fn rejects_trailing_bytes() {
    let mut file = whole();
    file.push(0);
    assert!(matches!(refusal(&sealed(file)), EifError::TrailingBytes));
}

#[test]
fn rejects_oversized_signature_and_metadata() {
    let zeros = vec![b' '; usize::try_from(MAX_BUFFERED_LENGTH).unwrap() + 1];
    for (code, kind) in [(4, SectionKind::Signature), (5, SectionKind::Metadata)] {
        let error = refusal_with(4, &[MINIMAL[2], (code, &zeros)]);
        assert!(matches!(error, EifError::TooLong { index: 3, kind: it, .. } if it == kind));
    }
    let longest = [METADATA.as_bytes(), &zeros[METADATA.len() + 1..]].concat();
    assert!(measure(file(4, &[&MINIMAL[..], &[(5, &longest)]].concat()).as_slice()).is_ok());
}

#[test]
fn rejects_metadata_that_nitro_cli_cannot_parse() {
    for text in [
        String::new(),
        "{}".to_owned(),
        format!("{METADATA}x"),
        METADATA.replace("\"KernelVersion\":\"k\"", "\"KernelVersion\":1"),
        METADATA.replace("\"DockerInfo\":null,", ""),
        METADATA.replace("{\"ImageName\":\"n\"", "{\"ImageName\":\"n\",\"ImageName\":\"n\""),
    ] {
        let error = refusal_with(4, &[MINIMAL[2], (5, text.as_bytes())]);
        assert!(matches!(error, EifError::Metadata(_)), "{text}: {error}");
    }
}

fn refused_signature(section: &[u8]) -> SignatureError {
    match refusal_with(4, &[MINIMAL[2], (4, section)]) {
        EifError::Signature(error) => error,
        error => panic!("{error}"),
    }
}

#[test]
fn rejects_malformed_signature_section() {
    assert_eq!(refused_signature(&cbor(&cbor!([]).unwrap())), SignatureError::Empty);
    let trailing = [signature(PEM), vec![0xf6]].concat();
    assert_eq!(refused_signature(&trailing), SignatureError::TrailingBytes);
    let certificate = || ciborium::Value::Array(Vec::new());
    for value in [
        cbor!({}),
        cbor!([{ "signing_certificate" => certificate() }]),
        cbor!([{ "signature" => certificate() }]),
        cbor!([{ "signing_certificate" => [256], "signature" => [] }]),
        cbor!([{ "signing_certificate" => "PEM", "signature" => [] }]),
        cbor!([{ "signing_certificate" => [], "signature" => [], "more" => [] }]),
    ] {
        let value = value.unwrap();
        let error = refused_signature(&cbor(&value));
        assert!(matches!(error, SignatureError::Cbor(_)), "{value:?}: {error}");
    }
}

#[test]
fn rejects_invalid_signing_certificate() {
    for pem in [
        String::new(),
        PEM.replace("CERTIFICATE", "PRIVATE KEY"),
        PEM.replace("-----END CERTIFICATE-----", ""),
        PEM.replace("MII", "M!I"),
    ] {
        assert_eq!(refused_signature(&signature(&pem)), SignatureError::Pem, "{pem}");
    }
    for base64 in ["AAAA", ""] {
        let pem = format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n");
        assert_eq!(refused_signature(&signature(&pem)), SignatureError::Certificate, "{pem}");
    }
}

#[test]
fn measures_first_certificate_in_pem() {
    let other = "-----BEGIN X-----\nAAAA\n-----END X-----\n";
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let signature = signature(&format!("text\n{other}{PEM}{broken}"));
    let signed = measure(file(4, &[&MINIMAL[..], &[(4, &signature)]].concat()).as_slice()).unwrap();
    assert_eq!(const_hex::encode(signed.pcr8.unwrap()), PCR8);
}

/// A reader that returns an error.
struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::PermissionDenied.into())
    }
}

#[test]
fn reports_read_error_instead_of_truncation() {
    let whole = whole();
    for length in [0, 10, FIRST_SECTION + 13, whole.len()] {
        let error = measure(whole[..length].chain(Broken)).unwrap_err();
        let EifError::Io(error) = error else { panic!("{length}: {error}") };
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2048)) {
        let _ = measure(bytes.as_slice());
        let _ = measure([b".eif\0\x04\0\0".as_slice(), &bytes].concat().as_slice());
    }

    /// Also covers the checks after the CRC-32, because each file has a correct CRC-32.
    #[test]
    fn arbitrary_changes_never_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut file = whole();
        for (index, byte) in changes {
            *index.get_mut(&mut file) = byte;
        }
        let _ = measure(sealed(file).as_slice());
    }

    #[test]
    fn arbitrary_signatures_and_metadata_never_panic(
        code in 4_u16..=5,
        bytes in prop::collection::vec(any::<u8>(), 0..512),
        pem in ".{0,200}",
    ) {
        let _ = measure(file(4, &[&MINIMAL[..], &[(code, &bytes)]].concat()).as_slice());
        let signature = signature(&format!("-----BEGIN CERTIFICATE-----\n{pem}"));
        let _ = measure(file(4, &[&MINIMAL[..], &[(4, &signature)]].concat()).as_slice());
    }
}
