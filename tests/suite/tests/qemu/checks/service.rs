//! Checks of the service in an enclave without TLS.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest as _, Sha384};

use crate::clients::TestKey;
use crate::configuration::{Configuration, document, pcr, pki};
use crate::enclave_document::EnclaveDocument;
use crate::guests::{Guests, image};
use crate::kms_calls::{
    NONCE, boto3, client, generate_concurrently, generate_random, plain, sealed,
};
use crate::virtual_machine::{PARENT_ID, PARENT_ROLE, VirtualMachine, setting};

pub(super) fn on_first(guests: &Guests, check: impl FnOnce(&VirtualMachine)) {
    check(guests.first().as_ref().expect("the enclave must be running"));
}

pub(super) fn ready(guests: &Guests) {
    on_first(guests, |machine| {
        assert!(machine.service().tls_line_when_ready().starts_with("tls: off: "));
        let console = machine.console();
        assert!(console.contains("[tls] mode is \"off\": the relay and the network"), "{console}");
        assert!(console.contains("started as the enclave's first process modules=5 parent_cid=2"));
        assert!(console.contains("an additional root certificate is trusted"), "{console}");
    });
}

pub(super) fn boto3_plain(guests: &Guests) {
    on_first(guests, |machine| guests.keep(plain(&*machine.service().url())));
}

pub(super) fn boto3_sealed(guests: &Guests) {
    on_first(guests, |machine| {
        for bits in [2048, 3072, 4096] {
            guests.keep(sealed(&*machine.service().url(), guests.configuration(), bits));
        }
    });
}

/// Returns the error message for a rejected document.
fn rejection(machine: &VirtualMachine, document: &[u8]) -> String {
    let url = machine.service().url();
    let [outcome] = &boto3(&*url, &[generate_random(32, Some(document))])[..] else { panic!() };
    assert_eq!(outcome.statuses(), [400]);
    let error = outcome.error.as_ref().unwrap();
    assert_eq!(error.name, "ValidationException");
    error.message.clone()
}

pub(super) fn rejects_simulator_document(guests: &Guests) {
    on_first(guests, |machine| {
        let public_key = TestKey::of_bits(2048).document().public_key.unwrap();
        let message = rejection(machine, &document(&pki(), public_key));
        assert!(message.contains("trust anchor") || message.contains("root"), "{message}");
    });
}

/// Returns the enclave's own document, requested without TLS.
pub(super) fn enclave_document(machine: &VirtualMachine) -> EnclaveDocument {
    let own = attestation(machine, &format!("?nonce={NONCE}"));
    assert_eq!(own.nonce, Some(const_hex::decode(NONCE).unwrap()));
    own
}

/// Returns the enclave's own document for this query. Without TLS, the document attests no TLS key.
pub(super) fn attestation(machine: &VirtualMachine, query: &str) -> EnclaveDocument {
    let (status, bytes) = machine.service().get(&format!("/attestation{query}"));
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&bytes));
    let own = EnclaveDocument::read(bytes);
    let identity = own.identity();
    assert_eq!((identity.tls_key, identity.tls_ca, &own.public_key), (None, None, &None));
    own
}

pub(super) fn rejects_unsigned_document(guests: &Guests) {
    on_first(guests, |machine| {
        let own = enclave_document(machine);
        assert_eq!(own.signature, [0; 64]);
        let message = rejection(machine, &own.bytes);
        assert!(message.contains("ES384"), "{message}");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("document.bin");
        fs::write(&file, &own.bytes).unwrap();
        let mut verify = suite::command();
        let output = verify.arg("verify").arg(&file).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let report = String::from_utf8(output.stdout).unwrap();
        assert!(report.contains("REJECTED  3 COSE headers"), "{report}");
    });
}

/// Returns SHA-384(48 zero bytes ‖ `data`).
fn measured(data: &[u8]) -> [u8; 48] {
    Sha384::new().chain_update([0; 48]).chain_update(data).finalize().into()
}

pub(super) fn pcrs_of_image(path: &Path) -> Vec<[u8; 48]> {
    let pcrs: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    ["PCR0", "PCR1", "PCR2"].map(|name| pcr(&pcrs[name])).to_vec()
}

