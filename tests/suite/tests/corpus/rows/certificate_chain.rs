//! Rows C: the chain of certificates as a whole.

use attestation::ChainPosition::{self, Cabundle, Leaf};
use attestation::MalformedDocument as M;
use attestation::UntrustedDocument as U;
use attestation::time::UnixMillis;
use simulator::der::{self, oid};
use simulator::{CertificateSpec, DocumentBuilder, Extension, sign_payload};

use crate::harness::cbor;
use crate::harness::payload::Payload;
use crate::harness::row::{Row, row};
use crate::harness::service::{
    LEAF, NOW, ROOTS_OUTSIDE_VALIDITY, recipient, valid_document, verification_time,
};
use crate::rows::certificate_encoding::malformed;
use crate::rows::certificates::malformed_times;

pub(crate) fn rows() -> Vec<Row> {
    [order(), anchors(), counts(), signatures()].into_iter().flatten().collect()
}

pub(crate) fn position(level: usize) -> ChainPosition {
    if level == LEAF { Leaf } else { Cabundle(level) }
}

/// Signs a valid chain after one change to its certificates.
pub(crate) fn changed(change: impl FnOnce(&mut [CertificateSpec])) -> Vec<u8> {
    let mut forgery = valid_document();
    change(&mut forgery.specs);
    forgery.sign().unwrap()
}

/// Returns a builder whose CAs allow any number of CAs below them.
fn any_path_length() -> DocumentBuilder {
    let mut forgery = valid_document();
    for spec in &mut forgery.specs[1..LEAF] {
        spec.extensions[0] = Extension::ca(None);
    }
    forgery
}

fn sign_over(forgery: &DocumentBuilder, chain: &[Vec<u8>]) -> Vec<u8> {
    let chain: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
    forgery.sign_over(&chain).unwrap()
}

/// Signs a document with the certificates of `levels` in this order. The last certificate is the
/// leaf.
fn ordered(forgery: &DocumentBuilder, levels: &[usize]) -> Vec<u8> {
    let certificates = forgery.certificates().unwrap();
    let chain: Vec<Vec<u8>> = levels.iter().map(|level| certificates[*level].clone()).collect();
    sign_over(forgery, &chain)
}

/// Returns the rows C01 to C05.
fn order() -> Vec<Row> {
    let out_of_order = |certificate| U::ChainOrder { certificate };
    let (valid, free) = (valid_document(), any_path_length());
    let too_long = |certificate, allowed, below| U::PathLength { certificate, allowed, below };
    let repeated = |certificate| U::RepeatedSubject { certificate };
    let with_extra = |index: usize| {
        let mut spec = free.specs[1].clone();
        spec.subject = der::name(&[(oid::COMMON_NAME, "extra")]);
        let key = free.key(0).unwrap();
        let mut chain = free.certificates().unwrap();
        chain.insert(index, spec.issue(key.public_key(), key).unwrap());
        sign_over(&free, &chain)
    };
    vec![
        row("C01", "valid chain: accepted")
            .accepts("in the form of AWS", valid.sign().unwrap())
            .accepts("without path lengths", free.sign().unwrap()),
        row("C02", "reversed cabundle")
            .rejects(
                "by path length",
                ordered(&valid, &[3, 2, 1, 0, LEAF]),
                too_long(Cabundle(1), 1, 2),
            )
            .rejects("by order", ordered(&free, &[3, 2, 1, 0, LEAF]), out_of_order(Cabundle(0)))
            .rejects("two of them", ordered(&free, &[0, 2, 1, 3, LEAF]), out_of_order(Cabundle(1))),
        row("C03", "duplicates")
            .rejects("the root", ordered(&valid, &[0, 0, 1, 2, 3, LEAF]), repeated(Cabundle(1)))
            .rejects(
                "a CA, by path length",
                ordered(&valid, &[0, 1, 2, 3, 3, LEAF]),
                too_long(Cabundle(3), 0, 1),
            )
            .rejects(
                "a CA, by order",
                ordered(&free, &[0, 1, 2, 2, 3, LEAF]),
                out_of_order(Cabundle(3)),
            )
            .rejects(
                "the leaf, as a CA",
                ordered(&valid, &[0, 1, 2, 3, LEAF, LEAF]),
                U::NotCa { certificate: Cabundle(4) },
            ),
        row("C04", "an intermediate missing")
            .rejects("the first", ordered(&valid, &[0, 2, 3, LEAF]), out_of_order(Cabundle(1)))
            .rejects("the second", ordered(&valid, &[0, 1, 3, LEAF]), out_of_order(Cabundle(2)))
            .rejects("the last", ordered(&valid, &[0, 1, 2, LEAF]), out_of_order(Leaf))
            .rejects("the root", ordered(&valid, &[1, 2, 3, LEAF]), out_of_order(Cabundle(0))),
        row("C05", "an unused extra certificate")
            .rejects("above", with_extra(1), out_of_order(Cabundle(2)))
            .rejects("between", with_extra(2), out_of_order(Cabundle(2)))
            .rejects("below", with_extra(4), out_of_order(Cabundle(4))),
    ]
}

