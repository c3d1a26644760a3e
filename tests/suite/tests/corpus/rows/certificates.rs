//! Rows C: the validity, the role and the encoding of single certificates.

use attestation::ChainPosition::{self, Cabundle, Leaf};
use attestation::UntrustedDocument as U;
use simulator::der::{self, oid};
use simulator::{CertificateSpec, Extension, KeyUsage, Overrides};

use crate::harness::row::{Row, row};
use crate::harness::service::{LEAF, NOW, recipient, valid_document, verification_time};
use crate::rows::certificate_chain::{changed, position};

pub(crate) fn rows() -> Vec<Row> {
    [validity(), roles(), forms()].into_iter().flatten().collect()
}

/// Returns the rows C07 to C09.
fn validity() -> Vec<Row> {
    let not_after = NOW.minus_secs(1);
    let not_before = NOW.plus_secs(61);
    let expired = |level: usize| {
        let certificate = position(level);
        let document = changed(|specs| specs[level].not_after = not_after);
        (document, U::CertificateExpired { certificate, not_after, at: verification_time(NOW) })
    };
    // A document must not be older than its leaf. The document's time may be up to 60 s after the
    // time of the service.
    let signed_at = |level| if level == LEAF { NOW.plus_secs(60) } else { NOW };
    let starts_at = |level: usize, not_before| {
        let mut forgery = valid_document();
        forgery.specs[level].not_before = not_before;
        forgery.document.timestamp = signed_at(level);
        forgery.sign().unwrap()
    };
    let early = |level: usize| {
        let (certificate, at) = (position(level), verification_time(signed_at(level)));
        let rejection = U::CertificateNotYetValid { certificate, not_before, at };
        (starts_at(level, not_before), rejection)
    };
    let within_leeway = |row: Row, level: usize| {
        let case = format!("{}, within the leeway", position(level));
        row.accepts(case, starts_at(level, NOW.plus_secs(60)))
    };
    let rejected =
        |row: Row, case: &str, (document, expected)| row.rejects(case, document, expected);
    let last_second = changed(|specs| {
        for spec in &mut specs[1..] {
            (spec.not_before, spec.not_after) = (NOW, NOW);
        }
    });
    let ends_early = |ends: usize, begins: usize| {
        let (not_before, not_after) = (NOW.plus_secs(11), NOW.plus_secs(10));
        let document = changed(|specs| {
            specs[ends].not_after = not_after;
            specs[begins].not_before = not_before;
        });
        let (late, early) = (position(begins), position(ends));
        (document, U::DisjointValidity { late, not_before, early, not_after })
    };
    vec![
        rejected(row("C07", "expired leaf"), "by a second", expired(LEAF))
            .accepts("in its last second", last_second),
        {
            let row = (1..=LEAF).fold(row("C08", "not yet valid"), |row, level| {
                within_leeway(rejected(row, &position(level).to_string(), early(level)), level)
            });
            let row = rejected(row, "ends before it begins", ends_early(2, 2));
            rejected(row, "ends before another begins", ends_early(1, 3))
        },
        (1..LEAF).fold(row("C09", "expired intermediate"), |row, level| {
            rejected(row, &position(level).to_string(), expired(level))
        }),
    ]
}

/// Adds cases to the row C28.
pub(crate) fn malformed_times(row: Row) -> Row {
    let utc = |text: &str| der::tlv(0x17, text.as_bytes());
    let generalized = |text: &str| der::tlv(0x18, text.as_bytes());
    let (start, end) = (utc("260101000000Z"), utc("400101000000Z"));
    let cases = [
        ("no seconds", [utc("2601010000Z"), end.clone()]),
        ("an offset", [utc("260101000000+0000"), end.clone()]),
        ("local time", [utc("260101000000"), end.clone()]),
        ("month 13", [utc("261301000000Z"), end.clone()]),
        ("hour 24", [utc("260101240000Z"), end.clone()]),
        ("31 February", [utc("260231000000Z"), end.clone()]),
        ("letters", [utc("26010100000xZ"), end.clone()]),
        ("empty", [utc(""), end.clone()]),
        ("a fraction", [start.clone(), generalized("20400101000000.5Z")]),
        ("a GeneralizedTime before 2050", [start.clone(), generalized("20400101000000Z")]),
        ("one time", [start.clone(), Vec::new()]),
        ("three times", [start, [end.clone(), end].concat()]),
    ];
    cases.into_iter().fold(row, |row, (case, [not_before, not_after])| {
        (0..=LEAF).fold(row, |row, level| {
            let validity = Some(der::sequence(&[&not_before, &not_after]));
            let overrides = Overrides { validity, ..Overrides::default() };
            let mut forgery = valid_document();
            forgery.specs[level].overrides = overrides;
            if level == 0 {
                forgery.keep_root().unwrap();
            }
            let certificate = position(level);
            let document = forgery.sign().unwrap();
            row.rejects(
                format!("{case}, {certificate}"),
                document,
                U::CertificateEncoding { certificate },
            )
        })
    })
}

