//! Tests of rules 9 and 10: the form and the role of one certificate.

use super::*;

#[test]
fn rejects_certificates_of_another_form() {
    for level in 0..=LEAF {
        for (overrides, expected) in other_forms(position(level)) {
            let rejected = rejection(|f| f.specs[level].overrides = overrides.clone());
            assert_eq!(rejected, Some(expected), "{overrides:?}");
        }
    }
}

/// Returns changes of the certificate at `certificate`, each with the error that it causes.
fn other_forms(certificate: ChainPosition) -> Vec<(Overrides, UntrustedDocument)> {
    use UntrustedDocument::{CertificateAlgorithm, CertificateEncoding, CertificateKey};
    let none = Overrides::default;
    let version_1 = Overrides { version: Some(der::tlv(0xa0, &der::integer(&[0]))), ..none() };
    let sha_256 = || Some(der::algorithm(oid::ECDSA_WITH_SHA256));
    let inner = Overrides { inner_algorithm: sha_256(), ..none() };
    let outer = Overrides { outer_algorithm: sha_256(), ..none() };
    let mut forms = vec![
        (version_1, CertificateEncoding { certificate }),
        (inner, CertificateAlgorithm { certificate }),
        (outer, CertificateAlgorithm { certificate }),
    ];
    forms.extend(other_keys().map(|key| {
        (Overrides { public_key: Some(key), ..none() }, CertificateKey { certificate })
    }));
    forms
}

/// Returns keys of another kind, curve or form than an uncompressed P-384 point.
fn other_keys() -> [Vec<u8>; 5] {
    let point = [&[4][..], &[7; 95], &[0]].concat();
    let key = |kind, curve, unused_bits, point: &[u8]| {
        let curve = der::object_identifier(curve);
        let kind = der::sequence(&[&der::object_identifier(kind), &curve]);
        der::sequence(&[&kind, &der::bit_string(unused_bits, point)])
    };
    let (ec, p384) = (oid::EC_PUBLIC_KEY, oid::SECP384R1);
    [
        key(ec, oid::SECP256R1, 0, &point),
        key(oid::RSA_ENCRYPTION, p384, 0, &point),
        key(ec, p384, 0, &point[..95]),
        key(ec, p384, 1, &point),
        key(ec, p384, 0, &[7; 97]),
    ]
}

#[test]
fn accepts_utc_time_to_2049_and_generalized_time_later() {
    let year_2051 = UnixMillis::from_secs(2_556_144_000);
    assert_eq!(rejection(|f| f.specs[2].not_after = year_2051), None);
    let certificate = ChainPosition::Cabundle(2);
    let utc = |text: &str| der::tlv(0x17, text.as_bytes());
    for not_after in [der::tlv(0x18, b"20400101000000Z"), utc("4001010000Z")] {
        let validity = Some(der::sequence(&[&utc("200101000000Z"), &not_after]));
        let overrides = Overrides { validity, ..Overrides::default() };
        let rejected = rejection(|f| f.specs[2].overrides = overrides);
        assert_eq!(rejected, Some(UntrustedDocument::CertificateEncoding { certificate }));
    }
}

#[test]
fn rejects_bytes_after_certificate() {
    let builder = builder();
    for level in 0..=LEAF {
        let mut certificates = builder.certificates().unwrap();
        certificates[level].push(0);
        let certificate =
            if level == LEAF { ChainPosition::Leaf } else { ChainPosition::Cabundle(level) };
        let expected = UntrustedDocument::CertificateEncoding { certificate };
        assert_eq!(sign_over(&builder, &certificates).rejection(), Some(expected));
    }
}

#[test]
fn rejects_anchor_that_is_not_self_issued() {
    let change =
        |f: &mut DocumentBuilder| f.specs[0].issuer = der::name(&[(oid::COMMON_NAME, "other")]);
    let certificate = ChainPosition::Cabundle(0);
    assert_eq!(rejection(change), Some(UntrustedDocument::ChainOrder { certificate }));
}

#[test]
fn rejects_adding_non_root_as_anchor() {
    let certificates = builder().certificates().unwrap();
    let add = |der: &[u8]| {
        let pem = rsa::pkcs8::der::pem::encode_string("CERTIFICATE", Default::default(), der);
        TrustAnchors::aws_nitro().add_pem(pem.unwrap().as_bytes())
    };
    assert_eq!(add(&certificates[0]).unwrap().len(), 1);
    assert!(matches!(add(&certificates[1]), Err(AnchorError::NotSelfIssued)));
    assert!(matches!(
        add(&certificates[LEAF]),
        Err(AnchorError::UnsuitableRoot(UntrustedDocument::NotCa { .. }))
    ));
}

