//! Custom key stores: hardware security modules (HSMs) that callers can name as the source of their
//! random bytes. `docs/key-stores.md` says how they are configured and what becomes of their faults.
//!
//! An HSM is reached over PKCS#11, by a module that is foreign code: it blocks for as long as it likes.
//! So each store has threads of its own, which alone call it, and a request waits for them until its
//! deadline and no longer. Nothing else in the service waits for a store, its start included.

#[cfg_attr(not(feature = "pkcs11"), expect(dead_code, reason = "faults are an HSM's"))]
mod fault;
#[cfg(feature = "pkcs11")]
mod hsm;
mod metrics;
#[cfg(not(feature = "pkcs11"))]
mod no_hsm;
#[cfg_attr(not(feature = "pkcs11"), expect(dead_code, reason = "there is no HSM to connect"))]
mod settings;

use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use attestation::time::UnixMillis;
use kms_api::{
    ConnectionErrorCode, ConnectionState, CreationDate, CustomKeyStoreType,
    CustomKeyStoresListEntry, XksProxyConfiguration, XksProxyConnectivity,
};

pub(crate) use self::fault::KeyStoreFault;
#[cfg(feature = "pkcs11")]
use self::hsm::{Claims, Hsm};
pub(crate) use self::metrics::KeyStoreMetrics;
#[cfg(not(feature = "pkcs11"))]
use self::no_hsm::{Claims, Hsm};
pub(crate) use self::settings::{
    HsmSettings, KeyStoreKind, KeyStoreSettings, Pin, Token, XksProxy,
};
pub use self::settings::{KeyStoreError, KeyStoreErrorReason};
use crate::entropy::RandomBytes;

/// How long the end of a service waits for calls that are under way: a process that ends takes a module
/// from under whoever calls it.
const END_PATIENCE: Duration = Duration::from_secs(1);

/// All key stores, in the order of the configuration.
#[derive(Debug)]
pub(crate) struct KeyStores {
    stores: Vec<KeyStore>,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct KeyStore {
    id: String,
    name: String,
    /// When the service came to know it.
    created: UnixMillis,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Hsm {
        cluster_id: String,
        trust_anchor_certificate: Option<String>,
        /// `None` if it is not to be connected.
        hsm: Option<Hsm>,
    },
    External(XksProxy),
}

impl KeyStores {
    /// Begins to connect those that are to be. That takes as long as their modules take; nobody waits
    /// for it.
    ///
    /// # Errors
    /// What no waiting would mend.
    pub(crate) fn start(
        settings: Vec<KeyStoreSettings>,
        now: UnixMillis,
        metrics: &Arc<KeyStoreMetrics>,
    ) -> Result<Self, KeyStoreError> {
        let claims = Arc::new(Claims::default());
        let numbered = |number, reason| KeyStoreError { number, reason };
        // First all that can be refused: a process that ends as it starts has called no module.
        let store = |(settings, number)| {
            KeyStore::new(settings, now, &claims, metrics)
                .map_err(|reason| numbered(number, reason))
        };
        let stores = settings.into_iter().zip(1..).map(store).collect::<Result<_, _>>()?;
        let mut this = Self { stores };
        for (store, number) in this.stores.iter_mut().zip(1..) {
            if let Kind::Hsm { hsm: Some(hsm), .. } = &mut store.kind {
                hsm.connect().map_err(|reason| numbered(number, reason))?;
            }
        }
        Ok(this)
    }

    /// The one with this id.
    pub(crate) fn find(&self, id: &str) -> Option<&KeyStore> {
        self.stores.iter().find(|store| store.id == id)
    }

    /// Brings the metrics up to date that are only read when they are shown.
    pub(crate) fn refresh_metrics(&self, metrics: &KeyStoreMetrics) {
        metrics.set_states(self.count());
    }

    /// How many are in each state.
    fn count(&self) -> [(ConnectionState, usize); 4] {
        let states: Vec<_> = self.stores.iter().map(|store| store.state().0).collect();
        let count = |state| states.iter().filter(|other| **other == state).count();
        ConnectionState::ALL.map(|state| (state, count(state)))
    }