/// Returns the rows C06, C27, C28.
fn anchors() -> Vec<Row> {
    let mut other = DocumentBuilder::new(LEAF, NOW).unwrap();
    other.document.public_key = Some(recipient().public_key_der().to_vec());
    let mut mixed = other.certificates().unwrap();
    mixed[0] = valid_document().root().to_vec();
    let mut again = valid_document();
    again.keep_root().unwrap();
    let root = valid_document().root().to_vec();
    let payload = Payload::valid().set("certificate", cbor::bytes(&root)).encode();
    let by_root = sign_payload(&payload, valid_document().key(0).unwrap()).unwrap();
    let [expired, early, within_leeway] = &*ROOTS_OUTSIDE_VALIDITY;
    let certificate = Cabundle(0);
    let not_after = NOW.minus_secs(1);
    let not_before = NOW.plus_secs(61);
    let beyond_2050 = changed(|specs| specs[1].not_after = UnixMillis::from_secs(2_556_144_000));
    let c28 = row("C28", "an expired anchor, another root certificate, malformed times")
        .rejects(
            "expired",
            expired.sign().unwrap(),
            U::CertificateExpired { certificate, not_after, at: verification_time(NOW) },
        )
        .rejects(
            "not yet valid",
            early.sign().unwrap(),
            U::CertificateNotYetValid { certificate, not_before, at: verification_time(NOW) },
        )
        .accepts("valid in 60 s", within_leeway.sign().unwrap())
        .rejects("other bytes, same key", again.sign().unwrap(), U::UnknownRoot);
    vec![
        row("C06", "other root, same subject")
            .rejects("the whole chain", other.sign().unwrap(), U::UnknownRoot)
            .rejects("below the trusted root", sign_over(&other, &mixed), U::ChainSignature),
        row("C27", "leaf equals root").rejects("", by_root, U::LeafIsCa),
        malformed_times(c28).accepts("GeneralizedTime from 2050 on", beyond_2050),
    ]
}