/// Returns the rows C10 to C16.
fn roles() -> Vec<Row> {
    let each_ca = |row: Row,
                   case: &str,
                   change: fn(&mut CertificateSpec),
                   expected: fn(ChainPosition) -> U| {
        // The root is one of the changed certificates. The service checks its role before it
        // searches for the trust anchor.
        (0..LEAF).fold(row, |row, level| {
            let certificate = position(level);
            let document = changed(|specs| change(&mut specs[level]));
            row.rejects(format!("{case}, {certificate}"), document, expected(certificate))
        })
    };
    let not_ca = |certificate| U::NotCa { certificate };
    let may_not_sign = |certificate| U::MissingKeyCertSign { certificate };
    let leaf = |case: &str, change: fn(&mut CertificateSpec)| {
        (case.to_owned(), changed(|specs| change(&mut specs[LEAF])))
    };
    let mut path_length = row("C14", "pathLen exceeded");
    for (level, below) in [(0, 3), (1, 2), (2, 1)] {
        let allowed = below - 1;
        let extension = Extension::ca(u8::try_from(allowed).ok());
        let document = changed(|specs| specs[level].extensions[0] = extension);
        let expected = U::PathLength { certificate: Cabundle(level), allowed, below };
        path_length = path_length.rejects(format!("cabundle[{level}]"), document, expected);
    }
    let (ca_leaf, is_ca) = leaf("CA", |spec| spec.extensions[0] = Extension::ca(None));
    let (cert_sign, only) = leaf("keyCertSign", |spec| {
        spec.extensions[1] = Extension::key_usage(KeyUsage::CertificatesOnly);
    });
    let (no_usage, without) = leaf("no keyUsage", |spec| drop(spec.extensions.remove(1)));
    let (no_constraints, plain) =
        leaf("no basicConstraints", |spec| drop(spec.extensions.remove(0)));
    vec![
        each_ca(
            row("C10", "intermediate with CA false"),
            "no CA",
            |spec| spec.extensions[0] = Extension::not_ca(),
            not_ca,
        ),
        each_ca(
            each_ca(
                row("C11", "no basicConstraints, or not critical"),
                "none",
                |spec| drop(spec.extensions.remove(0)),
                not_ca,
            ),
            "not critical",
            |spec| spec.extensions[0].critical = false,
            not_ca,
        ),
        each_ca(
            row("C12", "intermediate without keyCertSign"),
            "documents only",
            |spec| spec.extensions[1] = Extension::key_usage(KeyUsage::Documents),
            may_not_sign,
        ),
        each_ca(
            row("C13", "CA without keyUsage"),
            "none",
            |spec| drop(spec.extensions.remove(1)),
            may_not_sign,
        ),
        path_length,
        row("C15", "leaf that is a CA").rejects(ca_leaf, is_ca, U::LeafIsCa),
        row("C16", "leaf with keyCertSign only")
            .rejects(cert_sign, only, U::LeafMissingDigitalSignature)
            .rejects(no_usage, without, U::LeafMissingDigitalSignature)
            .accepts(no_constraints, plain),
    ]
}

