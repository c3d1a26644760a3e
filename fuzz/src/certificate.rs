//! The target for certificates: a valid chain in which the input replaces one certificate. The first
//! byte of the input selects the position in the chain and the kind of replacement. The other bytes are
//! a whole certificate, or a TBSCertificate that the target signs with the issuer's key.

use attestation::{DebugMode, MAX_CLOCK_SKEW_SECS, Rule, TrustAnchors, UnverifiedDocument};
use rsa::pkcs8::der::asn1::{AnyRef, GeneralizedTime, UtcTime};
use rsa::pkcs8::der::{self as decoder, Reader, SliceReader, Tag, Tagged};
use simulator::der;

use crate::fixture;

/// Bit of the first byte. If it is set, the other bytes are a TBSCertificate that the target signs
/// with the issuer's key.
pub const SIGNED: u8 = 0x80;
/// Length of a DER header with two length bytes. Every certificate of the fixture has such a
/// header.
const HEADER_LENGTH: usize = 4;
/// Modulus of the first byte. The remainders 0 to 4 are positions in the chain. With the remainder
/// 5, the other bytes are the file of a trust anchor.
const CHOICES: u8 = 6;
/// Bits of keyUsage (RFC 5280 section 4.2.1.3).
const DIGITAL_SIGNATURE: u8 = 0x80;
const KEY_CERT_SIGN: u8 = 0x04;

/// Checks that a document with one replaced certificate is rejected. The document's own signature is
/// invalid. If the replacement is equivalent to the original certificate, the rule about the document's
/// signature rejects the document. Otherwise a rule about certificates rejects it.
pub fn run(data: &[u8]) {
    let Some((choice, replacement)) = data.split_first() else { return };
    let position = usize::from((choice & !SIGNED) % CHOICES);
    if position == fixture::levels().len() {
        return check_anchor(replacement);
    }
    let signed = choice & SIGNED != 0;
    let certificate = if signed { sign(replacement, position) } else { replacement.to_vec() };
    let Some(rule) = rejecting_rule(&certificate, position) else { return };
    assert!(rule <= Rule::DocumentSignature, "{rule}");
    if rule == Rule::DocumentSignature {
        assert_meets_requirements(&certificate, position, signed);
    }
}

/// Returns the rule that rejects a document with `certificate` at `position` of its chain. Returns
/// `None` if the document cannot be parsed, for example because it is too long.
fn rejecting_rule(certificate: &[u8], position: usize) -> Option<Rule> {
    let mut chain = fixture::certificates();
    chain[position] = certificate;
    let [cabundle @ .., leaf] = chain;
    let document = fixture::unsigned_document(&fixture::valid_spec().payload(leaf, &cabundle));
    let document = UnverifiedDocument::parse(document).ok()?;
    let verified = document.verify_at_document_time(fixture::anchors(), DebugMode::Allow);
    Some(verified.expect_err("the document is not signed").rule())
}

/// Checks a certificate that passed the rules about certificates. The certificate must meet the
/// requirements of its position.
fn assert_meets_requirements(certificate: &[u8], position: usize, signed: bool) {
    let original = &fixture::certificates()[position];
    if !signed {
        // Without the issuer's key, the fuzzer can replace an ECDSA signature (r, s) only by the equivalent
        // signature (r, n - s). All other bytes must be unchanged.
        let to_be_signed = to_be_signed(original);
        assert_eq!(to_be_signed, &certificate[HEADER_LENGTH..][..to_be_signed.len()]);
        assert!(position > 0 || certificate == *original, "the root was replaced");
    }
    let [not_before, not_after] = validity(certificate).expect("the validity period is DER");
    assert!(not_before <= fixture::NOW.as_secs() + MAX_CLOCK_SKEW_SECS, "not valid yet");
    assert!(not_after >= fixture::NOW.as_secs(), "expired");
    let contains = |part: &[u8]| certificate.windows(part.len()).any(|window| window == part);
    assert!(contains(der::oid::ECDSA_WITH_SHA384) && contains(der::oid::SECP384R1));
    if position + 1 < fixture::levels().len() {
        assert!(contains(fixture::levels()[position].key.public_key()), "signs with another key");
        assert!(contains(der::oid::BASIC_CONSTRAINTS), "not a CA");
        assert!(allows(certificate, KEY_CERT_SIGN), "keyUsage lacks keyCertSign");
    } else {
        assert!(allows(certificate, DIGITAL_SIGNATURE), "keyUsage lacks digitalSignature");
    }
}