/// Returns the rows C21 to C23, C26.
fn counts() -> Vec<Row> {
    let with_cas = |cas: usize| valid_document().with_cas(cas).sign().unwrap();
    let count = |count| M::CabundleCount { count };
    let same_subject = |cas: usize| {
        let mut forgery = any_path_length();
        let spec = CertificateSpec {
            issuer: forgery.specs[0].subject.clone(),
            ..forgery.specs[0].clone()
        };
        forgery.specs.splice(1..LEAF, vec![spec; cas - 1]);
        let issuer = forgery.specs[0].subject.clone();
        forgery.specs.last_mut().unwrap().issuer = issuer;
        forgery.sign().unwrap()
    };
    let hundred = same_subject(100);
    let length = hundred.len();
    let tiny = Payload::valid().set("cabundle", cbor::array(&vec![cbor::filled(1); 100])).sign();
    let endless = [&[0x9f][..], &cbor::filled(1).repeat(100), &cbor::BREAK].concat();
    let endless = Payload::valid().set("cabundle", endless).sign();
    let deep = same_subject(30);
    let repeated = |certificate| U::RepeatedSubject { certificate };
    let mut looped = any_path_length();
    looped.specs[3].subject = looped.specs[1].subject.clone();
    looped.specs[LEAF].issuer = looped.specs[1].subject.clone();
    let mut crossed = any_path_length();
    crossed.specs[1].issuer = crossed.specs[2].subject.clone();
    let short = valid_document().with_cas(1).certificates().unwrap();
    let full = valid_document().certificates().unwrap();
    let below_root = |cas: usize| {
        let chain = [&full[..cas], &short[1..]].concat();
        let forgery = valid_document().with_cas(1);
        sign_over(&forgery, &chain)
    };
    let not_next = U::ChainOrder { certificate: Leaf };
    vec![
        row("C21", "a cabundle of six, of one, of none")
            .rejects("6", with_cas(6), count(6))
            .rejects("1", with_cas(1), count(1))
            .rejects("0", Payload::valid().set("cabundle", cbor::array(&[])).sign(), count(0))
            .accepts("2", with_cas(2))
            .accepts("3", with_cas(3))
            .accepts("5", with_cas(5)),
        row("C22", "one hundred same-subject certificates: rejected before any signature check")
            .rejects("valid certificates", hundred, M::TooLong { length })
            .rejects("as many valid certificates as fit", same_subject(25), count(25))
            .rejects("of one byte", tiny, count(100))
            .rejects("in an indefinite array", endless, count(6)),
        row("C23", "loop, self-issued 30 deep")
            .rejects("30", deep, count(30))
            .rejects("5", same_subject(5), repeated(Cabundle(1)))
            .rejects("a loop", looped.sign().unwrap(), repeated(Cabundle(3)))
            .rejects(
                "two that issue each other",
                crossed.sign().unwrap(),
                U::ChainOrder { certificate: Cabundle(1) },
            ),
        row("C26", "leaf straight from the root")
            .rejects("the root alone", below_root(1), count(1))
            .rejects("beside one CA", below_root(2), not_next.clone())
            .rejects("beside three CAs", below_root(4), not_next),
    ]
}

/// Returns the row C25.
fn signatures() -> Vec<Row> {
    let certificates = valid_document().certificates().unwrap();
    let with = |level: usize, change: fn(&mut Vec<u8>)| {
        let mut chain = certificates.clone();
        change(&mut chain[level]);
        sign_over(&valid_document(), &chain)
    };
    let mut row = row("C25", "trailing byte in a certificate, flipped bit in its signature");
    for level in 0..=LEAF {
        let certificate = position(level);
        let encoding = U::CertificateEncoding { certificate };
        row = row.rejects(
            format!("a byte after {certificate}"),
            with(level, |der| der.push(0)),
            encoding,
        );
        let expected = if level == 0 { U::UnknownRoot } else { U::ChainSignature };
        let flipped = with(level, |der| *der.last_mut().unwrap() ^= 1);
        row = row.rejects(format!("a bit of {certificate}"), flipped, expected);
    }
    for level in 1..=LEAF {
        let certificate = position(level);
        let forgery = valid_document();
        let mut chain = certificates.clone();
        let (key, other_key) = (forgery.key(level).unwrap(), forgery.key(level).unwrap());
        chain[level] = forgery.specs[level].issue(key.public_key(), other_key).unwrap();
        let document = sign_over(&forgery, &chain);
        row = row.rejects(format!("{certificate} signed by itself"), document, U::ChainSignature);
    }
    vec![malformed(row)]
}
