//! Tests of a man in the middle that terminates TLS and relays the responses of a valid enclave.

use std::sync::Arc;

use enclave::tls::generate_tls_key;
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};

use crate::enclave::{Enclave, authority, now};
use crate::tls_terminator::TlsTerminator;
use crate::trust_command::trust_with_root;

/// Asserts the failure in each TLS version.
fn assert_trust_fails(enclave: &Enclave, certified: &Arc<CertifiedKey>, message: &str) {
    for version in [&TLS12, &TLS13] {
        let terminator = TlsTerminator::at(
            "127.0.0.1:0",
            &[version],
            Arc::clone(certified),
            enclave.plain_address,
        );
        let outcome = trust_with_root(&terminator.url(), enclave, &[]);
        outcome.assert_fails(16, "man in the middle: ");
        outcome.assert_fails(16, message);
    }
}

/// Returns a certificate of the attacker for the same names.
fn attacker_certificate() -> Arc<CertifiedKey> {
    authority(&["localhost", "127.0.0.1", "::1"]).issue(now()).unwrap().certified
}

/// Combines the attacker's key with other certificates.
fn with_attacker_key(
    attacker_certificate: &CertifiedKey,
    chain: Vec<CertificateDer<'static>>,
) -> Arc<CertifiedKey> {
    Arc::new(CertifiedKey::new(chain, Arc::clone(&attacker_certificate.key)))
}

#[test]
fn rejects_mitm_with_its_own_certificates() {
    let enclave = Enclave::start();
    assert_trust_fails(
        &enclave,
        &attacker_certificate(),
        "none of the presented certificates has the key",
    );
}

#[test]
fn rejects_mitm_that_adds_the_enclave_ca_to_its_chain() {
    let (enclave, attacker_certificate) = (Enclave::start(), attacker_certificate());
    let extended_chain = with_attacker_key(
        &attacker_certificate,
        [&attacker_certificate.cert[..], &enclave.certified.cert[1..]].concat(),
    );
    let message = "does not chain to the authority with the attested key";
    assert_trust_fails(&enclave, &extended_chain, message);
    // The check must also fail if the enclave's whole chain follows the attacker's certificate.
    let extended_chain = with_attacker_key(
        &attacker_certificate,
        [&attacker_certificate.cert[..1], &enclave.certified.cert].concat(),
    );
    assert_trust_fails(&enclave, &extended_chain, message);
}

#[test]
fn rejects_mitm_without_the_private_key() {
    let enclave = Enclave::start();
    let key = generate_tls_key().unwrap();
    let certified = Arc::new(CertifiedKey::new(enclave.certified.cert.clone(), key));
    assert_trust_fails(
        &enclave,
        &certified,
        "does not hold the key of the certificate that it presents",
    );
}

#[test]
fn rejects_mitm_that_relays_another_enclave() {
    let (enclave, other) = (Enclave::start(), Enclave::start());
    // Both enclaves have the same measurements, but TLS terminates in the other enclave.
    assert_trust_fails(&enclave, &other.certified, "none of the presented certificates");
}
