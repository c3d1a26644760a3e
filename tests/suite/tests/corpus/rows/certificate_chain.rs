//! C: the chain as a whole.

use attestation::ChainPosition::{self, Cabundle, Leaf};
use attestation::MalformedDocument as M;
use attestation::UntrustedDocument as U;
use attestation::time::UnixMillis;
use simulator::der::{self, oid};
use simulator::{CertificateSpec, DocumentBuilder, Extension, sign_payload};

use crate::harness::cbor;
use crate::harness::payload::Payload;
use crate::harness::row::{Row, row};
use crate::harness::service::{LEAF, NOW, OUTSIDE_ROOTS, good, recipient, verification_time};
use crate::rows::certificate_encoding::malformed;
use crate::rows::certificates::malformed_times;

pub(crate) fn rows() -> Vec<Row> {
    [order(), anchors(), counts(), signatures()].into_iter().flatten().collect()
}

pub(crate) fn position(level: usize) -> ChainPosition {
    if level == LEAF { Leaf } else { Cabundle(level) }
}

/// The good chain with one thing changed before it is signed.
pub(crate) fn changed(change: impl FnOnce(&mut [CertificateSpec])) -> Vec<u8> {
    let mut forgery = good();
    change(&mut forgery.specs);
    forgery.sign().unwrap()
}

/// The good chain, but its CAs allow any number of CAs below them.
fn any_path_length() -> DocumentBuilder {
    let mut forgery = good();
    for spec in &mut forgery.specs[1..LEAF] {
        spec.extensions[0] = Extension::ca(None);
    }
    forgery
}

fn sign_over(forgery: &DocumentBuilder, chain: &[Vec<u8>]) -> Vec<u8> {
    let chain: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
    forgery.sign_over(&chain).unwrap()
}

/// The certificates of `levels`, in this order, the leaf last.
fn ordered(forgery: &DocumentBuilder, levels: &[usize]) -> Vec<u8> {
    let certificates = forgery.certificates().unwrap();
    let chain: Vec<Vec<u8>> = levels.iter().map(|level| certificates[*level].clone()).collect();
    sign_over(forgery, &chain)
}

/// C01 to C05.
fn order() -> Vec<Row> {
    let out_of_order = |certificate| U::ChainOrder { certificate };
    let (good, free) = (good(), any_path_length());
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
        row("C01", "good: accepted")
            .accepted("as AWS has it", good.sign().unwrap())
            .accepted("without path lengths", free.sign().unwrap()),
        row("C02", "reversed cabundle")
            .refused(
                "by path length",
                ordered(&good, &[3, 2, 1, 0, LEAF]),
                too_long(Cabundle(1), 1, 2),
            )
            .refused("by order", ordered(&free, &[3, 2, 1, 0, LEAF]), out_of_order(Cabundle(0)))
            .refused("two of them", ordered(&free, &[0, 2, 1, 3, LEAF]), out_of_order(Cabundle(1))),
        row("C03", "duplicates")
            .refused("the root", ordered(&good, &[0, 0, 1, 2, 3, LEAF]), repeated(Cabundle(1)))
            .refused(
                "a CA, by path length",
                ordered(&good, &[0, 1, 2, 3, 3, LEAF]),
                too_long(Cabundle(3), 0, 1),
            )
            .refused(
                "a CA, by order",
                ordered(&free, &[0, 1, 2, 2, 3, LEAF]),
                out_of_order(Cabundle(3)),
            )
            .refused(
                "the leaf, as a CA",
                ordered(&good, &[0, 1, 2, 3, LEAF, LEAF]),
                U::NotCa { certificate: Cabundle(4) },
            ),
        row("C04", "an intermediate missing")
            .refused("the first", ordered(&good, &[0, 2, 3, LEAF]), out_of_order(Cabundle(1)))
            .refused("the second", ordered(&good, &[0, 1, 3, LEAF]), out_of_order(Cabundle(2)))
            .refused("the last", ordered(&good, &[0, 1, 2, LEAF]), out_of_order(Leaf))
            .refused("the root", ordered(&good, &[1, 2, 3, LEAF]), out_of_order(Cabundle(0))),
        row("C05", "an unused extra certificate")
            .refused("above", with_extra(1), out_of_order(Cabundle(2)))
            .refused("between", with_extra(2), out_of_order(Cabundle(2)))
            .refused("below", with_extra(4), out_of_order(Cabundle(4))),
    ]
}

