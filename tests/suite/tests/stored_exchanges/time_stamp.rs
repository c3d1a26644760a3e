//! Tests of `verify-receipt --timestamp`, with time stamps of OpenSSL.

use std::fs;

use attestation::time_stamp::{TimeStampError, verify_time_stamp};
use enclave::clock::{Clock, SystemClock};

use crate::enclave::{Enclave, Run, hours_ago};
use crate::time_stamp_authority::TimeStampAuthority;

const RSA: [&str; 1] = ["rsa:2048"];
const P256: [&str; 3] = ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
const WITH_CERTIFICATE: [&str; 2] = ["-sha256", "-cert"];

/// Runs `verify-receipt` for the file `content` with this time stamp.
fn verify(enclave: &Enclave, content: &str, time_stamp: &[u8], root: &str) -> Run {
    let (file, token) = (enclave.file("a.json", content), enclave.file("token", time_stamp));
    enclave.verify(&[&file, "--timestamp", &token, "--tsa-root", root])
}

#[test]
fn accepts_responses_and_tokens_of_rsa_and_ecdsa() {
    let enclave = Enclave::start();
    let json = enclave.exchange(&enclave.sealed(), |_| ()).to_json();
    for key in [&RSA[..], &P256] {
        let authority = TimeStampAuthority::new(key);
        let response = authority.stamp(json.as_bytes(), &WITH_CERTIFICATE);
        for time_stamp in [response, authority.token()] {
            let run = verify(&enclave, &json, &time_stamp, &authority.root());
            assert_eq!(run.status, 0, "{run:?}");
            assert!(run.stdout.contains("ok       11 time stamp\n"), "{run:?}");
            assert!(run.stdout.contains("\n  stamped       20"), "{run:?}");
        }
    }
}

#[test]
fn rejects_time_stamps_with_their_reason() {
    let enclave = Enclave::start();
    let json = enclave.exchange(&enclave.sealed(), |_| ()).to_json();
    let (authority, other) = (TimeStampAuthority::new(&P256), TimeStampAuthority::new(&P256));
    let of_other_file = authority.stamp(b"other", &WITH_CERTIFICATE);
    let sha_512 = authority.stamp(json.as_bytes(), &["-sha512", "-cert"]);
    let refused = authority.stamp(json.as_bytes(), &["-sha256", "-tspolicy", "1.2.3.4.2"]);
    let no_certificate = authority.stamp(json.as_bytes(), &["-sha256"]);
    let response = authority.stamp(json.as_bytes(), &WITH_CERTIFICATE);
    let other_purpose = authority.sign_with_other_certificate(&authority.token());
    let root = authority.root();
    for (time_stamp, root, reason) in [
        (&of_other_file, &root, "the time stamp is of another file"),
        (&sha_512, &root, "not a TimeStampResp or a TimeStampToken"),
        (&refused, &root, "the time-stamping authority refused the request"),
        (
            &no_certificate,
            &root,
            "the signature of the time stamp verifies with no certificate in it",
        ),
        (&response, &other.root(), "the certificate of the time-stamping authority is rejected"),
        (&other_purpose, &root, "the certificate of the time-stamping authority is rejected"),
        (&b"text".to_vec(), &root, "not a TimeStampResp or a TimeStampToken"),
    ] {
        let run = verify(&enclave, &json, time_stamp, root);
        run.assert_rejects(&format!("11 time stamp: {reason}"));
        assert!(!run.stdout.contains("stamped "), "{run:?}");
    }
}

#[test]
fn rejects_time_stamp_long_after_or_before_the_receipt() {
    let enclave = Enclave::start();
    let authority = TimeStampAuthority::new(&P256);
    let verify = |time| {
        let exchange = enclave.exchange(&enclave.sealed(), |receipt| receipt.time = time);
        let json = exchange.to_json();
        let time_stamp = authority.stamp(json.as_bytes(), &WITH_CERTIFICATE);
        verify(&enclave, &json, &time_stamp, &authority.root())
    };
    assert_eq!(verify(hours_ago(2)).status, 0);
    verify(hours_ago(4)).assert_rejects("over 3 h after the receipt");
    verify(SystemClock.now().plus_secs(120)).assert_rejects("before the receipt");
}

/// A thief of a document's expired keys can still sign a document of the time at which they were valid, and a receipt
/// of the present under it.
#[test]
fn rejects_time_stamp_long_after_the_document() {
    let enclave = Enclave::start();
    let authority = TimeStampAuthority::new(&P256);
    let verify = |age_seconds| {
        let document = enclave.identity_document(age_seconds);
        let exchange = enclave.exchange_with_document(document, &enclave.sealed(), |_| ());
        let json = exchange.to_json();
        let time_stamp = authority.stamp(json.as_bytes(), &WITH_CERTIFICATE);
        verify(&enclave, &json, &time_stamp, &authority.root())
    };
    assert_eq!(verify(2 * 3600).status, 0);
    verify(4 * 3600).assert_rejects("over 3 h after the document");
}

#[test]
fn time_stamp_needs_its_root_and_one_file() {
    let enclave = Enclave::start();
    let json = enclave.exchange(&enclave.sealed(), |_| ()).to_json();
    let file = enclave.file("a.json", &*json);
    enclave.verify(&[&file, "--timestamp", &file]).assert_usage("--tsa-root");
    enclave.verify(&[&file, "--tsa-root", &file]).assert_usage("--timestamp");
    let options = ["--timestamp", &file, "--tsa-root", &file];
    enclave
        .verify(&[&[file.as_str(), &file], &options[..]].concat())
        .assert_usage("--timestamp belongs to one exchange");
    enclave
        .verify(&[&[file.as_str()], &options[..]].concat())
        .assert_rejects("is not a certificate");
}

#[test]
fn changed_time_stamp_never_shows_another_time() {
    let authority = TimeStampAuthority::new(&P256);
    let time_stamp = authority.stamp(b"content", &WITH_CERTIFICATE);
    let root = fs::read(authority.root()).unwrap();
    let time = verify_time_stamp(&time_stamp, b"content", &root).unwrap();
    let mut rejected = 0;
    for position in 0..time_stamp.len() {
        let mut changed = time_stamp.clone();
        changed[position] ^= 1 << (position % 8);
        match verify_time_stamp(&changed, b"content", &root) {
            // The signature covers neither the signer's identifier nor the names of algorithms.
            Ok(shown) => assert_eq!(shown, time, "byte {position}"),
            Err(_) => rejected += 1,
        }
        let shortened = verify_time_stamp(&time_stamp[..position], b"content", &root);
        assert_eq!(shortened, Err(TimeStampError::Form), "{position} bytes");
    }
    assert!(rejected > time_stamp.len() / 2, "{rejected} of {}", time_stamp.len());
}
