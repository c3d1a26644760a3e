//! Verifies the attestation document of one URL. Verifies that the TLS connection ends at the
//! authority that the document attests.
//!
//! The numbers of the checks are those of docs/trust.md:
//!
//! 2. The document verifies under AWS's root and is current.
//! 3. The document is not from an enclave in debug mode.
//! 4. The document contains the nonce of this request, so it is not an old document.
//! 5. The document contains the expected measurements.
//! 6. The document is that of the enclave's identity, and attests a TLS authority.
//! 7. The authority issued the certificate of the connection that delivered the document. In the
//!    handshake, the server proved that it holds the certificate's key. The TLS connection therefore
//!    ends inside the enclave.

use std::sync::Arc;
use std::time::Duration;

use attestation::crypto::{SHA_256_LENGTH, fill_random};
use attestation::tls::{is_valid_for, verify_chain};
use attestation::{
    Claims, ClockReading, DebugMode, Identity, MAX_DOCUMENT_LENGTH, MaxAge, Production, Simulated,
    TrustAnchors, UntrustedDocument, UnverifiedDocument, VerifiedDocument,
};
use attested_recipient::{Retries, names_simulator_root};
use enclave::clock::{Clock, SystemClock};
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::time::{Instant, timeout_at};

use super::super::trust_error::{NoAuthorityReason, TrustError};
use super::connection::Connection;
use super::expected_measurements::ExpectedMeasurements;
use super::target::Target;

/// Length of the nonce, in bytes. A random nonce of this length does not occur in an earlier document.
const NONCE_LENGTH: usize = 32;

/// The requirements that an enclave must meet.
pub(super) struct Requirements {
    pub(super) anchors: TrustAnchors<Production>,
    pub(super) expected: ExpectedMeasurements,
    /// True if a simulator is accepted.
    pub(super) allow_simulator: bool,
    /// Time limit for one URL.
    pub(super) timeout: Duration,
}

/// An enclave whose authority clients can trust for the TLS connections to one URL.
pub(super) struct VerifiedEnclave {
    pub(super) module_id: String,
    /// The SHA-256 digest of the authority's SubjectPublicKeyInfo.
    pub(super) authority_digest: [u8; SHA_256_LENGTH],
    /// The authority's certificate.
    pub(super) authority: CertificateDer<'static>,
    /// The file of `--any-of` whose measurements match. `None` if there is no such option.
    pub(super) any_of: Option<String>,
    /// True if the enclave is a simulator, whose documents prove nothing.
    pub(super) is_simulator: bool,
    /// True if the server's certificate is valid for the URL's host.
    pub(super) is_valid_for_host: bool,
}

enum AnyVerifiedDocument {
    Enclave(VerifiedDocument<Production>),
    Simulator(VerifiedDocument<Simulated>),
}

impl AnyVerifiedDocument {
    fn claims(&self) -> Claims<'_> {
        match self {
            Self::Enclave(document) => document.claims(),
            Self::Simulator(document) => document.claims(),
        }
    }
}

impl Requirements {
    /// Verifies the enclave at `target` over one connection. Retries throttled requests until
    /// `deadline`.
    pub(super) async fn verify(
        &self,
        target: &Target,
        tls: Arc<ClientConfig>,
        deadline: Instant,
    ) -> Result<VerifiedEnclave, TrustError> {
        let mut nonce = [0; NONCE_LENGTH];
        fill_random(&mut nonce).map_err(|error| TrustError::LocalResource(error.to_string()))?;
        let mut connection = Connection::open(target, tls).await?;
        let path = format!("/attestation?nonce={}", const_hex::encode(nonce));
        let mut retries = Retries::until(deadline.into_std());
        let document = connection.get_with_retries(&path, MAX_DOCUMENT_LENGTH, &mut retries);
        let document = timeout_at(deadline, document).await.unwrap_or(Ok(None))?;
        let (limit, throttled) = (self.timeout, retries.throttled());
        let document = document.ok_or(TrustError::Throttled { limit, throttled })?;
        // Checks 2 and 3.
        let document = self.verify_document(document, &mut connection).await?;
        let claims = document.claims();
        // 4
        if claims.nonce() != Some(&nonce) {
            return Err(TrustError::Replayed);
        }
        // 5
        let now = SystemClock.now();
        let any_of =
            self.expected.compare(claims.pcrs(), now).map_err(TrustError::MeasurementMismatch)?;
        // 6
        let authority_digest = authority_digest(&claims).map_err(TrustError::NoAuthority)?;
        // 7
        let certificates = connection.certificates();
        let authority =
            verify_chain(certificates, &authority_digest, now).map_err(TrustError::TlsNotBound)?;
        let is_valid_for_host = |server| is_valid_for(server, target.host());
        Ok(VerifiedEnclave {
            module_id: claims.module_id().to_owned(),
            authority_digest,
            authority,
            any_of: any_of.map(ToOwned::to_owned),
            is_simulator: names_simulator_root(&claims),
            is_valid_for_host: certificates.first().is_some_and(is_valid_for_host),
        })
    }

    async fn verify_document(
        &self,
        bytes: Vec<u8>,
        connection: &mut Connection,
    ) -> Result<AnyVerifiedDocument, TrustError> {
        let document = UnverifiedDocument::parse(bytes.clone())?;
        let is_simulated = names_simulator_root(&document.dangerous_unverified_claims());
        // `--root` may contain a simulator's root, so a document that verifies may come from a
        // simulator.
        let refuses = is_simulated && !self.allow_simulator;
        match verify_live(document, &self.anchors) {
            Ok(_) | Err(UntrustedDocument::UnknownRoot) if refuses => {
                return Err(TrustError::Simulator);
            }
            Ok(document) => return Ok(AnyVerifiedDocument::Enclave(document)),
            Err(UntrustedDocument::UnknownRoot) if is_simulated => {}
            Err(error) => return Err(error.into()),
        }
        let pem = connection.get("/simulator/root.pem", MAX_DOCUMENT_LENGTH).await?;
        let root = CertificateDer::from_pem_slice(&pem).map_err(|_| TrustError::InvalidRoot)?;
        let anchors = TrustAnchors::simulator_root(&root);
        let document = UnverifiedDocument::parse(bytes)?;
        Ok(AnyVerifiedDocument::Simulator(verify_live(document, &anchors)?))
    }
}

fn verify_live<T: attestation::Trust>(
    document: UnverifiedDocument,
    anchors: &TrustAnchors<T>,
) -> Result<VerifiedDocument<T>, UntrustedDocument> {
    let now = ClockReading::this_machine(SystemClock.now());
    document.verify_live(anchors, now, MaxAge::default(), DebugMode::Reject)
}

/// Returns the digest of the authority's key in the identity of the document.
fn authority_digest(claims: &Claims<'_>) -> Result<[u8; SHA_256_LENGTH], NoAuthorityReason> {
    let user_data = claims.user_data().ok_or(NoAuthorityReason::NoUserData)?;
    Identity::from_user_data(user_data)?.tls_ca.ok_or(NoAuthorityReason::NoTlsCa)
}
