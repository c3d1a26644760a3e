//! The settings of the service, built from all tables.

use std::num::NonZeroUsize;
use std::sync::Arc;

use attestation::CacheSizes;
use attestation::time::UnixMillis;

use super::bundle::ConfigBundle;
use super::credential::PrincipalRegistry;
use super::egress;
use super::error::ValidationError;
use super::file::ConfigFile;
use super::key_store::key_stores;
use super::profile::Profile;
#[cfg(feature = "simulator")]
use super::simulator_table::SimulatorTable;
use super::warning::ConfigWarning;
use crate::audit::UnauthenticatedLimits;
use crate::auth::Authenticator;
use crate::egress::Route;
use crate::entropy::EntropySettings;
use crate::http::PeerPolicy;
use crate::key_store::KeyStoreSettings;
use crate::pcr_extension::ConfigDigests;
use crate::platform::PlatformSettings;
use crate::policy::Policy;
use crate::receipts::ReceiptMode;
use crate::throttle::Throttle;
use crate::tls::TlsSettings;

/// The settings of the service.
#[derive(Debug)]
pub struct Settings {
    pub(crate) authenticator: Authenticator,
    pub(crate) policy: Arc<Policy>,
    pub(crate) receipt_mode: ReceiptMode,
    pub(crate) throttle: Throttle,
    /// Limits on the audit records of unauthenticated callers.
    pub(crate) unauthenticated_limits: UnauthenticatedLimits,
    /// The region, for audit records.
    pub(crate) region: Option<Arc<str>>,
    /// Sizes of the caches of verified documents.
    pub(crate) cache_sizes: CacheSizes,
    /// Number of threads of the crypto pool.
    pub(crate) verification_threads: NonZeroUsize,
    pub(crate) entropy: EntropySettings,
    pub(crate) platform: PlatformSettings,
    pub(crate) tls: TlsSettings,
    pub(crate) key_stores: Vec<KeyStoreSettings>,
    /// The policy of which peers may connect.
    pub(crate) peer_policy: PeerPolicy,
    /// The egress routes.
    egress: Vec<Route>,
    /// The measurement of the configuration bundle. `None` without a bundle.
    pub(crate) measurement: Option<ConfigDigests>,
    pub(super) warnings: Vec<ConfigWarning>,
    /// Policy warnings that apply only if requests carry no client address.
    warnings_without_client_addr: Vec<String>,
}

impl Settings {
    /// Replaces the policy of which peers may connect.
    #[must_use]
    pub fn with_peer_policy(self, peer_policy: PeerPolicy) -> Self {
        Self { peer_policy, ..self }
    }

    /// Returns the egress routes.
    pub fn egress(&self) -> &[Route] {
        &self.egress
    }

    /// Logs the effective settings, and the warnings that apply at `now`.
    pub(crate) fn announce(&self, now: UnixMillis) {
        match &self.authenticator {
            Authenticator::None => {
                tracing::warn!("[auth] mode is \"none\": unauthenticated callers are accepted");
            }
            Authenticator::SigV4(sigv4) => {
                let (region, credentials) = (sigv4.region(), sigv4.number_of_credentials());
                tracing::info!(region, credentials, "[auth] mode is \"sigv4\"");
            }
        }
        self.tls.announce();
        tracing::info!("[receipts] mode is \"{}\"", self.receipt_mode.as_str());
        self.policy.announce();
        self.entropy.announce();
        self.warnings.iter().for_each(|warning| warning.log_if_due(now));
        if !self.peer_policy.proxy_protocol {
            self.warnings_without_client_addr
                .iter()
                .for_each(|warning| tracing::warn!("{warning}"));
        }
    }
}

/// Builds the settings of `file` with the defaults of `profile`.
pub(super) fn build(
    file: ConfigFile,
    bundle: &ConfigBundle,
    profile: Profile,
) -> Result<Settings, ValidationError> {
    #[cfg(feature = "simulator")]
    file.simulator.as_ref().map_or(Ok(()), |_| SimulatorTable::check(profile))?;
    let mode = file.auth.check(profile, !file.credential.is_empty(), file.recipient.require)?;
    let tls = file.tls.settings(bundle, profile)?;
    let has_tls = !matches!(tls, TlsSettings::Off);
    let mut principals =
        PrincipalRegistry::new(bundle, has_tls, file.throttle.requests_per_second_per_principal);
    let authenticator = file.auth.authenticator(mode, file.credential, &mut principals)?;
    let PrincipalRegistry { mut warnings, warnings_without_client_addr, .. } = principals;
    warnings.extend(ConfigWarning::for_tls(&tls));
    let receipt_mode = file.receipts.mode;
    let key_stores = key_stores(file.key_store, bundle, receipt_mode)?;
    let recipient = file.recipient.policy(&tls, profile)?;
    if profile == Profile::Production {
        warnings.extend(ConfigWarning::for_plaintext(&recipient, &tls));
        warnings.extend(ConfigWarning::for_key_stores(&key_stores));
    }
    Ok(Settings {
        authenticator,
        policy: Arc::new(Policy::new(recipient)),
        receipt_mode,
        throttle: file.throttle.throttle(),
        unauthenticated_limits: file.audit.limits(),
        region: file.auth.region.map(Arc::from),
        cache_sizes: file.verification.cache_sizes(),
        verification_threads: file.verification.threads(),
        entropy: file.entropy.settings()?,
        platform: file.platform.settings()?,
        tls,
        key_stores,
        peer_policy: PeerPolicy::default(),
        egress: egress::routes(file.egress, profile)?,
        measurement: None,
        warnings,
        warnings_without_client_addr,
    })
}
