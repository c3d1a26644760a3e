//! A client that verifies nothing. QEMU's documents are not signed, so `attested_recipient::Client` rejects them.

use std::error::Error;
use std::sync::Arc;

use attested_recipient::Credentials;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use enclave::clock::{Clock, SystemClock};
use enclave::tls::tls_provider;
use serde_json::{Value, json};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

const TARGET: &str = "TrentService.GenerateRandom";

/// A signing client of one endpoint.
pub(crate) struct UnverifiedClient {
    url: String,
    agent: ureq::Agent,
    credentials: Credentials,
}

impl UnverifiedClient {
    pub(crate) fn new(url: &str, credentials: Credentials) -> Self {
        Self { url: url.to_owned(), agent: agent(Vec::new()), credentials }
    }

    /// Makes the client trust these certificate authorities.
    pub(crate) fn with_ca_certificates(self, pem: &[u8]) -> Self {
        let authorities = parse_pem(pem).map(|item| match item.unwrap() {
            PemItem::Certificate(certificate) => certificate,
            _ => panic!("the PEM contains another item than certificates"),
        });
        Self { agent: agent(authorities.collect()), ..self }
    }

    pub(crate) fn generate_random(&self, number_of_bytes: u16) -> Result<Vec<u8>, Box<dyn Error>> {
        self.send(&json!({ "NumberOfBytes": number_of_bytes }), "Plaintext")
    }

    pub(crate) fn generate_random_for(
        &self,
        number_of_bytes: u16,
        document: &[u8],
    ) -> Result<Vec<u8>, Box<dyn Error>> {
        let recipient = json!({
            "KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256",
            "AttestationDocument": STANDARD.encode(document),
        });
        let request = json!({ "NumberOfBytes": number_of_bytes, "Recipient": recipient });
        self.send(&request, "CiphertextForRecipient")
    }

    /// Returns the blob `member` of the response.
    fn send(&self, request: &Value, member: &str) -> Result<Vec<u8>, Box<dyn Error>> {
        let body = request.to_string();
        let (_, host) = self.url.split_once("://").unwrap();
        let now = SystemClock.now();
        let headers = self.credentials.signed_headers(host, TARGET, body.as_bytes(), now);
        let request = self.agent.post(&self.url);
        let request =
            headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        let response = request.send(&body)?.body_mut().read_to_string()?;
        let response: Value = serde_json::from_str(&response)?;
        Ok(STANDARD.decode(response[member].as_str().ok_or(response.to_string())?)?)
    }
}

fn agent(authorities: Vec<Certificate<'static>>) -> ureq::Agent {
    let tls = TlsConfig::builder()
        .unversioned_rustls_crypto_provider(tls_provider())
        .root_certs(RootCerts::Specific(Arc::new(authorities)))
        .build();
    ureq::Agent::config_builder().proxy(None).tls_config(tls).build().into()
}
