//! A client of the operations that an attested recipient needs: the KMS API, the enclave's own
//! document, and the simulator's documents.

mod error;
mod requests;
mod response;
mod session;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use zeroize::Zeroizing;

pub use self::error::ClientError;
use self::response::Response;
use self::session::{Answer, Call, Session};
use crate::credentials::Credentials;
use crate::document::Document;
use crate::exchange::StoredExchange;
use crate::expectations::Expectations;
use crate::verified_connection::{Authorities, Upstream, Verifier, VerifierClock};

const GENERATE_RANDOM: &str = "TrentService.GenerateRandom";

/// A client of one endpoint. It returns only responses that prove where they came from.
///
/// With an http URL, each response needs a receipt of an enclave that meets the expectations. With an https URL, TLS
/// must end in such an enclave. Loopback addresses are no exception: inside an enclave and on its parent instance,
/// 127.0.0.1 is the relay.
///
/// The methods block the thread. Asynchronous programs may call them, because the requests run on another thread.
#[derive(Clone, Debug)]
pub struct Client(Session);

impl Client {
    /// Creates a client of the service at `endpoint_url`, such as `http://127.0.0.1:8000`. For a simulator, pass
    /// [`Expectations::simulator`].
    ///
    /// # Errors
    /// If `endpoint_url` is not a URL, or if this process runs in an enclave whose NSM does not tell the time.
    pub fn new(endpoint_url: &str, expectations: Expectations) -> Result<Self, ClientError> {
        Self::with_clock(endpoint_url, expectations, VerifierClock::of_this_machine()?)
    }

    /// Creates a client that verifies documents and receipts at the time of `clock`.
    ///
    /// # Errors
    /// If `endpoint_url` is not a URL.
    pub fn with_clock(
        endpoint_url: &str,
        expectations: Expectations,
        clock: VerifierClock,
    ) -> Result<Self, ClientError> {
        let upstream: Upstream = endpoint_url
            .parse()
            .map_err(|_| ClientError::InvalidUrl { url: endpoint_url.to_owned() })?;
        Ok(Self(Session::new(Verifier::new(upstream, expectations, clock))))
    }

    /// Makes the client trust only these certificate authorities for TLS, instead of the TLS key that the enclave
    /// attests. TLS then gives confidentiality only, and each response needs a receipt. This is for an enclave with
    /// `[tls] mode = "provided"`, and for a CA file of `attested-recipient trust`.
    ///
    /// # Errors
    /// If `pem` contains no certificate, the PEM is malformed, or a section is not an X.509 certificate. Also if the
    /// URL is not https.
    pub fn with_ca_certificates(self, pem: &[u8]) -> Result<Self, ClientError> {
        let authorities = Authorities::from_pem(pem)?;
        let Self(session) = self;
        if !session.verifier.upstream().is_https() {
            return Err(ClientError::AuthorityWithoutTls { url: session.url });
        }
        Ok(Self(session.with_verifier(|verifier| verifier.with_authorities(authorities))))
    }

    /// Makes the client sign its KMS requests.
    #[must_use]
    pub fn with_credentials(self, credentials: Credentials) -> Self {
        Self(self.0.with_credentials(credentials))
    }

    /// Calls GenerateRandom with a Recipient, and returns the `CiphertextForRecipient`.
    ///
    /// # Errors
    /// Returns an error if the request fails, for example because the service cannot be reached or
    /// returns an error, or because nothing proves that the expected enclave sent the response. Also returns an
    /// error if the response contains a `Plaintext`.
    pub fn generate_random_for(
        &self,
        number_of_bytes: u16,
        attestation_document: &[u8],
    ) -> Result<Vec<u8>, ClientError> {
        let request = sealed_request(number_of_bytes, attestation_document);
        sealed_bytes(&self.0.call(Call::kms(GENERATE_RANDOM, request))?.response)
    }

    /// Like [`generate_random_for`](Self::generate_random_for), and also returns the exchange, which proves to others
    /// where the response came from. The response has a receipt also over attested TLS.
    ///
    /// # Errors
    /// As [`generate_random_for`](Self::generate_random_for).
    pub fn generate_random_with_exchange(
        &self,
        number_of_bytes: u16,
        attestation_document: &[u8],
    ) -> Result<(Vec<u8>, StoredExchange), ClientError> {
        let request = sealed_request(number_of_bytes, attestation_document);
        let session = self.0.clone().with_verifier(Verifier::require_receipts);
        let Answer { response, body: request, document } =
            session.call(Call::kms(GENERATE_RANDOM, request))?;
        let sealed = sealed_bytes(&response)?;
        let receipt = response.receipt.unwrap_or_default();
        let exchange = StoredExchange::new(request, response.body.to_vec(), receipt, document)?;
        Ok((sealed, exchange))
    }

    /// Calls GenerateRandom without a Recipient, and returns the `Plaintext`. If the connection does not
    /// use TLS, every intermediary can read the `Plaintext`.
    ///
    /// # Errors
    /// Returns an error if the request fails, for example because the service cannot be reached or
    /// returns an error, or because nothing proves that the expected enclave sent the response.
    pub fn generate_random(&self, number_of_bytes: u16) -> Result<Zeroizing<Vec<u8>>, ClientError> {
        let request = json!({ "NumberOfBytes": number_of_bytes }).to_string();
        let response = self.0.call(Call::kms(GENERATE_RANDOM, request))?.response;
        response.blob(&response.json()?, "Plaintext").map(Zeroizing::new)
    }

    /// Returns a document from a simulator's `POST /simulator/attest`. The client does not verify the simulator, which
    /// signs any document for any caller.
    ///
    /// # Errors
    /// Returns an error if the request fails, for example because the endpoint is not a simulator, or
    /// because the simulator rejects the request.
    pub fn document(&self, document: &Document) -> Result<Vec<u8>, ClientError> {
        let call = Call::unverified("POST /simulator/attest HTTP/1.1", document.to_json());
        let response = self.0.call(call)?.response;
        match response.error() {
            None => Ok(response.body.to_vec()),
            // Only a simulator has this route. AWS KMS has no such operation, and an enclave signs
            // no documents for its callers.
            Some(ClientError::Rejected { error_type, .. })
                if error_type == "UnknownOperationException" =>
            {
                Err(ClientError::NotASimulator { url: self.0.url.clone() })
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
        let line = format!("GET /attestation?nonce={} HTTP/1.1", const_hex::encode(nonce));
        let response = self.0.call(Call::unverified(line, String::new()))?.response;
        match response.error() {
            None => Ok(response.body.to_vec()),
            Some(error) => Err(error),
        }
    }
}

fn sealed_request(number_of_bytes: u16, attestation_document: &[u8]) -> String {
    let request = json!({
        "NumberOfBytes": number_of_bytes,
        "Recipient": {
            "KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256",
            "AttestationDocument": STANDARD.encode(attestation_document),
        },
    });
    request.to_string()
}

/// Returns the `CiphertextForRecipient` of a response.
fn sealed_bytes(response: &Response) -> Result<Vec<u8>, ClientError> {
    let body = response.json()?;
    if body.get("Plaintext").is_some() {
        return Err(ClientError::NotSealed);
    }
    response.blob(&body, "CiphertextForRecipient")
}
