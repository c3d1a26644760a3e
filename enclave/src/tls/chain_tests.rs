use rustls_pki_types::{CertificateDer, ServerName};

use attestation::time::UnixMillis;
use attestation::tls::{TlsChainError, is_valid_for, spki_digest, verify_chain};

use super::authority::{Authority, AuthorityError};

const NOW: UnixMillis = UnixMillis::from_secs(1_790_000_000);
const DAY: u64 = 24 * 60 * 60;

fn authority(names: &[&str]) -> Authority {
    let names: Vec<_> = names.iter().map(|name| ServerName::try_from(*name).unwrap()).collect();
    Authority::generate(&names, NOW).unwrap()
}

fn chain(authority: &Authority, now: UnixMillis) -> Vec<CertificateDer<'static>> {
    authority.issue(now).unwrap().certified.cert.clone()
}

#[test]
fn verifies_chain_of_the_bound_authority() {
    for names in
        [&["localhost"][..], &["127.0.0.1", "::1"], &["kms.eu-west-1.amazonaws.com", "::1"]]
    {
        let authority = authority(names);
        let chain = chain(&authority, NOW);
        let verified = verify_chain(&chain, &authority.key_digest(), NOW);
        assert_eq!(verified.as_ref(), Ok(authority.certificate()), "{names:?}");
    }
}

#[test]
fn rejects_chain_of_another_authority() {
    let (bound, other) = (authority(&["localhost"]), authority(&["localhost"]));
    let (good, foreign) = (chain(&bound, NOW), chain(&other, NOW));
    let verify = |chain: &[CertificateDer<'_>]| verify_chain(chain, &bound.key_digest(), NOW);
    assert_eq!(verify(&[]), Err(TlsChainError::NoAuthority));
    assert_eq!(verify(&good[..1]), Err(TlsChainError::NoAuthority));
    assert_eq!(verify(&foreign), Err(TlsChainError::NoAuthority));
    // A man in the middle sends its own certificate, and then the certificate of the enclave's authority.
    let mixed = [foreign[0].clone(), good[1].clone()];
    assert!(matches!(verify(&mixed), Err(TlsChainError::Path(_))));
    let appended = [foreign[0].clone(), foreign[1].clone(), good[0].clone(), good[1].clone()];
    assert!(matches!(verify(&appended), Err(TlsChainError::Path(_))));
    // The certificate of an authority is not a server certificate.
    assert!(matches!(verify(&[good[1].clone()]), Err(TlsChainError::Path(_))));
}

#[test]
fn rejects_changed_authority_certificate() {
    let authority = authority(&["localhost"]);
    let chain = chain(&authority, NOW);
    let verify = |changed: Vec<u8>| {
        let chain = [chain[0].clone(), CertificateDer::from(changed)];
        verify_chain(&chain, &authority.key_digest(), NOW)
    };
    // Changes the permitted name to another name of the same length.
    let mut certificate = chain[1].to_vec();
    let at = certificate.windows(9).rposition(|window| window == b"localhost").unwrap();
    certificate[at] = b'L';
    assert_eq!(verify(certificate), Err(TlsChainError::NotSelfSigned));
    let mut certificate = chain[1].to_vec();
    *certificate.last_mut().unwrap() ^= 1;
    assert_eq!(verify(certificate), Err(TlsChainError::NotSelfSigned));
}

#[test]
fn certificate_is_valid_for_a_day_and_authority_forever() {
    let authority = authority(&["localhost"]);
    let issued = authority.issue(NOW).unwrap();
    assert!(issued.not_before < NOW && NOW < issued.renew_at && issued.renew_at < issued.not_after);
    let verify = |at| verify_chain(&issued.certified.cert, &authority.key_digest(), at);
    assert!(verify(issued.not_before).is_ok());
    assert!(verify(issued.not_before.minus_secs(1)).is_err());
    assert!(verify(issued.not_after).is_ok());
    assert!(verify(issued.not_after.plus_secs(1)).is_err());
    let later = NOW.plus_secs(10_000 * DAY);
    let renewed = chain(&authority, later);
    assert!(verify_chain(&renewed, &authority.key_digest(), later).is_ok());
    assert_ne!(renewed[0], issued.certified.cert[0]);
}

#[test]
fn certificate_is_valid_only_for_its_names() {
    let certificate = &chain(&authority(&["localhost", "127.0.0.1", "::1"]), NOW)[0];
    let is_valid = |name: &str| is_valid_for(certificate, &ServerName::try_from(name).unwrap());
    assert!(["localhost", "LOCALHOST", "127.0.0.1", "::1"].into_iter().all(is_valid));
    assert!(!["local", "a.localhost", "127.0.0.2", "::2"].into_iter().any(is_valid));
    let name = ServerName::try_from("localhost").unwrap();
    assert!(!is_valid_for(&CertificateDer::from(vec![0x30]), &name));
}

#[test]
fn rejects_missing_names_and_unencodable_times() {
    assert_eq!(Authority::generate(&[], NOW).unwrap_err(), AuthorityError::NoName);
    let end = UnixMillis::new(u64::MAX);
    let names = [ServerName::try_from("localhost").unwrap()];
    assert!(matches!(Authority::generate(&names, end), Err(AuthorityError::Time(_))));
    assert!(matches!(authority(&["localhost"]).issue(end), Err(AuthorityError::Time(_))));
}

#[test]
fn each_authority_has_its_own_keys() {
    let [one, other] = [authority(&["localhost"]), authority(&["localhost"])];
    assert_ne!(one.key_digest(), other.key_digest());
    assert_ne!(one.server_key_digest(), other.server_key_digest());
    assert_ne!(one.server_key_digest(), one.key_digest());
}

#[test]
fn renewed_certificates_have_the_attested_server_key() {
    let authority = authority(&["localhost"]);
    let key_of = |now| {
        let chain = chain(&authority, now);
        let certificate = webpki::EndEntityCert::try_from(&chain[0]).unwrap();
        spki_digest(&certificate.subject_public_key_info())
    };
    assert_eq!(key_of(NOW), authority.server_key_digest());
    assert_eq!(key_of(NOW.plus_secs(100 * DAY)), authority.server_key_digest());
}

#[test]
fn rejects_any_changed_certificate_byte() {
    let authority = authority(&["localhost"]);
    let good = chain(&authority, NOW);
    for (position, certificate) in good.iter().enumerate() {
        for at in 0..certificate.len() {
            let mut changed = certificate.to_vec();
            // Flips one bit of each byte.
            changed[at] ^= 1 << (at % 8);
            let mut chain = good.clone();
            chain[position] = CertificateDer::from(changed);
            let verified = verify_chain(&chain, &authority.key_digest(), NOW);
            assert!(verified.is_err(), "certificate {position}, byte {at}");
        }
    }
}