/// Returns the first and the last second of a certificate's validity (RFC 5280 section 4.1).
fn validity(certificate: &[u8]) -> decoder::Result<[u64; 2]> {
    let mut reader = SliceReader::new(to_be_signed(certificate))?;
    reader.sequence(|fields| {
        // version, serialNumber, signature, issuer
        for _ in 0..4 {
            fields.tlv_bytes()?;
        }
        let times = fields.sequence(|validity| {
            decoder::Result::Ok([seconds(validity.decode()?)?, seconds(validity.decode()?)?])
        });
        fields.drain(fields.remaining_len())?;
        times
    })
}

fn seconds(time: AnyRef<'_>) -> decoder::Result<u64> {
    let since_1970 = match time.tag() {
        Tag::UtcTime => time.decode_as::<UtcTime>()?.to_unix_duration(),
        _ => time.decode_as::<GeneralizedTime>()?.to_unix_duration(),
    };
    Ok(since_1970.as_secs())
}

/// Returns whether the certificate contains a keyUsage extension in which this bit is set. The extension
/// consists of the OID, an optional TRUE, and an OCTET STRING with a BIT STRING.
fn allows(certificate: &[u8], bit: u8) -> bool {
    let oid = der::oid::KEY_USAGE;
    let usages = certificate.windows(oid.len() + 9).filter(|window| window.starts_with(oid));
    usages.map(|usage| &usage[oid.len()..]).any(|usage| {
        let usage = usage.strip_prefix(&[0x01, 0x01, 0xff]).unwrap_or(usage);
        matches!(usage, [0x04, _, 0x03, _, _, bits, ..] if bits & bit != 0)
    })
}

/// Returns the TBSCertificate inside a certificate of the fixture.
pub fn to_be_signed(certificate: &[u8]) -> &[u8] {
    let length = |header: &[u8]| usize::from(header[2]) << 8 | usize::from(header[3]);
    let content = &certificate[HEADER_LENGTH..];
    &content[..HEADER_LENGTH + length(content)]
}

/// Signs an arbitrary TBSCertificate with the key of the issuer above `position`.
pub fn sign(to_be_signed: &[u8], position: usize) -> Vec<u8> {
    let issuer = &fixture::levels()[position.saturating_sub(1)].key;
    let signature = issuer.sign_der(to_be_signed).expect("the provider signs");
    let algorithm = der::algorithm(der::oid::ECDSA_WITH_SHA384);
    der::sequence(&[to_be_signed, &algorithm, &der::bit_string(0, &signature)])
}

/// Checks arbitrary bytes as the file of a trust anchor. A rejected file must leave the anchors
/// unchanged.
fn check_anchor(pem: &[u8]) {
    let [root, ..] = fixture::certificates();
    let mut anchors = TrustAnchors::simulator_root(root);
    if let Ok(fingerprints) = anchors.add_pem(pem) {
        assert!(!fingerprints.is_empty());
    }
    let good = &fixture::valid_payloads()[0];
    let document = UnverifiedDocument::parse(fixture::unsigned_document(good))
        .expect("the document is well-formed");
    let rejected = document.verify_at_document_time(&anchors, DebugMode::Allow);
    assert_eq!(rejected.expect_err("the document is not signed").rule(), Rule::DocumentSignature);
}
