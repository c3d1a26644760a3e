//! A connection to an enclave whose identity was verified on that connection.

use std::fmt;
use std::sync::Arc;

use attestation::ClockReading;
use attestation::receipt::{NONCE_HEADER, ReceiptOperation, VerifiedIdentity};
use attestation::time::UnixMillis;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::authorities::Authorities;
use super::clock::VerifierClock;
use super::document::{Verdict, verify, verify_simulated};
use super::error::ConnectionError;
use super::link::Link;
use super::request::{Nonce, Request};
use super::response::{Attempt, Proof, Response};
use super::upstream::Upstream;
use crate::expectations::Expectations;
use crate::http1::{Fields, Message, ResponseHead, idle_fault};

/// Maximum length of a response body, in bytes. The longest response to a KMS request has about 9,000.
pub const MAX_RESPONSE_LENGTH: usize = 64 * 1024;

const DOCUMENT_PATH: &str = "/attestation";
const SIMULATOR_ROOT_PATH: &str = "/simulator/root.pem";

/// The address of an upstream, the requirements on its enclaves, and the clock.
#[derive(Clone, Debug)]
pub struct Verifier {
    upstream: Arc<Upstream>,
    expectations: Arc<Expectations>,
    clock: VerifierClock,
    /// The authorities of an https upstream. `None` means attested TLS.
    authorities: Option<Authorities>,
    /// True if responses need a receipt also over attested TLS.
    requires_receipts: bool,
}

/// A connection to an enclave that met the expectations when the connection was opened.
///
/// After an error the connection is closed, and [`is_open`](Self::is_open) returns false. The same holds if
/// the future of [`send`](Self::send) is dropped.
pub struct VerifiedConnection {
    verifier: Verifier,
    identity: VerifiedIdentity,
    document: Vec<u8>,
    /// `None` after an error, during a request, and after the server announced the end of the connection.
    link: Option<Link>,
}

impl Verifier {
    /// Creates a verifier.
    pub fn new(upstream: Upstream, expectations: Expectations, clock: VerifierClock) -> Self {
        let (upstream, expectations) = (Arc::new(upstream), Arc::new(expectations));
        Self { upstream, expectations, clock, authorities: None, requires_receipts: false }
    }

    /// Trusts `authorities` for the TLS connections to an https upstream, instead of the key that the enclave
    /// attests. TLS may then end outside the enclave, so each response needs a receipt.
    #[must_use]
    pub fn with_authorities(self, authorities: Authorities) -> Self {
        Self { authorities: Some(authorities), ..self }
    }

    /// Requires a receipt also over attested TLS, for an exchange that is stored.
    #[must_use]
    pub fn require_receipts(self) -> Self {
        Self { requires_receipts: true, ..self }
    }

    /// Returns the upstream.
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// Returns the clock.
    pub const fn clock(&self) -> &VerifierClock {
        &self.clock
    }

    /// Opens a connection, and verifies the enclave on it. The caller sets the deadline.
    ///
    /// # Errors
    /// If the connection fails, or a rule rejects the enclave.
    pub async fn open(&self) -> Result<VerifiedConnection, ConnectionError> {
        let mut link = Link::open(&self.upstream, self.authorities.as_ref()).await?;
        let (identity, document) = self.verify(&mut link).await?;
        Ok(VerifiedConnection { verifier: self.clone(), identity, document, link: Some(link) })
    }

    /// Checks that the response to a request can be verified, without sending the request.
    ///
    /// # Errors
    /// If the response needs a receipt, and no receipt covers the operation, or the client's nonce is malformed.
    pub fn check_request(&self, request: &Request) -> Result<(), ConnectionError> {
        self.attempt(request).map(drop)
    }

