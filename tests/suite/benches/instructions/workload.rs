//! The measured workloads.

use std::future::pending;
use std::sync::Arc;

use attestation::cms::{ContentEncryption, RecipientPrivateKey, seal_into, sealed_length};
use attestation::crypto::fill_random;
use attestation::{
    CacheSizes, ClockReading, DebugMode, MaxAge, PcrFamily, RecipientKey, TrustAnchors,
    UnverifiedDocument, Verifier,
};
use enclave::Service;
use enclave::audit::Audit;
use enclave::clock::{Clock, SystemClock};
use enclave::config::{Config, Profile};
use enclave::http::Server;
use enclave::platform::Simulated;
use enclave::request::TransportSecurity;
use kms_api::GenerateRandomResponse;
use simulator::{DocumentRequest, SimulatedNsm, SimulatedPki, default_pcrs};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::runtime::Builder;

use crate::load::BoxError;

/// A workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Workload {
    /// Parses and verifies a document with empty caches: five signatures.
    Verify,
    /// Parses and verifies a cached document: no signature.
    VerifyCached,
    /// Derives the recipient's key from a verified document, seals 32 bytes to it, and builds the
    /// response body.
    Seal,
    /// Handles one request without a Recipient on a persistent connection, from its first byte to the
    /// last byte of the response, with default settings.
    PlainRequest,
}

impl Workload {
    pub(crate) const ALL: [Self; 4] =
        [Self::Verify, Self::VerifyCached, Self::Seal, Self::PlainRequest];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::VerifyCached => "verify_cached",
            Self::Seal => "seal",
            Self::PlainRequest => "plain_request",
        }
    }

    pub(crate) fn named(name: &str) -> Result<Self, BoxError> {
        Ok(Self::ALL.into_iter().find(|work| work.name() == name).ok_or("unknown workload")?)
    }

    pub(crate) fn repetitions(self) -> u64 {
        match self {
            Self::Verify | Self::VerifyCached | Self::Seal => 20,
            Self::PlainRequest => 200,
        }
    }

    pub(crate) fn run(self) -> Result<(), BoxError> {
        match self {
            Self::Verify => verify(self.repetitions(), false),
            Self::VerifyCached => verify(self.repetitions(), true),
            Self::Seal => seal(self.repetitions()),
            Self::PlainRequest => plain_requests(self.repetitions()),
        }
    }
}

/// Runs `work`. callgrind counts only the instructions of functions with the name of this function.
#[inline(never)]
fn measured<T>(work: impl FnOnce() -> T) -> T {
    work()
}

fn pki() -> Result<Arc<SimulatedPki>, BoxError> {
    Ok(Arc::new(SimulatedPki::new(Arc::new(|| SystemClock.now()))?))
}

fn document(pki: &SimulatedPki) -> Result<Vec<u8>, BoxError> {
    let key = RecipientPrivateKey::from_pem(include_str!("../../keys/rsa-2048.pem"))?;
    let family = PcrFamily::NitroEnclave;
    Ok(pki.document(DocumentRequest {
        family,
        pcrs: default_pcrs(family),
        public_key: Some(key.public_key_der().to_vec()),
        user_data: None,
        nonce: None,
        age_seconds: 0,
    })?)
}

fn verify(repetitions: u64, is_cached: bool) -> Result<(), BoxError> {
    for _ in 0..repetitions {
        // Each repetition has a new PKI, so its keys and signatures differ.
        let pki = pki()?;
        let anchors = TrustAnchors::simulator_root(pki.root_certificate());
        let verifier = Verifier::new(anchors, CacheSizes::default());
        let (bytes, now) = (document(&pki)?, ClockReading::given(SystemClock.now()));
        let verify = |bytes: Vec<u8>| -> Result<(), BoxError> {
            let document = UnverifiedDocument::parse(bytes)?;
            verifier.verify_live(document, now, MaxAge::default(), DebugMode::Reject)?;
            Ok(())
        };
        if is_cached {
            verify(bytes.clone())?;
        }
        measured(|| verify(bytes))?;
    }
    Ok(())
}

fn seal(repetitions: u64) -> Result<(), BoxError> {
    let pki = pki()?;
    let anchors = TrustAnchors::simulator_root(pki.root_certificate());
    let verifier = Verifier::new(anchors, CacheSizes::NONE);
    let document = UnverifiedDocument::parse(document(&pki)?)?;
    let now = ClockReading::given(SystemClock.now());
    let document = verifier.verify_live(document, now, MaxAge::default(), DebugMode::Reject)?;
    for _ in 0..repetitions {
        let encryption = ContentEncryption::draw(fill_random)?;
        let body = measured(|| -> Result<Vec<u8>, BoxError> {
            let key: RecipientKey = document.recipient_key()?;
            let length = sealed_length(&key, 32)?;
            Ok(GenerateRandomResponse::ciphertext_for_recipient(length, |envelope| {
                seal_into(&key, &[7; 32], encryption, envelope)
            })?)
        })?;
        assert!(body.len() > 600);
    }
    Ok(())
}

async fn service() -> Result<Service<Simulated<SystemClock>>, BoxError> {
    let pki = pki()?;
    let anchors = TrustAnchors::simulator_root(pki.root_certificate());
    let settings = Config::load(None)?.settings(Profile::Development)?;
    let nsm = SimulatedNsm::new(Arc::clone(&pki));
    let platform = Simulated::new(pki, SystemClock, nsm.readiness());
    let audit = Audit::to_writer(std::io::sink());
    Ok(Service::start(platform, nsm, anchors, settings, audit).await?)
}

fn plain_requests(repetitions: u64) -> Result<(), BoxError> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let server: &'static Server<Service<Simulated<SystemClock>>> =
        Box::leak(Box::new(Server::new(runtime.block_on(service())?)));
    let (mut client, stream) = duplex(64 * 1024);
    runtime.spawn(async move {
        server.serve_connection(stream, TransportSecurity::NoTls, pending()).await;
    });
    // The first requests initialize state that later requests use, so they are not counted.
    for _ in 0..10 {
        runtime.block_on(request(&mut client))?;
    }
    for _ in 0..repetitions {
        measured(|| runtime.block_on(request(&mut client)))?;
    }
    Ok(())
}

async fn request(client: &mut DuplexStream) -> Result<(), BoxError> {
    let message = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.1\r\n\
        X-Amz-Target: TrentService.GenerateRandom\r\nContent-Length: 20\r\n\r\n{\"NumberOfBytes\":32}";
    client.write_all(message).await?;
    let mut response = [0; 4096];
    let mut length = 0;
    while !response.get(..length).is_some_and(|response| response.ends_with(b"\"}")) {
        match client.read(response.get_mut(length..).unwrap_or_default()).await? {
            0 => return Err("the connection closed before the response".into()),
            read => length += read,
        }
    }
    match response.starts_with(b"HTTP/1.1 200 ") {
        true => Ok(()),
        false => Err("the request failed".into()),
    }
}