/// C06, C27, C28.
fn anchors() -> Vec<Row> {
    let mut other = DocumentBuilder::new(LEAF, NOW).unwrap();
    other.document.public_key = Some(recipient().public_key_der().to_vec());
    let mut mixed = other.certificates().unwrap();
    mixed[0] = good().root().to_vec();
    let mut again = good();
    again.keep_root().unwrap();
    let root = good().root().to_vec();
    let payload = Payload::good().set("certificate", cbor::bytes(&root)).encode();
    let by_root = sign_payload(&payload, good().key(0).unwrap()).unwrap();
    let [expired, early, within_leeway] = &*OUTSIDE_ROOTS;
    let certificate = Cabundle(0);
    let not_after = NOW.minus_secs(1);
    let not_before = NOW.plus_secs(61);
    let beyond_2050 = changed(|specs| specs[1].not_after = UnixMillis::from_secs(2_556_144_000));
    let c28 = row("C28", "an expired anchor, another root certificate, malformed times")
        .refused(
            "expired",
            expired.sign().unwrap(),
            U::CertificateExpired { certificate, not_after, at: verification_time(NOW) },
        )
        .refused(
            "not yet valid",
            early.sign().unwrap(),
            U::CertificateNotYetValid { certificate, not_before, at: verification_time(NOW) },
        )
        .accepted("valid in 60 s", within_leeway.sign().unwrap())
        .refused("other bytes, same key", again.sign().unwrap(), U::UnknownRoot);
    vec![
        row("C06", "other root, same subject")
            .refused("the whole chain", other.sign().unwrap(), U::UnknownRoot)
            .refused("below our root", sign_over(&other, &mixed), U::ChainSignature),
        row("C27", "leaf equals root").refused("", by_root, U::LeafIsCa),
        malformed_times(c28).accepted("GeneralizedTime from 2050 on", beyond_2050),
    ]
}

/// C21 to C23, C26.
fn counts() -> Vec<Row> {
    let with_cas = |cas: usize| good().with_cas(cas).sign().unwrap();
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
    let tiny = Payload::good().set("cabundle", cbor::array(&vec![cbor::filled(1); 100])).sign();
    let endless = [&[0x9f][..], &cbor::filled(1).repeat(100), &cbor::BREAK].concat();
    let endless = Payload::good().set("cabundle", endless).sign();
    let deep = same_subject(30);
    let repeated = |certificate| U::RepeatedSubject { certificate };
    let mut looped = any_path_length();
    looped.specs[3].subject = looped.specs[1].subject.clone();
    looped.specs[LEAF].issuer = looped.specs[1].subject.clone();
    let mut crossed = any_path_length();
    crossed.specs[1].issuer = crossed.specs[2].subject.clone();
    let short = good().with_cas(1).certificates().unwrap();
    let full = good().certificates().unwrap();
    let below_root = |cas: usize| {
        let chain = [&full[..cas], &short[1..]].concat();
        let forgery = good().with_cas(1);
        sign_over(&forgery, &chain)
    };
    let not_next = U::ChainOrder { certificate: Leaf };
    vec![
        row("C21", "a cabundle of six, of one, of none")
            .refused("6", with_cas(6), count(6))
            .refused("1", with_cas(1), count(1))
            .refused("0", Payload::good().set("cabundle", cbor::array(&[])).sign(), count(0))
            .accepted("2", with_cas(2))
            .accepted("3", with_cas(3))
            .accepted("5", with_cas(5)),
        row("C22", "one hundred same-subject certificates: refused before any signature")
            .refused("real ones", hundred, M::TooLong { length })
            .refused("as many real ones as fit", same_subject(25), count(25))
            .refused("of one byte", tiny, count(100))
            .refused("in an endless list", endless, count(6)),
        row("C23", "loop, self-issued 30 deep")
            .refused("30", deep, count(30))
            .refused("5", same_subject(5), repeated(Cabundle(1)))
            .refused("a loop", looped.sign().unwrap(), repeated(Cabundle(3)))
            .refused(
                "two that issue each other",
                crossed.sign().unwrap(),
                U::ChainOrder { certificate: Cabundle(1) },
            ),
        row("C26", "leaf straight from the root")
            .refused("the root alone", below_root(1), count(1))
            .refused("beside one CA", below_root(2), not_next.clone())
            .refused("beside three CAs", below_root(4), not_next),
    ]
}

/// C25.
fn signatures() -> Vec<Row> {
    let certificates = good().certificates().unwrap();
    let with = |level: usize, change: fn(&mut Vec<u8>)| {
        let mut chain = certificates.clone();
        change(&mut chain[level]);
        sign_over(&good(), &chain)
    };
    let mut row = row("C25", "trailing byte in a certificate, flipped bit in its signature");
    for level in 0..=LEAF {
        let certificate = position(level);
        let encoding = U::CertificateEncoding { certificate };
        row = row.refused(
            format!("a byte after {certificate}"),
            with(level, |der| der.push(0)),
            encoding,
        );
        let expected = if level == 0 { U::UnknownRoot } else { U::ChainSignature };
        let flipped = with(level, |der| *der.last_mut().unwrap() ^= 1);
        row = row.refused(format!("a bit of {certificate}"), flipped, expected);
    }
    for level in 1..=LEAF {
        let certificate = position(level);
        let forgery = good();
        let mut chain = certificates.clone();
        let (key, stranger) = (forgery.key(level).unwrap(), forgery.key(level).unwrap());
        chain[level] = forgery.specs[level].issue(key.public_key(), stranger).unwrap();
        let document = sign_over(&forgery, &chain);
        row = row.refused(format!("{certificate} signed by itself"), document, U::ChainSignature);
    }
    vec![malformed(row)]
}