    /// Those that are to be connected.
    fn hsms(&self) -> impl Iterator<Item = &Hsm> {
        self.stores.iter().filter_map(|store| match &store.kind {
            Kind::Hsm { hsm, .. } => hsm.as_ref(),
            Kind::External(_) => None,
        })
    }

    /// All of them.
    pub(crate) fn as_slice(&self) -> &[KeyStore] {
        &self.stores
    }
}

impl Drop for KeyStores {
    fn drop(&mut self) {
        // All at once, and then one wait for all.
        self.hsms().for_each(Hsm::close);
        let deadline = Instant::now() + END_PATIENCE;
        self.hsms().for_each(|hsm| hsm.ended(deadline));
    }
}

impl KeyStore {
    fn new(
        settings: KeyStoreSettings,
        created: UnixMillis,
        claims: &Arc<Claims>,
        metrics: &Arc<KeyStoreMetrics>,
    ) -> Result<Self, KeyStoreErrorReason> {
        let KeyStoreSettings { id, name, kind } = settings;
        let kind = match kind {
            KeyStoreKind::External(proxy) => Kind::External(proxy),
            KeyStoreKind::Hsm(mut settings) => Kind::Hsm {
                cluster_id: mem::take(&mut settings.cluster_id),
                trust_anchor_certificate: settings.trust_anchor_certificate.take(),
                hsm: match settings.connect {
                    true => Some(Hsm::new(&id, *settings, claims, metrics)?),
                    false => None,
                },
            },
        };
        Ok(Self { id, name, created, kind })
    }

    /// Its id.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Exactly what its HSM gives for `length` bytes, by its deadline.
    ///
    /// # Errors
    /// If it has none, or not at the moment, or that fails.
    pub(crate) async fn draw(&self, length: usize) -> Result<RandomBytes, KeyStoreFault> {
        match &self.kind {
            Kind::External(_) => Err(KeyStoreFault::Unsupported),
            Kind::Hsm { hsm: None, .. } => {
                Err(KeyStoreFault::NotConnected(ConnectionState::Disconnected))
            }
            Kind::Hsm { hsm: Some(hsm), .. } => hsm.draw(length).await,
        }
    }

    /// How it is, and if it failed, why.
    pub(crate) fn state(&self) -> (ConnectionState, Option<ConnectionErrorCode>) {
        match &self.kind {
            Kind::Hsm { hsm: Some(hsm), .. } => hsm.state(),
            // Nothing here ever asks an external one.
            Kind::Hsm { hsm: None, .. } | Kind::External(_) => {
                (ConnectionState::Disconnected, None)
            }
        }
    }

    /// As it is shown.
    pub(crate) fn entry(&self) -> CustomKeyStoresListEntry<'_> {
        let (connection_state, connection_error_code) = self.state();
        let entry = CustomKeyStoresListEntry {
            custom_key_store_id: &self.id,
            custom_key_store_name: &self.name,
            custom_key_store_type: CustomKeyStoreType::AwsCloudhsm,
            cloud_hsm_cluster_id: None,
            trust_anchor_certificate: None,
            connection_state,
            connection_error_code,
            creation_date: CreationDate(self.created.as_millis()),
            xks_proxy_configuration: None,
        };
        match &self.kind {
            Kind::Hsm { cluster_id, trust_anchor_certificate, .. } => CustomKeyStoresListEntry {
                cloud_hsm_cluster_id: Some(cluster_id),
                trust_anchor_certificate: trust_anchor_certificate.as_deref(),
                ..entry
            },
            Kind::External(XksProxy { endpoint, path }) => CustomKeyStoresListEntry {
                custom_key_store_type: CustomKeyStoreType::ExternalKeyStore,
                xks_proxy_configuration: Some(XksProxyConfiguration {
                    connectivity: XksProxyConnectivity::PublicEndpoint,
                    uri_endpoint: endpoint,
                    uri_path: path,
                }),
                ..entry
            },
        }
    }
}
