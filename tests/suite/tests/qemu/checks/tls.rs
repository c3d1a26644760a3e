//! Checks of TLS that terminates in the enclave.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use super::service::{assert_shows_no_secret, canaries, console_after};
use crate::configuration::TLS_NAMES;
use crate::guests::Guests;
use crate::half_close::{self, HalfClose};
use crate::kms_calls::{
    boto3 as call_boto3, client, generate_concurrently, generate_random, plain, sealed,
};
use crate::tls_guest::{TlsGuest, get};
use crate::virtual_machine::{BOOT_TIMEOUT, setting};

pub(super) fn on_tls(guests: &Guests, check: impl FnOnce(&TlsGuest)) {
    check(guests.tls().as_ref().expect("the enclave must be running"));
}

/// Uses the default of `[recipient] plaintext`, which allows plaintext over attested TLS.
pub(super) fn boto3(guests: &Guests) {
    on_tls(guests, |guest| {
        guests.keep(guest.with_authority(|service| plain(service)));
        guests.keep(
            guest.with_authority(|service| sealed(service, guests.tls_configuration(), 2048)),
        );
    });
}

pub(super) fn boto3_without_the_authority(guests: &Guests) {
    on_tls(guests, |guest| {
        let [outcome] = &call_boto3(&*guest.url(), &[generate_random(32, None)])[..] else {
            panic!()
        };
        let error = outcome.error.as_ref().unwrap();
        assert_eq!(error.name, "SSLError");
        assert!(error.message.contains("self-signed certificate"), "{error:?}");
        assert!(outcome.responses.is_empty(), "{outcome:?}");
    });
}

pub(super) fn openssl(guests: &Guests) {
    on_tls(guests, |guest| {
        let [name, address, of_aws] = TLS_NAMES;
        let healthy = |arguments: &[&str]| {
            let client = guest.connect(arguments, &get("/healthz"));
            assert!(client.succeeded() && client.has_line("Verification: OK"), "{client:?}");
            assert!(client.output_contains("\r\n\r\nok\n"), "{client:?}");
            client
        };
        healthy(&["-verify_ip", address]);
        healthy(&["-servername", of_aws, "-verify_hostname", of_aws]);
        for (version, protocol) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
            let folder = tempfile::tempdir().unwrap();
            let session = folder.path().join("session");
            let session = session.to_str().unwrap();
            let arguments =
                [version, "-verify_hostname", name, "-alpn", "h2,http/1.1", "-sess_out", session];
            let first = healthy(&arguments);
            assert!(first.output_contains(&format!("New, {protocol}")), "{first:?}");
            assert!(first.has_line("ALPN protocol: http/1.1"), "{first:?}");
            let again = healthy(&[version, "-sess_in", session]);
            assert!(again.output_contains(&format!("Reused, {protocol}")), "{again:?}");
        }
        let other = guest.connect(&["-verify_hostname", "other.example"], &get("/healthz"));
        assert!(!other.succeeded() && other.response().is_empty(), "{other:?}");
    });
}

pub(super) fn binding(guests: &Guests) {
    on_tls(guests, |guest| {
        let own = guest.enclave_document();
        assert_eq!(own.pcrs[&16], guests.tls_configuration().pcrs()[0]);
    });
}

pub(super) fn trust(guests: &Guests) {
    on_tls(guests, |guest| {
        let folder = tempfile::tempdir().unwrap();
        let mut command = suite::command();
        command.arg("trust").arg(guest.url()).arg("--pcrs-file");
        command.arg(setting("EIF").join("pcrs.json")).arg("--out").arg(folder.path().join("ca"));
        let output = command.output().unwrap();
        // QEMU does not sign documents, so the COSE header of the document differs.
        assert_eq!(output.status.code(), Some(10), "{output:?}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(
            stderr.contains("the response is not an attestation document: the COSE"),
            "{stderr}"
        );
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    });
}

pub(super) fn without_tls(guests: &Guests) {
    on_tls(guests, |guest| {
        let mut stream = TcpStream::connect(guest.machine.service().authority()).unwrap();
        stream.set_read_timeout(Some(BOOT_TIMEOUT)).unwrap();
        stream.write_all(get("/healthz").as_bytes()).unwrap();
        let mut response = Vec::new();
        stream.read_to_end(&mut response).unwrap();
        // rustls responds with one record, which contains a fatal alert.
        assert!(matches!(response[..], [0x15, 3, _, 0, 2, 2, _]), "{}", response.escape_ascii());
        client(&guest.machine.service().url()).generate_random(32).unwrap_err();
    });
}

pub(super) fn concurrent_clients(guests: &Guests) {
    on_tls(guests, |guest| {
        let (url, pem) = (guest.url(), fs::read(guest.authority.path()).unwrap());
        let with_authority = || client(&url).with_ca_certificates(&pem);
        guests.keep(generate_concurrently(with_authority, guests.tls_configuration(), 2));
    });
}

/// Maximum length of a document in KMS's model, in bytes.
const MAX_DOCUMENT_LENGTH: usize = 262_144;

pub(super) fn large_and_half_closed(guests: &Guests) {
    on_tls(guests, |guest| {
        let call = generate_random(32, Some(&[0xa5; MAX_DOCUMENT_LENGTH]));
        let [outcome] = &guest.with_authority(|service| call_boto3(service, &[call]))[..] else {
            panic!()
        };
        assert_eq!(outcome.statuses(), [400]);
        assert_eq!(outcome.error.as_ref().unwrap().name, "ValidationException");
        // If one direction ends, vhost-device-vsock closes both. The client can therefore
        // half-close only the TLS connection.
        let (authority, ca) = (guest.machine.service().authority(), guest.authority.path());
        let response =
            half_close::request_and_half_close(authority, ca, &get("/metrics"), HalfClose::TlsOnly);
        assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
        assert!(response.ends_with("# EOF\n"), "{response}");
    });
}

/// Sends malformed requests and handshakes that fail, and then searches the console for secrets.
/// This is the last check of this enclave.
pub(super) fn console(guests: &Guests) {
    on_tls(guests, |guest| {
        let unknown = "canary.example";
        let arguments = ["-servername", unknown, "-verify_hostname", unknown, "-alpn", "canary"];
        assert!(!guest.connect(&arguments, &get("/healthz")).succeeded());
        let responses =
            canaries().map(|canary| guest.connect(&["-quiet"], &canary).response().to_vec());
        let console = console_after(&guest.machine, &responses);
        assert_shows_no_secret(&console, guests, guests.tls_configuration());
        // The enclave generates the keys of certificates, so the test does not have them. The check
        // therefore searches for any word with the length of a key.
        let shown = console.split_whitespace().filter(|marker| !marker.starts_with("sha256="));
        let shown = shown
            .flat_map(|marker| marker.split(|c: char| !c.is_alphanumeric() && !"+/-_".contains(c)));
        let longest = shown.max_by_key(|marker| marker.len()).unwrap();
        assert!(
            longest.len() < 43,
            "the console shows {longest:?}, which is as long as a key:\n{console}"
        );
        for marker in ["-----", "PRIVATE", "CLIENT_RANDOM", "TRAFFIC_SECRET"] {
            assert!(!console.contains(marker), "the console shows {marker}:\n{console}");
        }
    });
    drop(guests.tls().take());
}
