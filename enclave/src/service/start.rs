//! The start of the service. Before the first request, all components that a response needs must work.

use std::mem;
use std::sync::Arc;

use attestation::crypto::Es256Key;
use attestation::{Identity, TrustAnchors, Verifier};

use super::keys::{self, Keys};
use super::start_error::StartError;
use super::{Service, metrics};
use crate::attestation_endpoint::AttestationEndpoint;
use crate::audit::{Audit, DigestSources};
use crate::clock::{Clock, TrustedClock};
use crate::config::Settings;
use crate::crypto_pool::{self, CryptoPool};
use crate::entropy::{EntropyMetrics, EntropySettings, EntropySource, known_answers};
use crate::key_store::KeyStores;
use crate::kms::{Api, ApiError, Handler};
use crate::nsm::{NsmHandle, NsmMetrics, StartedNsm};
use crate::platform::{Platform, check_pcr0};
use crate::receipts::ReceiptSigner;
use crate::request_log::RequestLogger;
use crate::tls::Tls;

impl<P: Platform> Service<P> {
    /// Starts the service on `platform`.
    ///
    /// # Errors
    /// If the machine or PCR0 fails a check of the platform, if a known-answer test fails, or if the NSM, the
    /// entropy source, TLS, a key store or a thread cannot be started.
    pub async fn start(
        platform: P,
        nsm: P::Nsm,
        anchors: TrustAnchors<P::Trust>,
        mut settings: Settings,
        audit: Audit,
    ) -> Result<Self, StartError> {
        platform.check_machine(&settings.platform)?;
        let (metrics, subsystems) = metrics::register();
        let sources = (subsystems.nsm, subsystems.entropy);
        let (entropy, clock) =
            start_sources::<P>(nsm, platform.clock(), &settings, sources).await?;
        let now = {
            let clock = Arc::clone(&clock);
            Arc::new(move || clock.now())
        };
        let start_tls = || Tls::start(&settings.tls, now, subsystems.tls_handshakes);
        let Keys { receipt_key, tls } = keys::generate(&platform, entropy.nsm(), start_tls).await?;
        let identity = identity(&receipt_key, tls.as_ref());
        entropy.nsm().set_identity(identity.to_user_data()).await?;
        let stores = mem::take(&mut settings.key_stores);
        let key_stores = KeyStores::start(stores, clock.now(), &subsystems.key_stores)?;
        settings.announce(clock.now());
        let verifier = Verifier::new(anchors, settings.cache_sizes);
        let policy = Arc::clone(&settings.policy);
        let sources = digest_sources(Arc::clone(&receipt_key), &clock, entropy.nsm());
        let audit = audit.start(sources, settings.unauthenticated_limits)?;
        let crypto_pool = CryptoPool::start(settings.verification_threads)?;
        tracing::info!(
            provider = attestation::crypto::PROVIDER,
            "service started: the NSM returns entropy"
        );
        platform.on_ready();
        let api = Api {
            authenticator: settings.authenticator,
            throttle: settings.throttle,
            handler: Arc::new(Handler { verifier, policy, entropy, key_stores }),
            crypto_pool,
            clock,
            logger: RequestLogger::new(
                audit,
                subsystems.audit,
                subsystems.requests,
                ApiError::Panicked.to_kms_error(),
                settings.region,
            ),
            receipts: ReceiptSigner::new(receipt_key, settings.receipt_mode, subsystems.receipts),
            metrics: subsystems.api,
            key_store_metrics: subsystems.key_stores,
        };
        let attestation_endpoint = AttestationEndpoint::new(subsystems.attestation_requests);
        let (peer_policy, connections) = (settings.peer_policy, subsystems.connections);
        Ok(Self { platform, peer_policy, api, attestation_endpoint, tls, connections, metrics })
    }
}

/// Returns the sources of the audit digests.
fn digest_sources<C: Clock>(
    receipt_key: Arc<Es256Key>,
    clock: &Arc<TrustedClock<C>>,
    nsm: &NsmHandle,
) -> DigestSources {
    let clock = Arc::clone(clock);
    DigestSources {
        receipt_key,
        now: Box::new(move || clock.now()),
        document: Box::new(nsm.document_source()),
    }
}

/// Returns the keys that the enclave's own document attests.
fn identity(receipt_key: &Es256Key, tls: Option<&Tls>) -> Identity {
    let tls = tls.and_then(Tls::key_digests);
    Identity {
        receipt_key: *receipt_key.public_key(),
        tls_key: tls.map(|digests| digests.server),
        tls_ca: tls.map(|digests| digests.authority),
        config: None,
    }
}

/// Starts the sources of entropy and time, after the known-answer tests.
async fn start_sources<P: Platform>(
    nsm: P::Nsm,
    clock: P::Clock,
    settings: &Settings,
    (nsm_metrics, entropy_metrics): (Arc<NsmMetrics>, EntropyMetrics),
) -> Result<(EntropySource, Arc<TrustedClock<P::Clock>>), StartError> {
    let passed = known_answers::run()?;
    let EntropySettings { nsm: nsm_settings, reseed_policy } = &settings.entropy;
    let measurement = settings.measurement;
    let started = NsmHandle::start(nsm, clock, nsm_settings, measurement, nsm_metrics);
    let StartedNsm { nsm, clock, pcr0 } = started.await??;
    check_pcr0(&pcr0, settings.policy.document_rules().debug)?;
    // Each thread that draws entropy has one DRBG instance.
    let threads = crypto_pool::default_threads().get() + settings.verification_threads.get();
    let entropy = EntropySource::instantiate(passed, nsm, threads, *reseed_policy, entropy_metrics);
    Ok((entropy.await?, clock))
}
