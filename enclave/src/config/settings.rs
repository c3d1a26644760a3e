//! The settings of the service: the values of all tables, checked together.

use std::num::NonZeroUsize;
use std::sync::Arc;

use attestation::CacheSizes;
use attestation::time::UnixMillis;

use super::credential::Principals;
use super::egress;
use super::error::ValidationError;
use super::file::ConfigFile;
use super::files::Files;
use super::key_store::key_stores;
use super::posture::Posture;
#[cfg(feature = "simulator")]
use super::simulated::SimulatorTable;
use super::surprise::Surprise;
use crate::audit::UnauthenticatedLimits;
use crate::auth::Authenticator;
use crate::egress::Route;
use crate::entropy::EntropySettings;
use crate::http::PeerPolicy;
use crate::key_store::KeyStoreSettings;
use crate::measurement::Measured;
use crate::platform::PlatformSettings;
use crate::policy::Policy;
use crate::throttle::Throttle;
use crate::tls::TlsSettings;

/// The settings of the service.
#[derive(Debug)]
pub struct Settings {
    pub(crate) authenticator: Authenticator,
    pub(crate) policy: Arc<Policy>,
    pub(crate) throttle: Throttle,
    /// Limits on the audit records of unauthenticated callers.
    pub(crate) unauthenticated: UnauthenticatedLimits,
    /// The region, for the audit trail.
    pub(crate) region: Option<Arc<str>>,
    /// Sizes of the caches of verified documents.
    pub(crate) caches: CacheSizes,
    /// Number of threads that verify documents.
    pub(crate) verification_threads: NonZeroUsize,
    pub(crate) entropy: EntropySettings,
    pub(crate) platform: PlatformSettings,
    pub(crate) tls: TlsSettings,
    pub(crate) key_stores: Vec<KeyStoreSettings>,
    /// The peers that may connect.
    pub(crate) peer_policy: PeerPolicy,
    /// The egress routes.
    egress: Vec<Route>,
    /// The measurement of the configuration, if there is one.
    pub(crate) measurement: Option<Measured>,
    pub(super) surprises: Vec<Surprise>,
    /// Warnings of policies, for a service whose requests carry no client address.
    without_sources: Vec<String>,
}

impl Settings {
    /// Replaces the peers that may connect.
    #[must_use]
    pub fn through(self, peer_policy: PeerPolicy) -> Self {
        Self { peer_policy, ..self }
    }

    /// Returns the egress routes.
    pub fn egress(&self) -> &[Route] {
        &self.egress
    }

    /// Logs the settings in effect, and the warnings that apply at `now`.
    pub(crate) fn announce(&self, now: UnixMillis) {
        match &self.authenticator {
            Authenticator::None => {
                tracing::warn!("[auth] mode is \"none\": whoever reaches this service is answered");
            }
            Authenticator::SigV4(sigv4) => {
                let (region, credentials) = (sigv4.region(), sigv4.number_of_credentials());
                tracing::info!(region, credentials, "[auth] mode is \"sigv4\"");
            }
        }
        self.tls.announce();
        self.policy.announce();
        self.entropy.announce();
        self.surprises.iter().for_each(|surprise| surprise.warn(now));
        if !self.peer_policy.proxy_protocol {
            self.without_sources.iter().for_each(|warning| tracing::warn!("{warning}"));
        }
    }
}

/// Builds the settings of `file` with the defaults of `posture`.
pub(super) fn build(
    file: ConfigFile,
    files: &Files,
    posture: Posture,
) -> Result<Settings, ValidationError> {
    #[cfg(feature = "simulator")]
    file.simulator.as_ref().map_or(Ok(()), |_| SimulatorTable::check(posture))?;
    let mode = file.auth.check(posture, !file.credential.is_empty(), file.recipient.require)?;
    let tls = file.tls.settings(files)?;
    let has_tls = !matches!(tls, TlsSettings::Off);
    let mut principals =
        Principals::new(files, has_tls, file.throttle.requests_per_second_per_principal);
    let authenticator = file.auth.authenticator(mode, file.credential, &mut principals)?;
    let Principals { mut surprises, without_sources, .. } = principals;
    surprises.extend(Surprise::of_tls(&tls));
    let key_stores = key_stores(file.key_store, files)?;
    let recipient = file.recipient.policy(&tls, posture)?;
    if posture == Posture::Production {
        surprises.extend(Surprise::of_plaintext(&recipient, &tls));
        surprises.extend(Surprise::of_key_stores(&key_stores));
    }
    Ok(Settings {
        authenticator,
        policy: Arc::new(Policy::new(recipient)),
        throttle: file.throttle.throttle(),
        unauthenticated: file.audit.limits(),
        region: file.auth.region.map(Arc::from),
        caches: file.verification.caches(),
        verification_threads: file.verification.threads(),
        entropy: file.entropy.settings()?,
        platform: file.platform.settings()?,
        tls,
        key_stores,
        peer_policy: PeerPolicy::default(),
        egress: egress::routes(file.egress, posture)?,
        measurement: None,
        surprises,
        without_sources,
    })
}