pub(super) fn measurements(guests: &Guests) {
    on_first(guests, |machine| {
        let own = enclave_document(machine);
        let expected = pcrs_of_image(&setting("EIF").join("pcrs.json"));
        for (index, value) in (0..).zip(expected) {
            assert_eq!(own.pcrs[&index], value, "PCR{index}");
            assert_ne!(value, [0; 48]);
        }
        assert_eq!(own.pcrs[&3], measured(PARENT_ROLE.as_bytes()));
        assert_eq!(own.pcrs[&4], measured(PARENT_ID.as_bytes()));
        let mut tool = suite::command();
        let output = tool.arg("eif").arg(image()).output().unwrap();
        let measured: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(own.pcrs[&0], pcr(&measured["PCR0"]));
    });
}

pub(super) fn configuration(guests: &Guests) {
    on_first(guests, |machine| {
        let own = enclave_document(machine);
        let [public, secrets] = guests.configuration().pcrs();
        assert_eq!(own.pcrs[&16], public);
        assert_eq!(own.pcrs[&17], secrets);
    });
}

pub(super) fn concurrent_clients(guests: &Guests) {
    on_first(guests, |machine| {
        let url = machine.service().url();
        guests.keep(generate_concurrently(|| client(&url), guests.configuration(), 2));
    });
}

/// Sends malformed requests, and then searches the console for secrets. This is the last check of
/// the first enclave.
pub(super) fn console(guests: &Guests) {
    on_first(guests, |machine| {
        let responses = canaries().map(|canary| {
            let request =
                TcpStream::connect(machine.service().authority()).and_then(|mut stream| {
                    stream.write_all(canary.as_bytes())?;
                    let mut response = Vec::new();
                    stream.read_to_end(&mut response)?;
                    Ok(response)
                });
            request.unwrap()
        });
        let console = console_after(machine, &responses);
        assert_shows_no_secret(&console, guests, guests.configuration());
    });
    drop(guests.first().take());
}

/// Waits until the console contains the rejection of the last request. Returns the console.
pub(super) fn console_after(machine: &VirtualMachine, responses: &[Vec<u8>]) -> String {
    let responses: Vec<_> =
        responses.iter().map(|response| String::from_utf8_lossy(response)).collect();
    assert!(responses.iter().all(|response| response.starts_with("HTTP/1.1 400")), "{responses:?}");
    let mut lines = responses.last().unwrap().lines();
    let id = lines.find_map(|line| line.strip_prefix("x-amzn-requestid: ")).unwrap();
    machine.wait_for_console(&format!("request rejected request_id={id}"))
}

/// Returns malformed requests with a canary in each field.
pub(super) fn canaries() -> [String; 4] {
    let canary = "canary-request-d41d8cd98f00";
    [
        (&*format!("/{canary}"), canary.to_owned()),
        ("/", format!("{{\"NumberOfBytes\":32,\"{canary}\":\"{canary}\"}}")),
        ("/", format!("{{\"NumberOfBytes\":\"{canary}\"}}")),
        ("/", canary.to_owned()),
    ]
    .map(|(path, body)| {
        let length = body.len();
        format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Length: {length}\r\nContent-Type: application/x-amz-json-1.1\r\n\
             X-Amz-Target: TrentService.GenerateRandom\r\nUser-Agent: {canary}\r\n\
             Authorization: {canary}\r\nX-Amz-Security-Token: {canary}\r\n\r\n{body}"
        )
    })
}

/// Asserts that the console shows no secret of the configuration, of requests or of responses.
pub(super) fn assert_shows_no_secret(
    console: &str,
    guests: &Guests,
    configuration: &Configuration,
) {
    let toml = fs::read_to_string(configuration.folder().join("enclave.toml")).unwrap();
    let salt = fs::read(configuration.folder().join("salt")).unwrap();
    let mut secrets: Vec<String> =
        ["canary", "AKIDQEMUTEST", NONCE, "user-data"].map(str::to_owned).to_vec();
    secrets.push(toml.lines().next().unwrap().to_owned());
    for bytes in guests.responses().iter().chain([&salt]).filter(|bytes| bytes.len() >= 32) {
        secrets.push(STANDARD.encode(bytes)[..40].to_owned());
        secrets.push(const_hex::encode(&bytes[..16]));
    }
    assert!(secrets.len() > 130, "{}", secrets.len());
    for secret in secrets {
        assert!(!console.contains(&secret), "the console shows {secret:?}:\n{console}");
    }
    // The search is useful only if the console contains the log.
    assert!(console.contains("service started: the NSM returns entropy"), "{console}");
}