    /// Sends one request on a connection of its own, and returns the response without any verification.
    pub(crate) async fn send_unverified(
        &self,
        start_line: &str,
        fields: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Message<ResponseHead>, ConnectionError> {
        let mut link = Link::open(&self.upstream, self.authorities.as_ref()).await?;
        let (host, length) = (("host", self.upstream.authority()), body.len().to_string());
        let extra = [&[host, ("content-length", &length)], fields].concat();
        link.write(&Fields::default().encode(start_line, &extra, body)).await?;
        link.read(MAX_RESPONSE_LENGTH).await
    }

    /// Returns the operation and the nonce that the receipt must have. Returns `None` if attested TLS is the
    /// proof.
    fn attempt(
        &self,
        request: &Request,
    ) -> Result<Option<(ReceiptOperation, Nonce)>, ConnectionError> {
        let is_attested = self.upstream.is_https() && self.authorities.is_none();
        match is_attested && !self.requires_receipts {
            true => Ok(None),
            false => Ok(Some((request.operation()?, request.nonce()?))),
        }
    }

    /// Fetches the enclave's document on the connection, and verifies it: steps 4 to 6, and the key of TLS.
    async fn verify(
        &self,
        link: &mut Link,
    ) -> Result<(VerifiedIdentity, Vec<u8>), ConnectionError> {
        let Self { upstream, expectations, clock, .. } = self;
        let document = link.get(upstream, DOCUMENT_PATH).await?;
        let now = clock.read().await?;
        let identity = match verify(expectations, document.clone(), now)? {
            Verdict::Verified(identity) => *identity,
            Verdict::Simulator => return Err(ConnectionError::Simulator),
            Verdict::NeedsSimulatorRoot => {
                self.verify_simulator(link, document.clone(), now).await?
            }
        };
        match (link.tls_key, identity.identity().tls_key) {
            (None, _) => {}
            (Some(_), None) => return Err(ConnectionError::NoTlsKey),
            (Some(found), Some(attested)) if found == attested => {}
            (Some(_), Some(_)) => return Err(ConnectionError::OtherTlsKey),
        }
        Ok((identity, document))
    }

    async fn verify_simulator(
        &self,
        link: &mut Link,
        document: Vec<u8>,
        now: ClockReading,
    ) -> Result<VerifiedIdentity, ConnectionError> {
        let pem = link.get(&self.upstream, SIMULATOR_ROOT_PATH).await?;
        let root =
            CertificateDer::from_pem_slice(&pem).map_err(|_| ConnectionError::SimulatorRoot)?;
        Ok(verify_simulated(&self.expectations, document, &root, now)?)
    }
}

impl VerifiedConnection {
    /// Returns the enclave's identity.
    pub const fn identity(&self) -> &VerifiedIdentity {
        &self.identity
    }

    /// Returns the enclave's document, which a stored exchange contains.
    pub fn document(&self) -> &[u8] {
        &self.document
    }

    /// Returns whether another request can be sent.
    pub const fn is_open(&self) -> bool {
        self.link.is_some()
    }

    /// Checks an idle connection without waiting. Closes it if the server closed it or sent bytes.
    ///
    /// # Errors
    /// If the connection is closed.
    pub fn check_idle(&mut self) -> Result<(), ConnectionError> {
        let Some(link) = &mut self.link else { return Err(ConnectionError::Closed) };
        match idle_fault(&mut link.stream) {
            None => Ok(()),
            Some(fault) => {
                self.link = None;
                Err(fault.into())
            }
        }
    }

    /// Sends a request, and returns its response once the whole response was read and judged.
    ///
    /// Over attested TLS, the connection itself is the proof, unless the verifier requires receipts. Otherwise the
    /// request has the client's nonce or a new one, and a response with a status below 400 needs a receipt. If the document
    /// is over an hour old, a new one is fetched and verified first. The caller sets the deadline.
    ///
    /// # Errors
    /// If the request cannot be sent, the connection fails, or a rule rejects the response. Unless the request
    /// is invalid, the connection is then closed.
    pub async fn send(&mut self, request: &Request) -> Result<Response, ConnectionError> {
        let attempt = self.verifier.attempt(request)?;
        self.check_idle()?;
        // If this future is dropped, the link is dropped with it.
        let mut link = self.link.take().ok_or(ConnectionError::Closed)?;
        self.renew_document(&mut link).await?;
        let nonce = attempt.as_ref().map(|(_, nonce)| nonce);
        link.write(&self.encode(request, nonce)).await?;
        let response = link.read(MAX_RESPONSE_LENGTH).await?;
        let now = self.verifier.clock.read().await?.time;
        let proof = match &attempt {
            None => {
                self.identity.check_set(now)?;
                Proof::AttestedTls
            }
            Some((operation, nonce)) => {
                let attempt = Attempt { request, operation: *operation, nonce };
                attempt.judge(&response, &self.identity, &self.verifier.expectations, now)?
            }
        };
        if response.head.keeps_alive() {
            self.link = Some(link);
        }
        Ok(Response::new(response, proof))
    }

    /// Returns whether the document may be used at `now`, without a new one.
    pub const fn is_current(&self, now: UnixMillis) -> bool {
        self.identity.is_current(now)
    }

    async fn renew_document(&mut self, link: &mut Link) -> Result<(), ConnectionError> {
        let now = self.verifier.clock.read().await?;
        if !self.identity.is_current(now.time) {
            (self.identity, self.document) = self.verifier.verify(link).await?;
        }
        // Attested TLS needs no receipt, whose time would show the end of the set.
        Ok(self.identity.check_set(now.time)?)
    }

    fn encode(&self, request: &Request, nonce: Option<&Nonce>) -> zeroize::Zeroizing<Vec<u8>> {
        let mut extra = Vec::new();
        if !request.fields().contains("host") {
            extra.push(("host", self.verifier.upstream.authority()));
        }
        if let Some(added) = nonce.and_then(|nonce| nonce.added.as_deref()) {
            extra.push((NONCE_HEADER, added));
        }
        request.fields().encode("POST / HTTP/1.1", &extra, request.body())
    }
}

impl fmt::Debug for VerifiedConnection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("VerifiedConnection")
            .field("upstream", &self.verifier.upstream)
            .field("is_open", &self.is_open())
            .finish_non_exhaustive()
    }
}
