//! A client of the operations that an attested recipient needs: the KMS API, the enclave's own
//! document, and the simulator's documents.

mod error;
mod response;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use enclave::clock::{Clock, SystemClock};
use enclave::tls::tls_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{CertificateError, RootCertStore};
use serde_json::json;
use ureq::Body;
use ureq::http;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use zeroize::Zeroizing;

pub use self::error::ClientError;
use self::error::TIMEOUT;
use self::response::Response;
use crate::credentials::{Credentials, UnsignedRequest};
use crate::document::Document;
use crate::retries::Retries;

const TOO_MANY_REQUESTS: u16 = 429;

/// A client of one endpoint.
#[derive(Clone, Debug)]
pub struct Client {
    endpoint_url: String,
    agent: ureq::Agent,
    /// True if the client trusts a certificate authority. An https URL requires one.
    has_authorities: bool,
    credentials: Option<Arc<Credentials>>,
}

impl Client {
    /// Creates a client of the service at `endpoint_url`, such as `http://127.0.0.1:8000`. For https,
    /// call [`with_ca_certificates`](Self::with_ca_certificates).
    pub fn new(endpoint_url: &str) -> Self {
        let endpoint_url = endpoint_url.trim_end_matches('/').to_owned();
        Self { endpoint_url, agent: agent(Vec::new()), has_authorities: false, credentials: None }
    }

    /// Makes the client trust only these certificate authorities of enclaves. `pem` is the content of a
    /// file that `attested-recipient trust` wrote. The client then rejects URLs without TLS.
    ///
    /// # Errors
    /// Returns an error if `pem` contains no certificate, if the PEM is malformed, or if a section is not
    /// an X.509 certificate.
    pub fn with_ca_certificates(self, pem: &[u8]) -> Result<Self, ClientError> {
        let mut authorities = Vec::new();
        let mut store = RootCertStore::empty();
        for der in CertificateDer::pem_slice_iter(pem) {
            let der = der.map_err(|_| ClientError::InvalidAuthority("malformed PEM"))?;
            authorities.push(Certificate::from_der(&der).to_owned());
            store
                .add(der)
                .map_err(|_| ClientError::InvalidAuthority("not an X.509 certificate"))?;
        }
        if authorities.is_empty() {
            return Err(ClientError::InvalidAuthority("no CERTIFICATE section"));
        }
        Ok(Self { agent: agent(authorities), has_authorities: true, ..self })
    }

    /// Makes the client sign its KMS requests.
    #[must_use]
    pub fn with_credentials(self, credentials: Credentials) -> Self {
        Self { credentials: Some(Arc::new(credentials)), ..self }
    }

    /// Calls GenerateRandom with a Recipient, and returns the `CiphertextForRecipient`.
    ///
    /// # Errors
    /// Returns an error if the request fails, for example because the service cannot be reached or
    /// returns an error. Also returns an error if the response contains a `Plaintext`.
    pub fn generate_random_for(
        &self,
        number_of_bytes: u16,
        attestation_document: &[u8],
    ) -> Result<Vec<u8>, ClientError> {
        let request = json!({
            "NumberOfBytes": number_of_bytes,
            "Recipient": {
                "KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256",
                "AttestationDocument": STANDARD.encode(attestation_document),
            },
        });
        let response = self.send_to_kms("TrentService.GenerateRandom", &request.to_string())?;
        let body = response.json()?;
        if body.get("Plaintext").is_some() {
            return Err(ClientError::NotSealed);
        }
        response.blob(&body, "CiphertextForRecipient")
    }

    /// Calls GenerateRandom without a Recipient, and returns the `Plaintext`. If the connection does not
    /// use TLS, every intermediary can read the `Plaintext`.
    ///
    /// # Errors
    /// Returns an error if the request fails, for example because the service cannot be reached or
    /// returns an error.
    pub fn generate_random(&self, number_of_bytes: u16) -> Result<Zeroizing<Vec<u8>>, ClientError> {
        let request = json!({ "NumberOfBytes": number_of_bytes });
        let response = self.send_to_kms("TrentService.GenerateRandom", &request.to_string())?;
        response.blob(&response.json()?, "Plaintext").map(Zeroizing::new)
    }

