//! Who ends the TLS himself, and relays what a right enclave says.

use std::sync::Arc;

use enclave::tls::generate_tls_key;
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};

use crate::enclave::{Enclave, authority, now};
use crate::tls_terminator::Terminator;
use crate::trust_command::trust_at;

/// Refused in each version of TLS.
fn refusal_of(enclave: &Enclave, certified: &Arc<CertifiedKey>, message: &str) {
    for version in [&TLS12, &TLS13] {
        let man = Terminator::at("127.0.0.1:0", &[version], Arc::clone(certified), enclave.plain);
        let outcome = trust_at(&man.url(), enclave, &[]);
        outcome.assert_refused(16, "man in the middle: ");
        outcome.assert_refused(16, message);
    }
}

/// His own certificates, of the same names.
fn own() -> Arc<CertifiedKey> {
    authority(&["localhost", "127.0.0.1", "::1"]).issue(now()).unwrap().certified
}

/// His own key behind others' certificates.
fn with_key_of(own: &CertifiedKey, chain: Vec<CertificateDer<'static>>) -> Arc<CertifiedKey> {
    Arc::new(CertifiedKey::new(chain, Arc::clone(&own.key)))
}

#[test]
fn rejects_mitm_with_its_own_certificates() {
    let enclave = Enclave::start();
    refusal_of(&enclave, &own(), "none of the certificates that it presents has the key");
}

#[test]
fn rejects_mitm_that_adds_the_enclave_ca_to_its_chain() {
    let (enclave, own) = (Enclave::start(), own());
    let grafted = with_key_of(&own, [&own.cert[..], &enclave.certified.cert[1..]].concat());
    let message = "the authority with the attested key did not issue its certificate";
    refusal_of(&enclave, &grafted, message);
    // Nor the enclave's whole chain behind his.
    let grafted = with_key_of(&own, [&own.cert[..1], &enclave.certified.cert].concat());
    refusal_of(&enclave, &grafted, message);
}

#[test]
fn rejects_mitm_without_the_private_key() {
    let enclave = Enclave::start();
    let key = generate_tls_key().unwrap();
    let certified = Arc::new(CertifiedKey::new(enclave.certified.cert.clone(), key));
    refusal_of(&enclave, &certified, "does not hold the key of the certificate that he shows");
}

#[test]
fn rejects_mitm_that_relays_another_enclave() {
    let (enclave, other) = (Enclave::start(), Enclave::start());
    // The same measurements, and an enclave; but TLS ends in the other one.
    refusal_of(&enclave, &other.certified, "none of the certificates that it presents");
}
