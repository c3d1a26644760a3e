//! The log and `/readyz` name the mode of TLS, and what the mode protects.

use std::fs;
use std::io::{BufRead, Read};
use std::net::TcpStream;
use std::process::Stdio;

use super::process::{Simulator, get};

const OFF: &str = "off: the relay and the network can read and change requests and responses; a \
                   Recipient keeps the random bytes secret, and only a receipt proves that a \
                   response comes from this enclave";
const PROVIDED: &str = "provided: the operator holds the private key, so TLS does not prove that \
                        the connection ends in this enclave; a Recipient keeps the random bytes \
                        secret, and only a receipt proves that a response comes from this enclave";
const ATTESTED: &str = "attested: TLS ends in this enclave, which generated the private key; \
                        clients must verify the attestation of the key";

/// Starts a simulator with this table `[tls]`. Returns the body of `/readyz` and the log.
fn readiness_and_log(tls: &str) -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("enclave.toml", tls);
    write("tls.crt", include_str!("../../../tests/suite/keys/tls/p256.crt.pem"));
    write("tls.key", include_str!("../../../tests/suite/keys/tls/p256.pkcs8.pem"));
    let config = folder.path().join("enclave.toml");
    let arguments = ["--admin-listen", "127.0.0.1:0", "--config", config.to_str().unwrap()];
    let mut simulator = Simulator::start_with_log("127.0.0.1:0", &arguments, Stdio::piped());
    let mut line = String::new();
    simulator.stdout.as_mut().unwrap().read_line(&mut line).unwrap();
    let admin = line.strip_prefix("enclave-simulator admin listening on ").unwrap().trim();
    let readiness = get(&mut TcpStream::connect(admin).unwrap(), "/readyz");
    let (mut stderr, mut log) = (simulator.process.stderr.take().unwrap(), String::new());
    assert_eq!(simulator.terminate(), Some(0));
    stderr.read_to_string(&mut log).unwrap();
    (readiness, log)
}

#[test]
fn log_and_readiness_name_the_mode_of_tls() {
    let provided =
        "[tls]\nmode = \"provided\"\ncertificate = \"tls.crt\"\nprivate_key = \"tls.key\"\n";
    for (tls, expected, level) in [
        ("", OFF, "WARN"),
        ("[tls]\nmode = \"off\"\n", OFF, "WARN"),
        (provided, PROVIDED, "WARN"),
        ("[tls]\nmode = \"attested\"\nnames = [\"localhost\"]\n", ATTESTED, "INFO"),
    ] {
        let (readiness, log) = readiness_and_log(tls);
        assert_eq!(readiness, format!("ready\ntls: {expected}\n"));
        let (mode, protection) = expected.split_once(": ").unwrap();
        let logged = format!("[tls] mode is \"{mode}\": {protection}");
        let lines: Vec<_> = log.lines().filter(|line| line.contains(&logged)).collect();
        let [line] = lines[..] else { panic!("{tls}: {log}") };
        assert!(line.contains(&format!(" {level} ")), "{line}");
    }
}
