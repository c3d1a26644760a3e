//! The start of the service: everything that an answer needs must work before a caller is served.

use std::io;
use std::mem;
use std::sync::Arc;

use attestation::{TrustAnchors, Verifier};
use thiserror::Error;

use super::Service;
use super::metrics::{self, SubsystemMetrics};
use crate::attestation_endpoint::AttestationEndpoint;
use crate::audit::Audit;
use crate::config::Settings;
use crate::crypto_pool::{self, CryptoPool};
use crate::entropy::{Entropy, EntropyFault, KnownAnswerError, known_answers};
use crate::key_store::{KeyStoreError, KeyStores};
use crate::kms::{Api, Generator};
use crate::nsm::{Booted, NsmFault, NsmThread};
use crate::platform::{Platform, PlatformError, check_pcr0};
use crate::request_log::RequestLogger;
use crate::tls::{Tls, TlsError};

/// Why the service does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// Not where it should run.
    #[error(transparent)]
    Platform(#[from] PlatformError),
    /// It does not compute what it should.
    #[error(transparent)]
    KnownAnswer(#[from] KnownAnswerError),
    /// No thread for the NSM, or to verify documents.
    #[error("no thread is to be had: {0}")]
    Thread(#[from] io::Error),
    /// The NSM does not work.
    #[error("{0}; without entropy there is nothing to serve")]
    Nsm(#[from] NsmFault),
    /// There is no entropy.
    #[error("{0}; without entropy there is nothing to serve")]
    Entropy(#[from] EntropyFault),
    /// There are no keys for TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A key store cannot be.
    #[error(transparent)]
    KeyStore(#[from] KeyStoreError),
}

impl<P: Platform> Service<P> {
    /// Starts the service on `platform`.
    ///
    /// # Errors
    /// If something that an answer needs does not work.
    pub async fn start(
        platform: P,
        nsm: P::Nsm,
        anchors: TrustAnchors<P::Trust>,
        mut settings: Settings,
        audit: Audit,
    ) -> Result<Self, StartError> {
        platform.examine(&settings.platform)?;
        let passed = known_answers::run()?;
        let (metrics, subsystems) = metrics::register();
        let (nsm_settings, measurement) = (&settings.entropy.nsm, settings.measurement);
        let nsm_metrics = subsystems.nsm;
        let booted =
            NsmThread::start(nsm, platform.clock(), nsm_settings, measurement, nsm_metrics);
        let Booted { nsm, clock, pcr0 } = booted.await??;
        check_pcr0(&pcr0, settings.policy.document_rules().debug)?;
        let threads = crypto_pool::default_number().get() + settings.workers.get();
        let prediction_resistance = settings.entropy.prediction_resistance;
        let entropy =
            Entropy::instantiate(passed, nsm, threads, prediction_resistance, subsystems.entropy);
        let entropy = entropy.await?;
        let now = {
            let clock = Arc::clone(&clock);
            Arc::new(move || clock.now())
        };
        let tls = Tls::start(&settings.tls, now, subsystems.tls_handshakes)?;
        let stores = mem::take(&mut settings.key_stores);
        let key_stores = KeyStores::start(stores, clock.now(), &subsystems.key_stores)?;
        settings.announce(clock.now());
        tracing::info!(
            provider = attestation::crypto::PROVIDER,
            "the NSM gives entropy; in service"
        );
        platform.in_service();
        let generator = Generator {
            verifier: Verifier::new(anchors, settings.caches),
            policy: Arc::clone(&settings.policy),
            entropy,
            key_stores,
        };
        let SubsystemMetrics { requests, audit: audit_metrics, attestation_requests, .. } =
            subsystems;
        let audit = audit.limited(settings.unauthenticated);
        let binding = tls.as_ref().and_then(Tls::binding);
        Ok(Self {
            platform,
            entrance: settings.entrance,
            api: Api {
                authenticator: settings.authenticator,
                throttle: settings.throttle,
                generator: Arc::new(generator),
                crypto_pool: CryptoPool::start(settings.workers)?,
                clock,
                logger: RequestLogger::new(audit, audit_metrics, requests, settings.region),
                metrics: subsystems.api,
                key_store_metrics: subsystems.key_stores,
            },
            attestation_endpoint: AttestationEndpoint::new(binding, attestation_requests),
            tls,
            connections: subsystems.connections,
            metrics,
        })
    }
}
