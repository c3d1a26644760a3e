//! Requests of clients to an enclave.

use std::collections::BTreeSet;
use std::thread;

use attested_recipient::Credentials;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::clients::{Outcome, Sdk, ServiceUrl, TestKey};
use crate::configuration::{Configuration, IDENTITY};
use crate::unverified_client::UnverifiedClient;

/// Requested numbers of bytes.
pub(crate) const LENGTHS: [usize; 3] = [1, 32, 1024];

/// A nonce that occurs nowhere else.
pub(crate) const NONCE: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// Returns a GenerateRandom call, with a Recipient if there is a document.
pub(crate) fn generate_random(number_of_bytes: usize, document: Option<&[u8]>) -> Value {
    let mut parameters = json!({ "NumberOfBytes": number_of_bytes });
    if let Some(document) = document {
        parameters["Recipient"] = json!({
            "KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256",
            "AttestationDocument": STANDARD.encode(document),
        });
    }
    json!({ "operation": "GenerateRandom", "parameters": parameters })
}

/// Makes `calls` with boto3.
pub(crate) fn boto3<'a>(service: impl Into<ServiceUrl<'a>>, calls: &[Value]) -> Vec<Outcome> {
    Sdk::Boto3.call_as(&IDENTITY, service, calls)
}

/// Requests each length in plaintext.
pub(crate) fn plain<'a>(service: impl Into<ServiceUrl<'a>>) -> Vec<Vec<u8>> {
    let outcomes = boto3(service, &LENGTHS.map(|length| generate_random(length, None)));
    let responses: Vec<_> = outcomes.iter().map(|outcome| outcome.only_blob("Plaintext")).collect();
    assert_eq!(responses.iter().map(Vec::len).collect::<Vec<_>>(), LENGTHS);
    responses
}

/// Requests each length sealed to a key of `bits` bits, and decrypts the responses.
pub(crate) fn sealed<'a>(
    service: impl Into<ServiceUrl<'a>>,
    configuration: &Configuration,
    bits: usize,
) -> Vec<Vec<u8>> {
    let key = TestKey::of_bits(bits);
    let document = configuration.document(key.document().public_key.unwrap());
    let outcomes = boto3(service, &LENGTHS.map(|length| generate_random(length, Some(&document))));
    let opened: Vec<_> = outcomes
        .iter()
        .map(|outcome| key.open(&outcome.only_blob("CiphertextForRecipient")))
        .collect();
    assert_eq!(opened.iter().map(Vec::len).collect::<Vec<_>>(), LENGTHS);
    opened
}

/// Returns a signing client that verifies nothing.
pub(crate) fn client(url: &str) -> UnverifiedClient {
    let credentials =
        Credentials::new(IDENTITY.access_key_id, IDENTITY.secret_access_key, IDENTITY.region);
    let credentials = credentials.with_session_token(IDENTITY.session_token.unwrap());
    UnverifiedClient::new(url, credentials)
}

/// Requests 32 bytes with 64 concurrent clients, each on its own connection. Clients whose number
/// is a multiple of `sealed_each` request sealed bytes.
pub(crate) fn generate_concurrently(
    client: impl Fn() -> UnverifiedClient + Sync,
    configuration: &Configuration,
    sealed_each: usize,
) -> Vec<Vec<u8>> {
    let key = TestKey::of_bits(2048);
    let document = configuration.document(key.document().public_key.unwrap());
    let responses = thread::scope(|scope| {
        let clients: Vec<_> = (0..64)
            .map(|number| {
                let (key, document, client) = (&key, &document, &client);
                scope.spawn(move || match number % sealed_each {
                    0 => key.open(&client().generate_random_for(32, document).unwrap()),
                    _ => client().generate_random(32).unwrap(),
                })
            })
            .collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect::<Vec<_>>()
    });
    let distinct: BTreeSet<_> = responses.iter().collect();
    assert_eq!((responses.len(), distinct.len()), (64, 64));
    responses
}
