//! Tests that clients enforce the name constraints of a CA. OpenSSL creates the CAs, because the
//! service's own CA never issues a certificate for another name.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use attested_recipient::Simulator;
use enclave::tls::load_tls_key;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::tls_terminator::TlsTerminator;

fn openssl(folder: &Path, arguments: &str) {
    let mut command = Command::new("openssl");
    let output = command.current_dir(folder).args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// Sends a request to 127.0.0.1 with a client that trusts a CA constrained to `permitted`.
fn generate_under_constraint(permitted: &str) -> Result<usize, String> {
    let folder = tempfile::tempdir().unwrap();
    let new = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj";
    let constraints = format!("-addext nameConstraints=critical,permitted;{permitted}");
    openssl(folder.path(), &format!("{new} /CN=ca -keyout ca.key -out ca.pem {constraints}"));
    let names = "-addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE";
    let issuer = "-CA ca.pem -CAkey ca.key";
    openssl(folder.path(), &format!("{new} /CN=h -keyout h.key -out h.pem {issuer} {names}"));

    let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
    let certificate = CertificateDer::from_pem_slice(&read("h.pem")).unwrap();
    let key = load_tls_key(&PrivateKeyDer::from_pem_slice(&read("h.key")).unwrap()).unwrap();
    let simulator = Simulator::start().unwrap();
    let certified = Arc::new(CertifiedKey::new(vec![certificate], key));
    let terminator = TlsTerminator::start(certified, simulator.address());
    let client = suite::client(&terminator.url()).with_ca_certificates(&read("ca.pem")).unwrap();
    client.generate_random(8).map(|random| random.len()).map_err(|error| error.to_string())
}

#[test]
fn client_enforces_name_constraints_of_the_ca() {
    assert_eq!(generate_under_constraint("IP:127.0.0.1/255.255.255.255"), Ok(8));
    let error = generate_under_constraint("IP:127.0.0.2/255.255.255.255").unwrap_err();
    assert!(error.contains("NameConstraintViolation"), "{error}");
}