#[test]
fn rejects_ca_without_ca_role() {
    use UntrustedDocument::{MissingKeyCertSign, NotCa, PathLength};
    let certificate = ChainPosition::Cabundle(2);
    let uncritical = |f: &mut DocumentBuilder| f.specs[2].extensions[0].critical = false;
    assert_eq!(rejection(uncritical), Some(NotCa { certificate }));
    let not_ca = |f: &mut DocumentBuilder| f.specs[2].extensions[0] = Extension::not_ca();
    assert_eq!(rejection(not_ca), Some(NotCa { certificate }));
    let absent = |f: &mut DocumentBuilder| drop(f.specs[2].extensions.remove(0));
    assert_eq!(rejection(absent), Some(NotCa { certificate }));
    let no_usage = |f: &mut DocumentBuilder| drop(f.specs[2].extensions.remove(1));
    assert_eq!(rejection(no_usage), Some(MissingKeyCertSign { certificate }));
    let documents = |f: &mut DocumentBuilder| {
        f.specs[2].extensions[1] = Extension::key_usage(KeyUsage::Documents)
    };
    assert_eq!(rejection(documents), Some(MissingKeyCertSign { certificate }));
    let certificate = ChainPosition::Cabundle(1);
    let short = |f: &mut DocumentBuilder| f.specs[1].extensions[0] = Extension::ca(Some(1));
    assert_eq!(rejection(short), Some(PathLength { certificate, allowed: 1, below: 2 }));
}

#[test]
fn rejects_leaf_without_leaf_role() {
    let ca = |f: &mut DocumentBuilder| f.specs[LEAF].extensions[0] = Extension::ca(None);
    assert_eq!(rejection(ca), Some(UntrustedDocument::LeafIsCa));
    let usage = |f: &mut DocumentBuilder| {
        f.specs[LEAF].extensions[1] = Extension::key_usage(KeyUsage::CertificatesOnly);
    };
    assert_eq!(rejection(usage), Some(UntrustedDocument::LeafMissingDigitalSignature));
    let absent = |f: &mut DocumentBuilder| drop(f.specs[LEAF].extensions.remove(1));
    assert_eq!(rejection(absent), Some(UntrustedDocument::LeafMissingDigitalSignature));
    let no_constraints = |f: &mut DocumentBuilder| drop(f.specs[LEAF].extensions.remove(0));
    assert_eq!(rejection(no_constraints), None);
}

#[test]
fn rejects_unknown_critical_extension() {
    let change = |f: &mut DocumentBuilder| {
        let oid = vec![0x2a, 0x03];
        f.specs[3].extensions.push(Extension { oid, critical: true, value: vec![5, 0] });
    };
    let certificate = ChainPosition::Cabundle(3);
    assert_eq!(rejection(change), Some(UntrustedDocument::CriticalExtension { certificate }));
    let uncritical = |f: &mut DocumentBuilder| {
        let oid = vec![0x2a, 0x03];
        f.specs[3].extensions.push(Extension { oid, critical: false, value: vec![5, 0] });
    };
    assert_eq!(rejection(uncritical), None);
}

/// Each certificate has one defect. The corpus of the test suite has more such certificates.
#[test]
fn rejects_non_der_names_serials_and_extensions() {
    let certificate = ChainPosition::Leaf;
    let expected = Some(UntrustedDocument::CertificateEncoding { certificate });
    let attribute = [&[6, 3, 0x55, 4, 3][..], &[0x13, 1, b'x']].concat();
    let set = der::tlv(0x31, &der::sequence(&[&attribute]));
    for name in [
        vec![0x30, 0],
        vec![0x30, 2, 0x31, 0],
        der::tlv(0x31, &set),
        der::sequence(&[&der::sequence(&[&der::sequence(&[&attribute])])]),
        der::sequence(&[&der::tlv(0x31, &[5, 0])]),
        der::sequence(&[&set, &der::tlv(0x31, &der::sequence(&[&attribute[..5]]))]),
        der::sequence(&[&der::tlv(0x31, &der::sequence(&[&[6, 4, 0x55, 4, 0x80, 3, 5, 0]]))]),
    ] {
        let rejected = rejection(|f| f.specs[LEAF].subject.clone_from(&name));
        assert_eq!(rejected, expected, "{name:x?}");
    }
    for serial in [vec![2, 1, 0], der::integer(&[1; 21]), vec![2, 1, 0x80]] {
        let overrides = Overrides { serial: Some(serial.clone()), ..Overrides::default() };
        assert_eq!(rejection(|f| f.specs[LEAF].overrides = overrides), expected, "{serial:x?}");
    }
    let longest = Overrides { serial: Some(der::integer(&[1; 20])), ..Overrides::default() };
    assert_eq!(rejection(|f| f.specs[LEAF].overrides = longest), None);
    let none = Overrides { extensions: Some(vec![0xa3, 2, 0x30, 0]), ..Overrides::default() };
    assert_eq!(rejection(|f| f.specs[LEAF].overrides = none), expected);
    for (oid, expected) in [
        (vec![0x55, 0x1d, 0x80, 19], expected.clone()),
        (vec![0x80, 1], expected.clone()),
        (vec![0x2a, 0x83], expected.clone()),
        (vec![0x2a, 0x83, 0x80, 1], None),
        (vec![0x2a; 60], None),
    ] {
        let value = vec![5, 0];
        let extension = Extension { oid: oid.clone(), critical: false, value };
        let rejected = rejection(|f| f.specs[LEAF].extensions.push(extension));
        assert_eq!(rejected, expected, "{oid:x?}");
    }
}
