//! A simulated enclave on ordinary hardware. Its HTTP routes return simulated attestation documents.

use std::collections::BTreeMap;
use std::sync::Arc;

use attestation::{self, MAX_PCRS, PCR_LENGTH, PcrFamily, PcrValue};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use serde::{Deserialize, Deserializer, de};
use simulator::{
    DocumentRequest, Readiness, SimulatedNsm, SimulatedPki, SimulatedPkiError, default_pcrs,
};

use super::{Platform, RouteError};
use crate::clock::Clock;
use crate::http::{Response, document_response};

/// Maximum length of each field of a document, in bytes.
const MAX_FIELD_LENGTH: usize = 1024;

/// A simulated enclave, with the PKI that signs its documents.
#[derive(Debug)]
pub struct Simulated<C> {
    pki: Arc<SimulatedPki>,
    clock: C,
    readiness: Readiness,
}

impl<C: Clock> Simulated<C> {
    /// Creates an enclave whose documents `pki` signs. `readiness` announces to the simulated NSM that the
    /// service is ready.
    pub fn new(pki: Arc<SimulatedPki>, clock: C, readiness: Readiness) -> Self {
        Self { pki, clock, readiness }
    }
}

impl<C: Clock> Platform for Simulated<C> {
    type Trust = attestation::Simulated;
    type Nsm = SimulatedNsm;
    type Clock = C;

    fn clock(&self) -> C {
        self.clock.clone()
    }

    fn on_ready(&self) {
        self.readiness.set_ready();
    }

    fn handle(&self, head: &Parts, body: &[u8]) -> Option<Result<Response, RouteError>> {
        match (&head.method, head.uri.path()) {
            (&Method::POST, "/simulator/attest") => Some(self.attest(head, body)),
            (&Method::GET, "/simulator/root.pem") => {
                let pem = self.pki.root_certificate_pem().into_bytes();
                Some(Ok(Response::new(StatusCode::OK, "application/x-pem-file", pem)))
            }
            _ => None,
        }
    }
}

impl<C: Clock> Simulated<C> {
    /// Returns a document for a developer's client.
    fn attest(&self, head: &Parts, body: &[u8]) -> Result<Response, RouteError> {
        let document = serde_json::from_slice::<AttestRequest>(body)
            .map_err(|error| error.to_string())
            .and_then(AttestRequest::into_document_request)
            .and_then(|request| match self.pki.document(request) {
                Err(error @ SimulatedPkiError::OutsideRootValidity { .. }) => {
                    Err(error.to_string())
                }
                result => Ok(result),
            });
        match document {
            Ok(Ok(document)) => Ok(document_response(head, document)),
            Ok(Err(error)) => {
                tracing::error!(%error, "cannot sign an attestation document");
                Err(RouteError::Failed)
            }
            Err(message) => Err(RouteError::Invalid(message)),
        }
    }
}

/// The body of `POST /simulator/attest`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AttestRequest {
    #[serde(default)]
    public_key: Option<Base64>,
    #[serde(default)]
    user_data: Option<Base64>,
    #[serde(default)]
    nonce: Option<Base64>,
    /// PCR values by index: 48 bytes each, in hexadecimal.
    #[serde(default)]
    pcrs: BTreeMap<u8, Measurement>,
    #[serde(default)]
    kind: Kind,
    #[serde(default)]
    debug: bool,
    #[serde(default)]
    age_seconds: u64,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    #[default]
    Enclave,
    Nitrotpm,
}

impl AttestRequest {
    fn into_document_request(self) -> Result<DocumentRequest, String> {
        let family = match self.kind {
            Kind::Enclave => PcrFamily::NitroEnclave,
            Kind::Nitrotpm => PcrFamily::NitroTpm,
        };
        let mut pcrs = default_pcrs(family);
        if self.debug {
            pcrs.extend((0..3).map(|index| (index, [0; PCR_LENGTH])));
        }
        for (index, Measurement(value)) in self.pcrs {
            if usize::from(index) >= MAX_PCRS {
                return Err(format!("pcrs: index {index} is out of range (0 to 31)"));
            }
            pcrs.insert(index, value);
        }
        Ok(DocumentRequest {
            family,
            pcrs,
            public_key: field("public_key", self.public_key)?,
            user_data: field("user_data", self.user_data)?,
            nonce: field("nonce", self.nonce)?,
            age_seconds: self.age_seconds,
        })
    }
}

fn field(name: &str, value: Option<Base64>) -> Result<Option<Vec<u8>>, String> {
    match value {
        Some(Base64(bytes)) if bytes.is_empty() && name == "public_key" => {
            Err("public_key is empty: omit it instead".to_owned())
        }
        Some(Base64(bytes)) if bytes.len() > MAX_FIELD_LENGTH => {
            Err(format!("{name} has {} bytes, more than {MAX_FIELD_LENGTH}", bytes.len()))
        }
        value => Ok(value.map(|Base64(bytes)| bytes)),
    }
}

#[derive(Debug)]
struct Base64(Vec<u8>);

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = STANDARD.decode(text);
        bytes.map(Self).map_err(|_| de::Error::custom("expected standard padded base64"))
    }
}

#[derive(Debug)]
struct Measurement(PcrValue);

impl<'de> Deserialize<'de> for Measurement {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let value = const_hex::decode_to_array(text);
        value.map(Self).map_err(|_| de::Error::custom("expected 48 bytes in hexadecimal"))
    }
}