/// Returns the rows C17 to C20, C24.
fn forms() -> Vec<Row> {
    let ec = |curve: &[u8], point: &[u8]| {
        let curve = der::object_identifier(curve);
        let kind = der::sequence(&[&der::object_identifier(oid::EC_PUBLIC_KEY), &curve]);
        der::sequence(&[&kind, &der::bit_string(0, point)])
    };
    let p256 = ec(oid::SECP256R1, &P256_POINT);
    let with_key = |level: usize, key: &[u8]| {
        let public_key = Some(key.to_vec());
        changed(|specs| specs[level].overrides = Overrides { public_key, ..Overrides::default() })
    };
    let key_error = |certificate| U::CertificateKey { certificate };
    let sha_256 = der::algorithm(oid::ECDSA_WITH_SHA256);
    let null = der::sequence(&[&der::object_identifier(oid::ECDSA_WITH_SHA384), &[5, 0]]);
    let mut c17 = row("C17", "P-256 intermediate");
    let mut c19 = row("C19", "ecdsa-with-SHA256");
    let mut c20 = row("C20", "RSA intermediate");
    let mut c24 = row("C24", "unknown critical extension");
    for level in 1..=LEAF {
        let certificate = position(level);
        let algorithm = |inner: Option<&Vec<u8>>, outer: Option<&Vec<u8>>| {
            let (inner_algorithm, outer_algorithm) = (inner.cloned(), outer.cloned());
            let overrides = Overrides { inner_algorithm, outer_algorithm, ..Overrides::default() };
            changed(|specs| specs[level].overrides = overrides)
        };
        let expected = U::CertificateAlgorithm { certificate };
        for (case, inner, outer) in [
            ("both", Some(&sha_256), Some(&sha_256)),
            ("inside", Some(&sha_256), None),
            ("outside", None, Some(&sha_256)),
            ("SHA-384 with NULL parameters", Some(&null), Some(&null)),
        ] {
            c19 = c19.rejects(
                format!("{case}, {certificate}"),
                algorithm(inner, outer),
                expected.clone(),
            );
        }
        let unknown = |critical| {
            let extension = Extension { oid: vec![0x2a, 3], critical, value: vec![5, 0] };
            changed(|specs| specs[level].extensions.push(extension))
        };
        c24 = c24
            .rejects(certificate.to_string(), unknown(true), U::CriticalExtension { certificate })
            .accepts(format!("not critical, {certificate}"), unknown(false));
        if level < LEAF {
            let rsa = recipient().public_key_der();
            c17 = c17.rejects(
                certificate.to_string(),
                with_key(level, &p256),
                key_error(certificate),
            );
            c20 =
                c20.rejects(certificate.to_string(), with_key(level, rsa), key_error(certificate));
        }
    }
    // Each case has one fault. Only cases of C17 and C18 combine several faults.
    let point = [&[4][..], &[7; 96]].concat();
    let spki = |kind: &[u8], curve: &[u8], unused_bits: u8, point: &[u8]| {
        let kind = der::sequence(&[&der::object_identifier(kind), &der::object_identifier(curve)]);
        der::sequence(&[&kind, &der::bit_string(unused_bits, point)])
    };
    let (public_key, p384) = (oid::EC_PUBLIC_KEY, oid::SECP384R1);
    let even_point = [&point[..96], &[6]].concat();
    let algorithm = [der::object_identifier(public_key), der::object_identifier(p384)].concat();
    let (bits, kind) = (der::bit_string(0, &point), der::tlv(0x30, &algorithm));
    let single = [
        ("a NULL after the curve", {
            der::sequence(&[&der::tlv(0x30, &[&algorithm[..], &[5, 0]].concat()), &bits])
        }),
        ("a NULL after the point", der::sequence(&[&kind, &bits, &[5, 0]])),
        (
            "a non-minimal length",
            der::sequence(&[&[&[0x30, 0x81, 16], &algorithm[..]].concat(), &bits]),
        ),
        ("another key algorithm", spki(oid::RSA_ENCRYPTION, p384, 0, &point)),
        ("another curve", spki(public_key, oid::SECP256R1, 0, &point)),
        ("an unused bit", spki(public_key, p384, 1, &even_point)),
        ("a point too short", spki(public_key, p384, 0, &point[..96])),
        ("a hybrid point", spki(public_key, p384, 0, &[&[6], &point[1..]].concat())),
    ];
    let compressed = ec(oid::SECP384R1, &[&[2][..], &[7; 48]].concat());
    let c18 = row("C18", "P-256 leaf key")
        .rejects("P-256", with_key(LEAF, &p256), key_error(Leaf))
        .rejects("RSA", with_key(LEAF, recipient().public_key_der()), key_error(Leaf))
        .rejects("compressed P-384", with_key(LEAF, &compressed), key_error(Leaf));
    let c18 = single
        .iter()
        .fold(c18, |row, (case, key)| row.rejects(*case, with_key(LEAF, key), key_error(Leaf)));
    vec![c17, c18, c19, c20, c24]
}

/// The base point of P-256 (SP 800-186 section 3.2.1.3), a valid point.
#[rustfmt::skip]
const P256_POINT: [u8; 65] = [
    0x04,
    0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2,
    0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96,
    0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16,
    0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5,
];
