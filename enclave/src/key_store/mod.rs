//! Custom key stores: hardware security modules (HSMs) that a caller can choose as the source of random
//! bytes. `docs/key-stores.md` describes the configuration and the faults of key stores.
//!
//! The service calls an HSM through a PKCS#11 module, which is third-party code and may block without
//! limit. So each store has its own threads for these calls. A request waits for these threads, but not
//! longer than its deadline. No other part of the service waits for a store. The start-up of the service
//! does not wait for a store either.

#[cfg_attr(not(feature = "pkcs11"), expect(dead_code, reason = "only HSMs have faults"))]
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
use self::hsm::{Hsm, TokenRegistry};
pub(crate) use self::metrics::KeyStoreMetrics;
#[cfg(not(feature = "pkcs11"))]
use self::no_hsm::{Hsm, TokenRegistry};
pub(crate) use self::settings::{
    HsmSettings, KeyStoreKind, KeyStoreSettings, Pin, Token, XksProxy,
};
pub use self::settings::{KeyStoreError, KeyStoreErrorReason};
use crate::entropy::RandomBytes;

/// Longest time that the service waits for unfinished calls when it shuts down. The end of the process
/// unloads the modules, so no thread should be in a call at that time.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The key stores, in the order of the configuration.
#[derive(Debug)]
pub(crate) struct KeyStores {
    stores: Vec<KeyStore>,
}

/// A key store.
#[derive(Debug)]
pub(crate) struct KeyStore {
    id: String,
    name: String,
    /// Time when the service started.
    created: UnixMillis,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Hsm {
        cluster_id: String,
        trust_anchor_certificate: Option<String>,
        /// `None` if the configuration sets `connect = false`.
        hsm: Option<Hsm>,
    },
    External(XksProxy),
}

impl KeyStores {
    /// Starts the threads that connect the stores. Does not wait for the connections.
    ///
    /// # Errors
    /// Fails if a module file cannot be read, if the environment variable of a PIN is not set or empty, if the
    /// system cannot start a thread, or if this build has no PKCS#11.
    pub(crate) fn start(
        settings: Vec<KeyStoreSettings>,
        now: UnixMillis,
        metrics: &Arc<KeyStoreMetrics>,
    ) -> Result<Self, KeyStoreError> {
        let registry = Arc::new(TokenRegistry::default());
        let numbered = |number, reason| KeyStoreError { number, reason };
        // All stores are checked before a module is called. So a start-up that fails in these checks calls
        // no module.
        let store = |(settings, number)| {
            KeyStore::new(settings, now, &registry, metrics)
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

    /// Returns the key store with this identifier.
    pub(crate) fn find(&self, id: &str) -> Option<&KeyStore> {
        self.stores.iter().find(|store| store.id == id)
    }

    /// Updates the metrics that are computed for each request of the metrics.
    pub(crate) fn refresh_metrics(&self, metrics: &KeyStoreMetrics) {
        metrics.set_states(self.count());
    }

    /// Counts the key stores in each state.
    fn count(&self) -> [(ConnectionState, usize); 4] {
        let states: Vec<_> = self.stores.iter().map(|store| store.state().0).collect();
        let count = |state| states.iter().filter(|other| **other == state).count();
        ConnectionState::ALL.map(|state| (state, count(state)))
    }

    /// Returns the HSM of each store that the service connects.
    fn hsms(&self) -> impl Iterator<Item = &Hsm> {
        self.stores.iter().filter_map(|store| match &store.kind {
            Kind::Hsm { hsm, .. } => hsm.as_ref(),
            Kind::External(_) => None,
        })
    }

    /// Returns all key stores.
    pub(crate) fn as_slice(&self) -> &[KeyStore] {
        &self.stores
    }
}

impl Drop for KeyStores {
    fn drop(&mut self) {
        // Closes all stores first, so that all stores share one deadline.
        self.hsms().for_each(Hsm::close);
        let deadline = Instant::now() + CLOSE_TIMEOUT;
        self.hsms().for_each(|hsm| hsm.wait_for_threads(deadline));
    }
}

impl KeyStore {
    fn new(
        settings: KeyStoreSettings,
        created: UnixMillis,
        registry: &Arc<TokenRegistry>,
        metrics: &Arc<KeyStoreMetrics>,
    ) -> Result<Self, KeyStoreErrorReason> {
        let KeyStoreSettings { id, name, kind } = settings;
        let kind = match kind {
            KeyStoreKind::External(proxy) => Kind::External(proxy),
            KeyStoreKind::Hsm(mut settings) => Kind::Hsm {
                cluster_id: mem::take(&mut settings.cluster_id),
                trust_anchor_certificate: settings.trust_anchor_certificate.take(),
                hsm: match settings.connect {
                    true => Some(Hsm::new(&id, *settings, registry, metrics)?),
                    false => None,
                },
            },
        };
        Ok(Self { id, name, created, kind })
    }

    /// Returns the identifier.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Returns the name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns `length` random bytes of the HSM.
    ///
    /// # Errors
    /// Fails if the store has no connected HSM, if the queue of the store is full, if the HSM fails, or if the
    /// deadline passes.
    pub(crate) async fn draw(&self, length: usize) -> Result<RandomBytes, KeyStoreFault> {
        match &self.kind {
            Kind::External(_) => Err(KeyStoreFault::Unsupported),
            Kind::Hsm { hsm: None, .. } => {
                Err(KeyStoreFault::NotConnected(ConnectionState::Disconnected))
            }
            Kind::Hsm { hsm: Some(hsm), .. } => hsm.draw(length).await,
        }
    }

    /// Returns the connection state, and an error code if the store has failed.
    pub(crate) fn state(&self) -> (ConnectionState, Option<ConnectionErrorCode>) {
        match &self.kind {
            Kind::Hsm { hsm: Some(hsm), .. } => hsm.state(),
            // The service never connects to an external key store.
            Kind::Hsm { hsm: None, .. } | Kind::External(_) => {
                (ConnectionState::Disconnected, None)
            }
        }
    }

    /// Returns the entry of DescribeCustomKeyStores.
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
