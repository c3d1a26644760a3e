use attestation::tls::{TlsChainError, not_after, verify_chain};

use super::*;

const NOW: UnixMillis = UnixMillis::from_secs(1_790_000_000);

/// Clients reject a certificate for another name, even if the authority signs the certificate.
#[test]
fn issues_only_for_its_own_names() {
    let names = |names: &[&str]| -> Vec<_> {
        names.iter().map(|name| ServerName::try_from((*name).to_owned()).unwrap()).collect()
    };
    for (own, other, may) in [
        (&["localhost"][..], "localhost", true),
        (&["localhost"], "other.example", false),
        (&["localhost"], "127.0.0.1", false),
        (&["localhost"], "::1", false),
        (&["10.0.0.5"], "10.0.0.5", true),
        (&["10.0.0.5"], "10.0.0.6", false),
        (&["10.0.0.5"], "::1", false),
        (&["10.0.0.5"], "localhost", false),
        (&["kms.eu-west-1.amazonaws.com", "::1"], "kms.us-east-1.amazonaws.com", false),
        (&["kms.eu-west-1.amazonaws.com", "::1"], "amazonaws.com", false),
        (&["kms.eu-west-1.amazonaws.com", "::1"], "::2", false),
        (&["kms.eu-west-1.amazonaws.com", "::1"], "::1", true),
    ] {
        let mut authority = Authority::generate(&names(own), NOW).unwrap();
        authority.names = vec![san(&names(&[other])[0]).unwrap()];
        let chain = &authority.issue(NOW).unwrap().certified.cert;
        let verified = verify_chain(chain, &authority.key_digest(), NOW).map(drop);
        let refused = TlsChainError::Path(webpki::Error::NameConstraintViolation);
        assert_eq!(verified, if may { Ok(()) } else { Err(refused) }, "{own:?}: {other}");
    }
}

#[test]
fn issued_certificate_has_the_reported_not_after() {
    let authority =
        Authority::generate(&[ServerName::try_from("localhost").unwrap()], NOW).unwrap();
    let issued = authority.issue(NOW).unwrap();
    assert_eq!(not_after(&issued.certified.cert[0]), Some(issued.not_after));
}