    /// Returns a document from a simulator's `POST /simulator/attest`.
    ///
    /// # Errors
    /// Returns an error if the request fails, for example because the endpoint is not a simulator, or
    /// because the simulator rejects the request.
    pub fn document(&self, document: &Document) -> Result<Vec<u8>, ClientError> {
        let content_type = [("content-type", "application/json")];
        let response = self.post("/simulator/attest", &content_type, &document.to_json())?;
        match response.error() {
            None => Ok(response.body),
            // Only a simulator has this route. AWS KMS has no such operation, and an enclave signs
            // no documents for its callers.
            Some(ClientError::Rejected { error_type, .. })
                if error_type == "UnknownOperationException" =>
            {
                Err(ClientError::NotASimulator { url: self.endpoint_url.clone() })
            }
            Some(error) => Err(error),
        }
    }

    /// Returns the enclave's own document from `GET /attestation`, without verifying it. The document
    /// contains `nonce`, which must be 16 to 64 random bytes. The client retries while the service
    /// throttles the request.
    ///
    /// # Errors
    /// Returns an error if the request fails, for example because the service cannot be reached, returns
    /// an error, or throttles the request until the time limit.
    pub fn attestation_document(&self, nonce: &[u8]) -> Result<Vec<u8>, ClientError> {
        let url = format!("{}/attestation?nonce={}", self.endpoint_url, const_hex::encode(nonce));
        let response = self.send_with_retries(url, |url, left| {
            self.agent.get(url).config().timeout_global(Some(left)).build().call()
        })?;
        match response.error() {
            None => Ok(response.body),
            Some(error) => Err(error),
        }
    }

    fn send_to_kms(&self, target: &str, body: &str) -> Result<Response, ClientError> {
        let content_type = "application/x-amz-json-1.1";
        let Some(credentials) = &self.credentials else {
            return self.post(
                "/",
                &[("content-type", content_type), ("x-amz-target", target)],
                body,
            );
        };
        let (_, authority) = self.endpoint_url.split_once("://").unwrap_or_default();
        let host = authority.split('/').next().unwrap_or_default();
        let request = UnsignedRequest { host, content_type, target, body: body.as_bytes() };
        let headers = credentials.sign(&request, SystemClock.now());
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.post("/", &headers, body)
    }

    fn post(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Response, ClientError> {
        let url = [&self.endpoint_url, path].concat();
        self.send_with_retries(url, |url, left| {
            let request = self.agent.post(url).config().timeout_global(Some(left)).build();
            let request = headers
                .iter()
                .fold(request, |request, (name, value)| request.header(*name, *value));
            request.send(body)
        })
    }

    /// Sends a request with `attempt`, which receives the URL and the remaining time. Retries while the
    /// service throttles the request and time remains.
    fn send_with_retries(
        &self,
        url: String,
        attempt: impl Fn(&str, Duration) -> Result<http::Response<Body>, ureq::Error>,
    ) -> Result<Response, ClientError> {
        if url.starts_with("https://") && !self.has_authorities {
            return Err(ClientError::NoAuthority { url });
        }
        let deadline = Instant::now() + TIMEOUT;
        let mut retries = Retries::until(deadline);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let response = match attempt(&url, left).and_then(Response::read) {
                Ok(response) => response,
                Err(error) if is_unknown_issuer(&error) => {
                    return Err(ClientError::UnknownAuthority { url });
                }
                Err(error) => return Err(ClientError::Transport { url, error: Box::new(error) }),
            };
            if response.status != TOO_MANY_REQUESTS {
                return Ok(response);
            }
            let Some(pause) = retries.pause(response.retry_after.as_deref()) else {
                return Err(ClientError::Throttled { url, throttled: retries.throttled() });
            };
            thread::sleep(pause);
        }
    }
}

fn is_unknown_issuer(error: &ureq::Error) -> bool {
    let ureq::Error::Io(error) = error else { return false };
    let error = error.get_ref().and_then(|error| error.downcast_ref());
    matches!(error, Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)))
}

/// Returns an HTTP agent. If `authorities` is not empty, the agent accepts https URLs only.
fn agent(authorities: Vec<Certificate<'static>>) -> ureq::Agent {
    let https_only = !authorities.is_empty();
    let tls = TlsConfig::builder()
        .unversioned_rustls_crypto_provider(tls_provider())
        .root_certs(RootCerts::Specific(Arc::new(authorities)))
        .build();
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .https_only(https_only)
        .timeout_global(Some(TIMEOUT))
        .proxy(None)
        .tls_config(tls)
        .build()
        .into()
}
